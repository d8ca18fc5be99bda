"""Discovery, isolation and collisions, with plugins as other people would install them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltbench import hookimpl
from ltbench.errors import PluginError
from ltbench.plugins.manager import Plugins, discover, get_plugins
from ltbench.plugins.registry import Entry


def install(folder: Path, name: str, source: str) -> None:
    """Put a plugin of one module on a path, the way an installer would leave it."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(f"[ltbench]\n{module} = {module}\n")


def ltbench(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
    return subprocess.run(
        [sys.executable, "-m", "ltbench", *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **env},
    )


GOOD = """
from ltbench import hookimpl

@hookimpl
def ltbench_algorithms(register):
    register("mine", "good_plugin:Mine", summary="An algorithm of mine")
"""


def test_an_installed_plugin_is_listed_with_its_distribution(tmp_path):
    install(tmp_path, "good-plugin", GOOD)
    listing = json.loads(ltbench(tmp_path, "plugins", "list", "--json").stdout)
    assert {
        "name": "mine",
        "summary": "An algorithm of mine",
        "distribution": "good-plugin",
        "version": "2.5",
    } in listing["algorithms"]


def test_a_plugin_that_fails_to_import_is_named_and_spoils_nothing(tmp_path):
    install(tmp_path, "broken-plugin", "import nowhere_to_be_found")
    install(tmp_path, "good-plugin", GOOD)
    done = ltbench(tmp_path, "plugins", "list", "--json")
    assert done.returncode == 0
    assert "broken-plugin 2.5" in done.stderr
    assert "nowhere_to_be_found" in done.stderr
    assert "Traceback" not in done.stderr
    names = [entry["name"] for entry in json.loads(done.stdout)["algorithms"]]
    assert {"mine", "erm"} <= set(names)


def test_strict_makes_a_broken_plugin_fatal(tmp_path):
    install(tmp_path, "broken-plugin", "1/0")
    done = ltbench(tmp_path, "plugins", "list", LTBENCH_PLUGINS_STRICT="1")
    assert done.returncode == 2
    assert "ZeroDivisionError" in done.stderr


def test_ltbench_plugins_limits_what_loads(tmp_path):
    install(tmp_path, "good-plugin", GOOD)
    done = ltbench(tmp_path, "plugins", "list", "--json", LTBENCH_PLUGINS="good-plugin")
    listing = json.loads(done.stdout)
    assert [entry["name"] for entry in listing["algorithms"]] == ["mine"]
    assert listing["executors"], "the core always loads"


def test_a_name_registered_twice_names_both_distributions(tmp_path):
    install(tmp_path, "rival", GOOD.replace('"mine"', '"erm"').replace("good_plugin", "rival"))
    done = ltbench(tmp_path, "run", "--algo", "erm", "--dataset", "tiny-mlt", "--dry-run")
    assert done.returncode == 2
    assert "ltbench" in done.stderr
    assert "rival 2.5" in done.stderr
    other = ltbench(tmp_path, "run", "--algo", "focal", "--dataset", "tiny-mlt", "--dry-run")
    assert other.returncode == 0, other.stderr


def test_a_plugin_whose_target_is_missing_is_named_when_it_is_used(tmp_path):
    install(tmp_path, "good-plugin", GOOD)
    done = ltbench(tmp_path, "run", "--algo", "mine", "--dataset", "tiny-mlt", "--dry-run")
    assert done.returncode == 2
    assert "good-plugin 2.5" in done.stderr
    assert "Traceback" not in done.stderr


class _Raising:
    @hookimpl
    def ltbench_algorithms(self, register):
        register("half", "a:B")
        raise ValueError("no")


class _Observer:
    def __init__(self):
        self.seen = []

    @hookimpl
    def ltbench_run_started(self, run):
        self.seen.append(run)


class _BrokenObserver:
    @hookimpl
    def ltbench_run_started(self, run):
        raise RuntimeError("cannot look")


def test_nothing_of_a_plugin_that_raises_at_registration_is_kept():
    plugins = Plugins()
    plugins.add("bad", _Raising(), "bad-dist", "1")
    assert "half" not in plugins["algorithms"]
    assert "bad-dist 1" in plugins.problems()[0]


def test_an_observer_that_raises_does_not_keep_the_others_from_looking():
    plugins, observer = Plugins(), _Observer()
    plugins.add("broken", _BrokenObserver(), "broken-dist", "1")
    plugins.add("good", observer, "good-dist", "1")
    plugins.call("ltbench_run_started", run="a run")
    assert observer.seen == ["a run"]
    assert "broken-dist" in plugins.problems()[0]


def test_register_takes_a_class_and_reads_its_docstring():
    class Own:
        """The first line.

        The second.
        """

    class Module:
        @hookimpl
        def ltbench_algorithms(self, register):
            register("own", Own)

    plugins = Plugins()
    plugins.add("module", Module(), "dist", "1")
    entry = plugins["algorithms"].get("own")
    assert entry.load() is Own
    assert entry.summary == "The first line."


def test_a_target_that_is_no_module_and_attribute_is_refused():
    class Module:
        @hookimpl
        def ltbench_algorithms(self, register):
            register("own", "just.a.module")

    plugins = Plugins()
    plugins.add("module", Module(), "dist", "1")
    assert "just.a.module" in plugins.problems()[0]


def test_first_party_plugins_come_through_the_same_entry_points():
    entries = {entry.name: entry for entry in get_plugins()["algorithms"]}
    assert entries["erm"].distribution == "ltbench"
    assert entries["misbehave"].distribution == "tiny-mlt"


def test_strict_discovery_raises(monkeypatch):
    monkeypatch.setenv("LTBENCH_PLUGINS_STRICT", "1")
    monkeypatch.setattr(Plugins, "problems", lambda self: ["plugin 'x' failed"])
    with pytest.raises(PluginError, match="'x'"):
        discover()


@pytest.mark.parametrize("time", ["first", "second"])
def test_what_a_test_registers_is_gone_after_it(time):
    """Otherwise the tables of what there is would depend on which tests came before theirs."""
    metrics = get_plugins()["metrics"]
    assert "left-behind" not in metrics
    metrics.add(Entry("metric", "left-behind", "its:own", "", "ltbench", time))
