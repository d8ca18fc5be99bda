"""What pages print below a command is what the command prints, or it is said why nobody looks."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import reference
from click.testing import CliRunner
from commands import ROOT
from printed import Printed, all_printed, printed, without_numbers
from tutorial import LTBENCH, first_missing

from ltbench.errors import UsageError
from ltbench.executors import measured
from ltbench.executors.processor import processor
from ltbench.results.arithmetic import EVERY
from ltbench.testing import write_run

sys.path.insert(0, str(ROOT / "tests" / "results"))
from standing import abandon, holder, plan

BLOCKS = {one.key: one for one in all_printed()}

ELSEWHERE = {
    "docs/architecture.md:": "a drawing; test_paths.py looks at what it names",
    "docs/race.md:": "test_race.py",
    "docs/running.md: ltbench doctor: digits-cnn": "tests/session/test_arithmetic.py",
}
"""Blocks that are no output of a command above them, and what looks at them."""

TO_THE_LETTER = "README.md: ltbench leaderboard leaderboards/"
IN_A_HURRY = ["--steps", "3", "--jobs", "1", "--device", "cpu", "--precision", "fp32"]
HERE = platform.node()
BOOM = "out of memory on cuda:0 with batches of 32 images a domain: 7.9 of 8.4 GB in use, 1 more"


def nothing(folder: Path) -> Iterator[None]:
    """Lay out nothing: the page's own commands make what they need."""
    yield


def measured_once(folder: Path) -> Iterator[None]:
    """Have a network measured here."""
    question = measured.Question(
        processor().key, "cpu", "2.15.0+cu132", 1, "digits-cnn-narrow", (3, 28, 28), 36, "adam",
        0.0, tuple(map(str, EVERY)),
    )  # fmt: skip
    ratios = dict(zip(EVERY, (1.0, 0.9, 0.58, 0.92), strict=True))
    times = {way: 0.0531 * ratio for way, ratio in ratios.items()}
    measured.keep(measured.Answer(question, 36, 1, times, ratios))
    yield


def a_sweep_at_work(folder: Path) -> Iterator[None]:
    """Have three runs done, one in progress, two waiting, two failed and one diverged."""
    root = folder / "runs"
    done = [write_run(root, seed=seed, arrays=False) for seed in range(3)]
    begun = write_run(root, seed=3, finished=False)
    line = {"stage": "erm", "step": 150, "val": {"macro_f1_average": 0.4567}, "seconds": 30}
    (begun / "log.jsonl").write_text(json.dumps(line) + "\n")
    for seed, status in enumerate(("failed", "failed", "diverged")):
        run = write_run(root, algo="boda", label="boda[weight=1]", seed=seed, error=status)
        error = json.loads((run / "error.json").read_text()) | {"error": BOOM}
        (run / "error.json").write_text(json.dumps(error))
    base = done[0].parent.relative_to(root)
    plan(root, [f"{base}/seed-{seed}" for seed in range(6)], pid=os.getpid(), host=HERE, slots=1)
    process = holder(begun)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def what_did_not_end_well(folder: Path) -> Iterator[None]:
    """Have a run that failed and one that was broken off."""
    write_run(folder / "runs", algo="boda", error="failed")
    begun = write_run(folder / "runs", algo="brl", finished=False)
    (begun / "checkpoint").mkdir()
    (begun / "checkpoint" / "latest.pt").write_bytes(bytes(2_500_000))
    abandon(begun)
    yield


def runs(folder: Path, algos: tuple[str, ...], seeds: int) -> Iterator[None]:
    """Have runs of methods, with logits, as if trained."""
    for algo in algos:
        for seed in range(seeds):
            write_run(folder, algo=algo, seed=seed)
    yield


BUT_FOR_NUMBERS: dict[str, Callable[[Path], Iterator[None]]] = {
    "docs/algorithms/domains.md: ltbench run": nothing,
    "docs/ensembles.md: ltbench ensemble": lambda folder: runs(folder / "runs", ("erm",), 5),
    "docs/priors.md: ltbench run": lambda folder: runs(folder / "priors", ("erm", "bsoftmax"), 2),
    "docs/running.md: ltbench clean": what_did_not_end_well,
    "docs/running.md: ltbench doctor: …": measured_once,
    "docs/running.md: ltbench status": a_sweep_at_work,
}
"""Blocks whose words are compared, and what their reader has; what trains is not typed."""

TRAINED = ("docs/ensembles.md: ltbench run", "docs/running.md: ltbench -v run")
"""Blocks whose words are compared after training for a few steps."""


@pytest.fixture
def typed(monkeypatch):
    """Type a command in a folder, and return what it prints."""
    cli = reference.commands()

    def type_(line: str, folder: Path) -> str:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "120")
        result = CliRunner().invoke(cli, shlex.split(line)[1:])
        error = result.exception
        refused = f"Error: {error.format_message()}" if isinstance(error, UsageError) else ""
        return f"{result.output}\n{refused}"

    return type_


def trained(line: str, folder: Path) -> str:
    """Type a command in a process of its own, for a few steps if it trains."""
    words = [*shlex.split(line)[1:], *(IN_A_HURRY if trains(line) else ())]
    done = subprocess.run(
        [sys.executable, "-c", LTBENCH, *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def shape(line: str) -> str:
    """Return what must stand in a line again: its words, not its numbers and the user's folders."""
    if not line.strip("- "):
        return "…"  # below a table's head, as wide as its numbers
    return without_numbers(re.sub(r"~/\.\S+|/home/me/(?:\.\S+)?", "…", line))


def found(start: str) -> Printed:
    """Return the one block whose key begins so."""
    (block,) = (one for key, one in BLOCKS.items() if key.startswith(start))
    return block


@pytest.mark.parametrize("start", BUT_FOR_NUMBERS)
def test_the_words_on_the_page_are_those_that_are_printed(start, typed, tmp_path, monkeypatch):
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    block, there = found(start), BUT_FOR_NUMBERS[start](tmp_path)
    next(there)
    output = [typed(line, tmp_path) for line in block.typed if not trains(line) or refused(block)]
    next(there, None)
    compare(block, "\n".join(output))


@pytest.mark.slow
@pytest.mark.parametrize("start", TRAINED)
def test_the_words_on_the_page_are_those_that_are_printed_by_training(start, tmp_path, monkeypatch):
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    compare(found(start), "\n".join(trained(line, tmp_path) for line in found(start).typed))


def trains(line: str) -> bool:
    return "run" in shlex.split(line)[1:3]


def refused(block: Printed) -> bool:
    return block.lines[0].startswith("Error: ")


def compare(block: Printed, output: str) -> None:
    missing = first_missing([shape(line) for line in block.lines], output)
    assert missing is None, f"{block.key} lacks '{missing}' in\n{output}"


def test_the_board_of_the_readme_is_what_its_command_prints(typed):
    block = found(TO_THE_LETTER)
    (line,) = block.typed
    rows = ROOT / next(word for word in shlex.split(line) if word.endswith(".jsonl"))
    assert rows.is_file(), f"the README shows a board of {rows}, which is not there"
    printed_lines = typed(line, ROOT).splitlines()
    assert [text.rstrip() for text in printed_lines if text.strip()] == list(block.lines)


def test_the_figure_of_the_readme_shows_the_rows(typed, tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^(ltbench figures .* leaderboards/.*) -o docs/scores\.svg$", text, re.M)
    output = typed(f"{line} -o {tmp_path / 'scores.svg'}", ROOT)
    assert (tmp_path / "scores.csv").is_file(), output
    assert (tmp_path / "scores.csv").read_text() == (ROOT / "docs/scores.csv").read_text()
    assert (ROOT / "docs/scores.svg").stat().st_size < 100_000


def test_every_block_of_output_is_looked_at():
    known = (*BUT_FOR_NUMBERS, *TRAINED, *ELSEWHERE, TO_THE_LETTER)
    assert [key for key in BLOCKS if not key.startswith(known)] == []
    for start in known:
        found(start)


def test_output_is_told_from_commands(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx\n```\n\n    ltbench run a \\\n        b\n\n```text\nout\n\nmore\n```\n"
        "```console\n$ ltbench run\n```\n```\n$ ltbench doctor\nltbench 0.1\n```\n"
    )
    monkeypatch.setattr("printed.ROOT", tmp_path)
    assert printed(page) == [
        Printed("page.md", ("out", "more"), ("ltbench run a b",)),
        Printed("page.md", ("ltbench 0.1",), ("ltbench doctor",)),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("3 of 9 runs done", "… of … runs done"),
        ("erm  82.5 ±1.7  87.2 (61–97)", "erm  …  …"),
        ("runs/d/erm/b58c14e29c59/seed-0", "runs/d/erm/…/seed-0"),
        ("digits-cnn forward-50 f1 bf16", "digits-cnn forward-50 f1 bf16"),
    ],
)
def test_numbers_do_not_count(line, words):
    assert without_numbers(line) == words
    assert first_missing([words], line) is None
