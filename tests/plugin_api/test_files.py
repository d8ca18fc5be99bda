"""Single files as plugins: ``ltbench --plugin FILE`` and ``LTBENCH_PLUGIN_PATH``."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from ltbench.errors import PluginError
from ltbench.plugins.files import (
    VARIABLE,
    add_plugin_files,
    content_hash,
    hyphenated,
    load_plugin_file,
    module_name,
)
from ltbench.plugins.manager import discover
from ltbench.plugins.source_code import source_sha256

IDEA = '''
from ltbench.api import Algorithm, HParams, hparam


class BoldIdea(Algorithm):
    """Twice the usual (2026)."""

    class HParams(HParams):
        """One factor."""

        factor: float = hparam(2.0, low=0.0)

    def loss(self, batch):
        return self.hparams.factor * super().loss(batch)
'''
HOOKS = '''
import click
from ltbench import hookimpl
from .beside import greeting

@hookimpl
def ltbench_commands(cli):
    @cli.command("greet")
    def greet():
        """Say something."""
        click.echo(greeting)
'''


def ltbench(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ltbench", *args],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **env},
    )


@pytest.fixture
def idea(tmp_path: Path) -> Path:
    path = tmp_path / "idea.py"
    path.write_text(IDEA)
    return path


def test_the_classes_of_a_file_are_listed_with_its_content(idea, tmp_path):
    done = ltbench("--plugin", "idea.py", "plugins", "list", "--json", cwd=tmp_path)
    (entry,) = [e for e in json.loads(done.stdout)["algorithms"] if e["name"] == "bold-idea"]
    assert entry["distribution"] == "idea.py"
    assert entry["version"] == hashlib.sha256(idea.read_bytes()).hexdigest()[:12]


def test_an_augmentation_without_a_hook_is_registered_too(tmp_path):
    (tmp_path / "nothing.py").write_text(
        "from ltbench.api import Augmentation\n\n\n"
        'class DoNothing(Augmentation):\n    """Leaves images as they are (2026)."""\n'
    )
    done = ltbench("--plugin", "nothing.py", "plugins", "list", "--json", cwd=tmp_path)
    found = {entry["name"]: entry for entry in json.loads(done.stdout)["augmentations"]}
    assert found["do-nothing"]["distribution"] == "nothing.py"


def test_the_environment_variable_names_files_too_and_each_counts_once(idea, tmp_path):
    (tmp_path / "beside.py").write_text("greeting = 'well met'")
    (tmp_path / "hooks.py").write_text(HOOKS)
    path = os.pathsep.join([str(idea), str(tmp_path / "hooks.py")])
    done = ltbench("--plugin", "idea.py", "greet", cwd=tmp_path, **{VARIABLE: path})
    assert (done.stdout, done.stderr) == ("well met\n", "")


def test_the_runs_of_workers_use_the_file_and_its_content_is_in_their_identity(idea, tmp_path):
    command = ["run", "--algo", "erm,bold-idea", "--dataset", "tiny-mlt", "--seeds", "1"]
    command += ["--steps", "3", "--precision", "fp32", "--jobs", "1", "--no-leaderboard"]
    assert ltbench(*command, "--dry-run", cwd=tmp_path).returncode == 2, "nobody else has it"
    done = ltbench("--plugin", "idea.py", *command, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    specs = {
        path.parents[2].name: json.loads(path.read_text())
        for path in tmp_path.glob("runs/tiny-mlt/*/*/*/spec.json")
    }
    plugins = {name: spec["identity"]["plugins"] for name, spec in specs.items()}
    digest, tiny = content_hash(idea), f"1.0 {source_sha256('tiny_mlt_dataset')}"
    assert plugins == {
        "erm": {"tiny-mlt": tiny},
        "bold-idea": {"tiny-mlt": tiny, "idea.py": digest},
    }
    idea.write_text(IDEA.replace("2.0", "3.0"))
    again = ltbench("--plugin", "idea.py", *command, "--dry-run", "--json", cwd=tmp_path)
    hashes = {run["label"]: run["hash"] for run in json.loads(again.stdout)}
    assert hashes["erm"] == specs["erm"]["hash"]
    assert hashes["bold-idea"] != specs["bold-idea"]["hash"]


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path):
    done = ltbench("--plugin", "nowhere.py", "plugins", "list", cwd=tmp_path)
    assert done.returncode == 2
    assert "'nowhere.py' does not exist" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0", "plugin 'bad' of bad.py"),
        ("1 +", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("x = 1", "registers nothing: mark a function with @hookimpl"),
        (
            "x = 1",
            "a subclass of Stage, Algorithm, Modifier, Dataset, Augmentation, Observer or Exe",
        ),
    ],
)
def test_a_broken_file_is_named_and_the_command_goes_on(text, says, tmp_path):
    (tmp_path / "bad.py").write_text(text)
    done = ltbench("--plugin", "bad.py", "plugins", "list", cwd=tmp_path)
    assert done.returncode == 0
    assert "erm" in done.stdout
    assert done.stderr.count("Warning:") == 1
    assert says in done.stderr


def test_a_name_with_dots_is_refused(tmp_path):
    path = tmp_path / "idea.v2.py"
    path.write_text(IDEA)
    with pytest.raises(PluginError, match="without further dots: rename it"):
        load_plugin_file(path)


def test_the_hash_covers_what_is_imported_from_beside(tmp_path):
    main, helper, other = (tmp_path / name for name in ("main.py", "helper.py", "other.py"))
    main.write_text("def f():\n    from .helper import g\n    return g")
    helper.write_text("from . import deeper\ng = 1")
    other.write_text("unused = 1")
    (tmp_path / "deeper.py").write_text("h = 1")
    first = content_hash(main)
    other.write_text("unused = 2")
    assert content_hash(main) == first
    (tmp_path / "deeper.py").write_text("h = 2")
    assert content_hash(main) != first


def test_edits_within_a_second_are_seen(tmp_path, monkeypatch):
    path = tmp_path / "quick.py"
    monkeypatch.setenv(VARIABLE, str(path))
    for value in ("1", "2"):
        path.write_text(f"{IDEA}value = {value}\n")
        os.utime(path, (1e9, 1e9))
        load_plugin_file(path)
        assert sys.modules[module_name(path)].value == int(value)


def test_what_a_file_defines_can_be_sent_to_a_spawned_process(idea, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(idea))
    cls = discover()["algorithms"].get("bold-idea").load()
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).HParams().factor)"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(cls), capture_output=True, check=True
    )
    assert done.stdout.strip() == b"2.0"


def test_files_are_added_before_those_that_are_there(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "b.py"))
    add_plugin_files([tmp_path / "a.py", tmp_path / "b.py"])
    expected = [str((tmp_path / name).resolve()) for name in ("a.py", "b.py")]
    assert os.environ[VARIABLE].split(os.pathsep) == expected


@pytest.mark.parametrize(
    ("cls", "name"), [("BrierScore", "brier-score"), ("ERM", "erm"), ("MyLDAMLoss", "my-ldam-loss")]
)
def test_classes_are_called_as_a_user_types(cls, name):
    assert hyphenated(cls) == name


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "idea.py")
    done = ltbench("--plugin", "idea.py", "plugins", "list", cwd=tmp_path)
    assert done.returncode == 0
    assert "it is not a regular file" in done.stderr
