"""``ltbench run --observer``, through the program itself."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.executors.observation import Observation
from ltbench.plugins.manager import Plugins, get_plugins
from ltbench.plugins.observer import make_observer
from ltbench.results.protocol import Protocol
from ltbench.results.run import BackboneSpec, Component, RunSpec
from ltbench.session.observers import choose_watchers
from ltbench.session.progress import Bars, Lines, bar
from ltbench.training.job import Job

if "run" not in cli.commands:
    cli.add_command(run)

BASE = ("--dataset", "tiny-mlt", "--precision", "fp32", "--jobs", "2", "--no-leaderboard")


def start(*args: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ltbench", "run", *BASE, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "WANDB_MODE": "offline", **env},
    )


def ltbench_run(*args: str, **env: str) -> tuple[int, str]:
    process = start(*args, **env)
    _, err = process.communicate(timeout=400)
    assert "Traceback" not in err
    return process.returncode, err


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_tracker_watches_one_sweep(tmp_path):
    for package in ("tensorboard", "wandb"):
        pytest.importorskip(package, reason=f"pip install 'ltbench[{package}]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trackers = ("--observer", "csv,tensorboard", "--observer", "wandb[project=squares]")
    code, err = ltbench_run("--algo", "erm+crt", "--seeds", "2", *trackers, "--out", str(tmp_path))
    assert code == 0, err
    assert "[2/2]" in err, "progress goes on beside the trackers"
    assert "Warning" not in err
    folders = [path.parent for path in sorted(tmp_path.rglob("result.json"))]
    assert len(folders) == 2
    for folder in folders:
        result = json.loads((folder / "result.json").read_text())
        log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        steps = [3, 6, 9, 12, 15, 18, 21, 24]
        table = rows(folder / "metrics.csv")
        assert [int(row["total_step"]) for row in table] == steps
        assert [float(row["seconds"]) for row in table] == [line["seconds"] for line in log]
        events = EventAccumulator(str(folder / "tensorboard"))
        events.Reload()
        assert [event.step for event in events.Scalars("loss/total")] == steps
        (test,) = events.Scalars("test/accuracy_average")
        assert test.value == pytest.approx(result["test"]["accuracy_average"])
        assert len(list(folder.glob("wandb/offline-run-*/run-*.wandb"))) == 1
    table = rows(tmp_path / "runs.csv")
    assert [row["status"] for row in table] == ["done", "done"]
    assert [row["label"] for row in table] == ["erm+crt"] * 2


def test_a_killed_sweep_goes_on_without_a_row_twice_or_missing(tmp_path):
    args = ("--algo", "misbehave[how=slow]", "--seeds", "1", "--steps", "60", "--out",
            str(tmp_path), "--observer", "csv")  # fmt: skip
    process = start(*args)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not any(
        len(path.read_text().splitlines()) > 3 for path in tmp_path.rglob("metrics.csv")
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(tmp_path.rglob("result.json")), "it was over before it could be killed"
    code, err = ltbench_run(*args)
    assert code == 0, err
    (table,) = tmp_path.rglob("metrics.csv")
    assert [int(row["step"]) for row in rows(table)] == list(range(3, 61, 3))


RAISING = """
from ltbench.api import Observer, hookimpl

class Raising(Observer):
    '''Cannot look.'''

    @hookimpl
    def ltbench_run_evaluated(self, run):
        raise OSError("the disk is full")

@hookimpl
def ltbench_observers(register):
    register("raising", Raising)
"""


def test_one_that_raises_is_named_once_and_the_sweep_goes_on(tmp_path):
    (tmp_path / "raising_plugin.py").write_text(RAISING)
    info = tmp_path / "raising_plugin-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: raising-plugin\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[ltbench]\nraising_plugin = raising_plugin\n")
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    out = tmp_path / "runs"
    code, err = ltbench_run(
        "--algo", "erm", "--seeds", "1", "--out", str(out), "--observer", "raising,csv",
        PYTHONPATH=path,
    )  # fmt: skip
    assert code == 0, err
    assert err.count("the disk is full") == 1
    assert "raising-plugin 2.5" in err
    assert err.index("[1/1]") < err.index("the disk is full"), "it is said at the end"
    assert len(rows(next(out.rglob("metrics.csv")))) == 4


@pytest.fixture
def attempt(tmp_path):
    def attempt(*args: str) -> tuple[int, str]:
        command = ["run", "--algo", "erm", *BASE, "--out", str(tmp_path / "runs"), *args]
        done = CliRunner().invoke(cli, command)
        assert "Traceback" not in done.output
        assert not (tmp_path / "runs").exists(), "nothing runs"
        return done.exit_code, done.output

    return attempt


@pytest.mark.parametrize("package", ["tensorboard", "wandb"])
def test_a_missing_package_is_one_sentence_before_any_run(attempt, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    code, output = attempt("--observer", f"csv,{package}")
    assert code == 2
    sentence = f"--observer {package} needs the package {package}: pip install 'ltbench[{package}]'"
    assert output == f"Error: {sentence}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tensorbord", "did you mean 'tensorboard'"),
        ("csv[seperator=tab]", "did you mean 'separator'"),
        ("csv[separator=colon]", "choose one of comma, semicolon, tab"),
        ("lines[every=-1]", "the least is 0"),
        ("csv,csv[separator=tab]", "--observer csv stands twice"),
        ("csv[", "unclosed bracket"),
        ("csv,,lines", "empty part"),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence(attempt, text, message):
    code, output = attempt("--observer", text)
    assert code == 2
    assert message in output
    assert output.count("\n") == 1


def test_a_constructor_that_raises_is_named_with_its_distribution(attempt, monkeypatch):
    def raising(self, hparams):
        raise RuntimeError("no display")

    monkeypatch.setattr(Lines, "__init__", raising)
    code, output = attempt("--observer", "lines")
    assert code == 2
    assert "--observer lines of ltbench" in output
    assert "no display" in output


def test_they_are_listed_without_importing_what_they_need():
    code = (
        "import sys; from ltbench.plugins.manager import get_plugins;"
        "print(get_plugins()['observers'].names());"
        "sys.exit(len({'torch', 'wandb', 'tensorboard', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['bars', 'csv', 'lines', 'tensorboard', 'wandb']"


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ((), True),
        (("--quiet",), False),
        (("--quiet", "--observer", "csv"), False),
        (("--quiet", "--observer", "lines"), True),
        (("--observer", "csv"), True),
    ],
)
def test_progress_is_shown_unless_quiet_or_when_asked_for(args, shown):
    from ltbench.session.observers import choose_watchers

    texts = [text for flag, text in itertools.pairwise(args) if flag == "--observer"]
    watchers = choose_watchers(get_plugins(), texts, quiet="--quiet" in args)
    displays = [w for w in watchers if isinstance(w.observer, Lines | Bars)]
    assert len(displays) == shown


def job(tmp_path: Path, seed: int = 0, method: str = "erm") -> Job:
    spec = RunSpec(
        Component("erm"), (), Component("tiny-mlt"), "0" * 64, Protocol(steps=12),
        BackboneSpec("digits-cnn"), "fp32", seed, method,
    )  # fmt: skip
    return Job(spec, tmp_path / str(seed), tmp_path)


def evaluated(step: int) -> dict:
    val = {"macro_f1_average": step / 100}
    return {"event": "evaluated", "stage": "erm", "step": step, "val": val}


RESULT = {"test": {"accuracy_average": 0.8, "accuracy_worst": 0.5}, "timings": {"total_s": 7.0}}


def tell(observer: object, *told: tuple[Job, dict], runs: int, done: int = 0) -> Plugins:
    plugins = Plugins()
    observation = Observation(plugins)
    with plugins.observing("display", observer):
        specs = [None] * runs
        plugins.call("ltbench_sweep_started", runs=specs, done=done, out=Path())
        for about, event in told:
            observation(about, event)
        plugins.call("ltbench_sweep_finished")
    assert not plugins.problems()
    return plugins


def test_lines_say_how_runs_stand_and_end(tmp_path, capsys):
    _, lines = make_observer(get_plugins(), "lines[every=0]")
    a, b = job(tmp_path, 0), job(tmp_path, 1)
    failed = {"status": "failed", "error": "out of memory"}
    tell(
        lines, (a, {"event": "started"}), (b, {"event": "started"}), (a, evaluated(3)),
        (b, evaluated(6)), (a, {"event": "finished", "result": RESULT}),
        (b, {"event": "finished", "result": failed}), runs=5, done=3,
    )  # fmt: skip
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "3 of 5 runs are done already"
    assert err[1].endswith("erm on tiny-mlt seed 0: erm step 3, val macro_f1_average 0.030")
    assert err[2].endswith("erm on tiny-mlt seed 1: erm step 6, val macro_f1_average 0.060")
    assert err[3].startswith("[4/5] erm on tiny-mlt seed 0: test accuracy 0.800 average")
    assert err[4].startswith("[5/5] erm on tiny-mlt seed 1: failed: out of memory")


def test_lines_between_are_rare_unless_asked_for(tmp_path, capsys):
    _, lines = make_observer(get_plugins(), "lines")
    a = job(tmp_path)
    tell(lines, *((a, evaluated(step)) for step in range(3, 300, 3)), runs=1)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_bars_need_not_hear_of_a_start_and_leave_a_line_for_every_run(tmp_path, capsys):
    _, bars = make_observer(get_plugins(), "bars")
    a, b = job(tmp_path, 0), job(tmp_path, 1)
    step = {"event": "step", "stage": "erm", "step": 5}
    tell(
        bars, (a, {"event": "started"}), (b, step), (a, evaluated(3)), (b, evaluated(6)),
        (a, {"event": "finished", "result": RESULT}),
        (b, {"event": "finished", "result": {"status": "interrupted"}}), runs=2,
    )  # fmt: skip
    err = capsys.readouterr().err
    assert "erm on tiny-mlt seed 0: test accuracy 0.800 average" in err
    assert "erm on tiny-mlt seed 1: interrupted" in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let stderr be a terminal of 80 columns; within a test, as each phase has its own stderr."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


@pytest.mark.parametrize("method", ["erm[lr=[0.1]]", "[red]x[/red]", "a:dog:[/]", "[bold]b"])
def test_brackets_in_names_survive_the_bars(tmp_path, monkeypatch, method):
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "118")
    _, bars = make_observer(get_plugins(), "bars")
    a = job(tmp_path, method=method)
    failed = {"status": "failed", "error": f"{method} \x1b[31mbroke"}
    tell(
        bars, (a, {"event": "started"}), (a, evaluated(3)),
        (a, {"event": "finished", "result": failed}), runs=1,
    )  # fmt: skip
    seen = terminal.getvalue()
    assert f"{method} on tiny-mlt seed 0 \x1b" in seen  # before its bar
    assert f"failed: {method} ?[31mbroke" in seen


def test_bars_of_long_names_stay_apart(tmp_path, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    _, bars = make_observer(get_plugins(), "bars")
    names = [f"boda[weight=0.5,macro_weight=0.125,temperature={t}]+crt" for t in (1.5, 2.5)]
    jobs = [job(tmp_path / name, method=name) for name in names]
    tell(bars, *((a, evaluated(3)) for a in jobs), runs=2)
    last = re.split(r"\x1b\[[0-9;]*[A-Z]", terminal.getvalue())[-3:]
    assert any("temperature=1.5" in line for line in last), last
    assert any("temperature=2.5" in line for line in last), last


@pytest.mark.parametrize("wish", ["NO_COLOR", "TERM"])
def test_no_bars_where_escape_sequences_are_unwanted(monkeypatch, wish):
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setenv(wish, "dumb")
    (watcher,) = choose_watchers(get_plugins(), [], quiet=False)
    assert isinstance(watcher.observer, Lines)
    with bar("Decoding [red]x[/red]") as show:
        show(1, 2)
    assert terminal.getvalue() == "Decoding [red]x[/red] …\n"


def test_a_bar_takes_no_name_for_markup(monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    with bar("Decoding [red]x[/red]\x1b[31m") as show:
        show(1, 2)
    assert "Decoding [red]x[/red]?[31m" in terminal.getvalue()
