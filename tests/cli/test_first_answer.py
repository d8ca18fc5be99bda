"""A command answers, or says what it is at, within a second of CPU; a mistake imports nothing."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import select
import shlex
import subprocess
import sys
import time

import psutil
import pytest
from synthetic_runs import write_run

from ltbench import waiting as module
from ltbench.session.progress import to_stderr
from ltbench.waiting import waiting

HEAVY = ("torch", "torchvision", "timm", "pandas", "scipy", "sklearn", "matplotlib")
RUN = "run --algo erm --dataset tiny-mlt"

MISTAKES = {
    "run --algo boad --dataset tiny-mlt": "did you mean 'boda'",
    "run --algo 'erm,boad[weight=1]' --dataset tiny-mlt": "did you mean 'boda'",
    "run --algo erm+ctr --dataset tiny-mlt": "did you mean 'crt'",
    "run --algo erm@emma --dataset tiny-mlt": "did you mean 'ema'",
    "run --algo erm@ema@ema --dataset tiny-mlt": "names the modifier 'ema' twice",
    "run --algo erm --dataset tiny-mtl": "did you mean 'tiny-mlt'",
    "run --algo erm --dataset 'cifar10-lt[ration=50]'": "did you mean 'ratio'",
    "run --algo erm --dataset pacs-mlt": "ltbench data prepare",
    f"{RUN} --protocol tyni": "did you mean 'tiny'",
    f"{RUN} --augmentation 'crop-flip>randaugmnt[m=3]'": "did you mean 'randaugment'",
    f"{RUN} --protocol '[augmentation=[crop-flip,cutuot]]'": "did you mean 'cutout'",
    "run --algo erm --dataset digits-mini-mlt --protocol digits": "did you mean 'digits-mini'",
    f"{RUN} --backbone digits-cmm": "did you mean 'digits-cnn'",
    f"{RUN} --backbone resnet5O": "did you mean 'resnet50'",
    f"{RUN} --backbone vit_huge_patch3000": "there is no backbone 'vit_huge_patch3000'",
    f"{RUN} --weights /nowhere.pt": "--weights /nowhere.pt cannot be read",
    f"{RUN} --executor locl": "did you mean 'local'",
    f"{RUN} --observer tensorbord": "did you mean 'tensorboard'",
    f"{RUN} --device tpu9": "--device tpu9 is not a device",
    f"{RUN} --seeds some": "--seeds some",
    f"{RUN} --stpes 3": "--steps",
    "run SWEEP": "'bodaa' is none of the algorithms; did you mean 'boda'",
    "run nowhere.toml": "there is no sweep file",
    "tune --algo boad --dataset tiny-mlt": "did you mean 'boda'",
    "tune --algo boda --dataset tiny-mtl": "did you mean 'tiny-mlt'",
    "retry nowhere": "there is no folder 'nowhere'",
    "retry RUNS --status done": "'done' is none of",
    "retry RUNS --device tpu9": "--device tpu9 is not a device",
    "retry RUNS --algo boad": "did you mean 'boda'",
    "plugins info boad": "did you mean 'boda'",
    "plugins check boad": "did you mean 'boda'",
    "figures violn RUNS": "did you mean 'violin'",
    "figures violin nowhere": "There is no folder 'nowhere'",
    "figures violin RUNS --algo boad": "did you mean 'boda'",
    "figures violin RUNS -o violin.gif": "does not say a format",
    "leaderboard nowhere": "There is no folder 'nowhere'",
    "leaderboard .": "There are no runs in '.'",
    "leaderboard RUNS --algo boad": "did you mean 'boda'",
    "leaderboard RUNS --dataset pcas-mlt": "matches no run here",
    "leaderboard RUNS --protocol none": "matches no run here",
    "leaderboard RUNS --metrics acuracy_worst": "did you mean 'accuracy_worst'",
    "leaderboard RUNS -o board.word": "does not say its format",
    "stats nowhere": "There is no folder 'nowhere'",
    "stats RUNS --metrics acuracy_worst": "did you mean 'accuracy_worst'",
    "report nowhere": "There is no folder 'nowhere'",
    "tables ablatoin RUNS": "did you mean 'ablation'",
    "tables ablation nowhere": "There is no folder 'nowhere'",
    "tables ablation RUNS --algo boad": "did you mean 'boda'",
    "tables ablation RUNS -o a.word": "does not say its format",
    "status nowhere": "there is no folder 'nowhere'",
    "show nosuch --out RUNS": "no run in",
    "clean nowhere": "there is no folder 'nowhere'",
    "ensemble nowhere": "There is no folder 'nowhere'",
    "ensemble RUNS --algo boad": "did you mean 'boda'",
    "ensemble RUNS --seeds some": "--seeds some",
    "soup RUNS --dataset pcas-mlt": "matches no run here",
    "soup RUNS --device tpu9": "--device tpu9 is not a device",
    "data info tiny-mtl": "did you mean 'tiny-mlt'",
    "data verify tiny-mtl": "did you mean 'tiny-mlt'",
    "data plot tiny-mtl": "did you mean 'tiny-mlt'",
    "data plot tiny-mlt -o tail.gif": "does not say a format",
}

TAKES_LONG = (
    f"{RUN} --dry-run --out out",
    "run --algo 'focal[gama=1]' --dataset tiny-mlt --out out",
    "tune --algo focal --dataset tiny-mlt --dry-run --out out",
    "retry RUNS --algo boda --dry-run",
    "plugins info boda",
    "plugins check erm",
    "figures violin RUNS -o violin.png",
    "figures tsne RUNS -o tsne.png",
    "leaderboard RUNS",
    "leaderboard RUNS -o boards/",
    "stats RUNS",
    "report RUNS -o report.html",
    "tables backbones RUNS",
    "status RUNS",
    "soup RUNS",
    "data info digits-mini-mlt",
    "data verify digits-mini-mlt",
    "data plot digits-mini-mlt",
)


@pytest.fixture(scope="module")
def most_seconds() -> float:
    """A second of CPU or, on slow processors, half of what the import of torch takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return max(1.0, spent / 2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("first") / "runs"
    for algo in ("erm", "boda"):
        for seed in range(3):
            write_run(root, algo=algo, seed=seed)
    write_run(root, algo="boda", seed=3, error="Boom")
    return str(root)


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_before_anything_heavy_is_imported(line, runs, tmp_path, most_seconds):
    sweep = tmp_path / "sweep.toml"
    sweep.write_text('algo = "boda"\ndataset = "tiny-mlt"\n[hparams.bodaa]\nweight = 1\n')
    words = shlex.split(line.replace("RUNS", runs).replace("SWEEP", str(sweep)))
    code = (
        "import sys\nfrom ltbench.cli.main import main\n"
        f"sys.argv = ['ltbench', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit as leaving:\n    assert leaving.code == 2, leaving\n"
        f"heavy = set({HEAVY!r}) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert MISTAKES[line] in done.stderr
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < most_seconds, "0.2 to 0.5 s when the machine is quiet"
    assert not (tmp_path / "out").exists()


def test_a_leaderboard_imports_no_more_of_scipy_than_it_needs(runs):
    code = (
        "import sys\nfrom ltbench.cli.main import main\n"
        f"sys.argv = ['ltbench', 'leaderboard', {runs!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert 'pandas' in sys.modules\n"
        "assert not {'torch', 'scipy.stats', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "boda" in done.stdout


@pytest.mark.parametrize("line", TAKES_LONG)
def test_something_is_said_within_a_second_of_cpu(line, runs, tmp_path, most_seconds):
    words = shlex.split(line.replace("RUNS", runs))
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "ltbench", *words], cwd=tmp_path, stdout=writer, stderr=writer
    )
    os.close(writer)
    try:
        select.select([reader], [], [])
        spent = psutil.Process(process.pid).cpu_times()
        assert spent.user + spent.system < most_seconds, "0.7 s when the machine is quiet"
        assert os.read(reader, 100).strip()
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def test_a_plugin_that_imports_torch_is_waited_for_with_a_word(tmp_path):
    (tmp_path / "mine.py").write_text(
        'from ltbench.api import Algorithm\nclass Mine(Algorithm):\n    """Mine."""\n'
    )
    words = ("--plugin", "mine.py", "plugins", "info", "mine")
    reader, writer = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ltbench", *words],
            cwd=tmp_path, env={**os.environ, "TERM": "xterm"}, stdout=subprocess.PIPE,
            stderr=writer, check=True,
        )  # fmt: skip
        assert os.read(reader, 15) == b"Loading plugins"
    finally:
        os.close(reader)
        os.close(writer)
    assert b"Mine." in done.stdout


def test_without_stderr_nothing_is_said():
    line = f"exec {shlex.quote(sys.executable)} -m ltbench plugins info erm 2>&-"
    done = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.startswith("erm ")
    assert "Loading" not in done.stdout


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.0)


def test_in_a_terminal_the_line_is_gone_at_the_end(impatient, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    text = written(monkeypatch, Terminal())
    assert text.startswith("Reading the runs, 0 s\033[K\r")
    assert text.endswith("\r\033[K")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_without_escape_sequences_it_is_printed_once(impatient, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert written(monkeypatch, Terminal()) == "Reading the runs\n"


def test_elsewhere_it_is_printed_once(impatient, monkeypatch):
    assert written(monkeypatch, io.StringIO()) == "Reading the runs\n"


SLOW = """
import time
from ltbench.waiting import waiting
with waiting("Reading"):
    while time.process_time() < 1.2:
        time.sleep(0)
"""


@pytest.mark.parametrize("listens", [True, False])
def test_nothing_is_said_when_the_reader_of_the_output_has_left(listens):
    """``ltbench leaderboard | true`` ends quietly."""
    reader, writer = os.pipe()
    if not listens:
        os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", SLOW], stdout=writer, stderr=subprocess.PIPE, text=True, check=True
    )
    os.close(writer)
    assert done.stderr == ("Reading\n" if listens else "")


def test_what_takes_no_time_and_what_is_quiet_say_nothing(impatient, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 60.0)
    assert written(monkeypatch, io.StringIO(), takes=0.0) == ""
    monkeypatch.setattr(module, "_SECONDS", 0.0)
    assert written(monkeypatch, io.StringIO(), show=False) == ""


def test_who_prints_something_takes_the_line_away(impatient, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with waiting("Reading the runs"):
        time.sleep(0.3)
        to_stderr("A word.")
        time.sleep(1.2)
    assert stream.getvalue().endswith("\r\033[KA word.\n")


def test_an_error_passes_and_ends_the_line(impatient, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(ValueError, match="odd"), waiting("Reading the runs"):
        raise ValueError("odd")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(monkeypatch, stream, *, takes=0.3, show=True) -> str:
    with contextlib.ExitStack() as stack:
        monkeypatch.setattr(sys, "stderr", stream)
        stack.enter_context(waiting("Reading the runs", show=show))
        time.sleep(takes)
    monkeypatch.undo()
    return stream.getvalue()
