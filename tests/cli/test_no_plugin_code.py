"""``--no-plugin-code``: reading what others ran imports no code of anybody but ltbench."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_runs import write_run

MARK = "import os, pathlib; pathlib.Path(os.environ['MARK']).touch()\n"


@pytest.fixture
def somebody(tmp_path: Path) -> tuple[Path, dict[str, str], Path]:
    """Return runs of somebody's plugin, an environment that has it in two ways, and its mark."""
    runs = tmp_path / "runs"
    for algo in ("erm", "their-idea"):
        for seed in range(2):
            write_run(runs, algo=algo, seed=seed, stages=["their-stage"] if seed else [])
    site = tmp_path / "site"
    info = site / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ltbench]\ntheirs = theirs_plugin\n")
    (site / "theirs_plugin.py").write_text(MARK)
    file = tmp_path / "their_idea.py"
    file.write_text(MARK)
    mark = tmp_path / "mark"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(site), os.environ["PYTHONPATH"]]),
        "LTBENCH_PLUGIN_PATH": str(file),
        "MARK": str(mark),
    }
    return runs, environment, mark


COMMANDS = {
    "leaderboard": ["leaderboard", "{runs}"],
    "stats": ["stats", "{runs}", "--resamples", "20"],
    "status": ["status", "{runs}"],
    "show": ["show", "{run}"],
    "report": ["report", "{runs}", "-o", "{out}/page.html", "--resamples", "20"],
    "figures": ["figures", "violin", "{runs}", "-o", "{out}/violin.png"],
    "tables": ["tables", "backbones", "{runs}", "--algo", "erm"],
    "clean": ["clean", "{runs}", "--dry-run"],
}


def run(
    words: list[str], runs: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    there = {"runs": runs, "out": runs.parent, "run": next(runs.rglob("seed-0"))}
    return subprocess.run(
        [sys.executable, "-m", "ltbench", *(word.format(**there) for word in words)],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reading_command_imports_nothing_of_theirs(somebody, command: str) -> None:
    runs, environment, mark = somebody
    done = run([*COMMANDS[command], "--no-plugin-code"], runs, environment)
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


@pytest.mark.parametrize("how", ["before the command", "1", "true"])
def test_it_may_be_said_before_the_command_too(somebody, how: str) -> None:
    runs, environment, mark = somebody
    words = ["status", "{runs}"]
    if how == "before the command":
        words = ["--no-plugin-code", *words]
    else:
        environment["LTBENCH_NO_PLUGIN_CODE"] = how
    done = run(words, runs, environment)
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


def test_without_it_they_are_imported(somebody) -> None:
    runs, environment, mark = somebody
    run(["status", "{runs}"], runs, environment)
    assert mark.exists()


def test_what_is_asked_for_and_refused_at_once_is_a_contradiction(somebody) -> None:
    runs, environment, mark = somebody
    file = environment["LTBENCH_PLUGIN_PATH"]
    done = run(["--plugin", file, "status", "{runs}", "--no-plugin-code"], runs, environment)
    assert done.returncode == 2
    assert "contradict" in done.stderr
    environment["LTBENCH_NO_PLUGIN_CODE"] = "1"
    assert "contradict" in run(["--plugin", file, "status", "{runs}"], runs, environment).stderr
    assert not mark.exists()


def test_no_module_in_the_folder_where_a_command_is_typed_is_run(tmp_path: Path) -> None:
    """Worker processes, and what Python starts beside them, would look there first."""
    mark, here, script = tmp_path / "mark", tmp_path / "here", tmp_path / "bin" / "ltbench"
    for folder in (here, script.parent):
        folder.mkdir()
    for name in ("socket", "subprocess", "select", "struct", "torch"):
        (here / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')\nraise ImportError\n")
    script.write_text("from ltbench.cli.main import main\nif __name__ == '__main__':\n    main()\n")
    words = ["run", "--algo", "erm", "--dataset", "digits-mini-mlt", "--seeds", "1", "--steps", "1"]
    done = subprocess.run(
        [sys.executable, script, *words], cwd=here,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


def test_no_data_set_of_theirs_is_imported_for_its_name(somebody) -> None:
    """A folder of runs may name any plugin that is installed."""
    runs, environment, mark = somebody
    site = Path(environment["PYTHONPATH"].split(os.pathsep)[0])
    (site / "theirs_plugin.py").write_text(
        "from ltbench import hookimpl\n@hookimpl\ndef ltbench_datasets(register):\n"
        "    register('their-set', 'their_set:Set', summary='x')\n"
    )
    (site / "their_set.py").write_text(MARK)
    environment["LTBENCH_PLUGIN_PATH"] = ""
    write_run(runs, dataset="their-set", options={"size": 3})
    for command in ("leaderboard", "status", "stats"):
        done = run(COMMANDS[command], runs, environment)
        assert "their-set[size=3]" in done.stdout, done.stderr
    assert not mark.exists()
