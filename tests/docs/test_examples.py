"""Every example of every ``--help`` and page does what it says, in a folder made for it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

import pytest
import reference
from click.testing import CliRunner
from commands import Printed, anything_exists, parse
from examples import SITE, TRAINS, Example, Readers, examples, stand_ins
from tutorial import LTBENCH

from ltbench.executors.speed import Speeds
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name
from ltbench.session import arithmetic

__all__ = ["anything_exists"]

EXAMPLES = examples()

READ_ONLY = {
    r"data prepare (?!digits-mini-mlt|'?image-folder)": "downloads gigabytes",
    r"^ltbench doctor": "looks for data sets; tests/cli/test_doctor.py has real ones",
    r"errors .*--maps": "looks into a network; tests/report/test_errors_page.py trains one",
    r"status .*--watch": "looks until Ctrl-C; tests/cli/test_status.py stops it",
}
"""Examples that are read as the program reads them and not run, and why."""

ELSEWHERE = {r"cuda:\d": "cpu"}
"""What stands on a page for machines that tests may not have, and what is typed here instead."""

NEEDS = {"wandb[": "wandb", "tensorboard": "tensorboard", "--sampler bayes": "optuna",
         "ray[": "ray", "slurm[": "submitit"}  # fmt: skip
"""Packages of the extras, by the word that needs one."""


def ids(example: Example) -> str:
    return f"{example.place}: {example.line}"


def reason(example: Example) -> str | None:
    return next((why for key, why in READ_ONLY.items() if re.search(key, example.line)), None)


RUN = [
    pytest.param(
        example,
        # The conformance kit trains several times.
        marks=[pytest.mark.slow] if "plugins check" in example.line else [],
        id=ids(example),
    )
    for example in EXAMPLES
    if not reason(example)
]


@pytest.fixture(scope="module")
def cli():
    return reference.commands()


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A reader in an empty folder, on a machine with every data set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("WANDB_MODE", "offline")
    # A minute each for the large networks, and nothing that an example says depends on it.
    monkeypatch.setattr(arithmetic, "measure", as_fast)
    registry = get_plugins()["datasets"]
    monkeypatch.setattr(registry, "_entries", registry._entries | stand_ins())
    return Readers(tmp_path)


def as_fast(work, ways, device, threads) -> Speeds:
    """Take every way to compute for as fast as any other."""
    same = dict.fromkeys(ways, 1.0)
    return Speeds(seconds=same, ratios=same, images=work.images, threads=threads)


@pytest.mark.parametrize("example", RUN)
def test_an_example_works(example, reader, cli, anything_exists):
    for word, package in NEEDS.items():
        if word in example.line and not importlib.util.find_spec(package):
            pytest.skip(f"{package} is not installed")
    reader.write_files()
    # Of a command that a plugin of the page brings nothing is known here.
    options = {} if "--plugin" in example.line else parse(cli, example.printed)
    reader.lay_out(example, options)
    words = [_here(word) for word in reader.words(example)]
    if example.name in TRAINS and "--dry-run" not in words:
        words.append("--dry-run")
    code, output = _type(cli, words)
    if "--hparams best" in example.line:
        # Nothing was tuned in this folder; test_what_trains_does_so tunes first.
        assert (code, "ltbench tune --algo" in output) == (2, True), output
    elif example.printed.refused:
        assert code == 2, output
    else:
        assert code == 0, output


def _here(word: str) -> str:
    for pattern, there in ELSEWHERE.items():
        word = re.sub(pattern, there, word)
    return word


def _type(cli, words) -> tuple[int, str]:
    """Type a command, in this process unless it brings a plugin or shows logs."""
    if words[0].startswith("-") or words[:2] == ["plugins", "check"]:
        done = subprocess.run(
            [sys.executable, "-c", LTBENCH, *words],
            env={**os.environ, "PYTHONPATH": f"{SITE}{os.pathsep}{os.environ['PYTHONPATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr
    result = CliRunner().invoke(cli, words, input="n\n")
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        return getattr(error, "exit_code", 1), f"{result.output}\n{error!r}"
    return result.exit_code, result.output


@pytest.mark.parametrize("example", [e for e in EXAMPLES if reason(e)], ids=ids)
def test_an_example_that_is_not_run_can_be_read(example, cli, anything_exists):
    parse(cli, example.printed)


def test_each_reason_not_to_run_an_example_is_needed():
    for pattern in READ_ONLY:
        assert any(re.search(pattern, example.line) for example in EXAMPLES), pattern


def test_every_command_has_examples():
    places = {example.place for example in EXAMPLES}
    assert len(EXAMPLES) > 120
    for name in ("run", "tune", "figures", "tables ablation", "data verify", "retry", "clean"):
        assert any(f"ltbench {name} --help" == place for place in places), name


def test_an_example_that_names_what_is_not_there_is_found(reader, cli, anything_exists):
    line = "ltbench tables ablation --algo boda --components weight,macro_weight -o boda.tex"
    example = Example("page", Printed(line))
    reader.folder.joinpath("runs").mkdir()
    for weight in (0.0, 0.1):
        reader._write("runs", "digits-mini-mlt", [Name("boda", {"weight": weight})], 0)
    code, output = _type(cli, reader.words(example))
    assert code == 2
    assert "macro_weight" in output


IN_A_HURRY = ["--steps", "2", "--eval-every", "2", "--jobs", "1", "--device", "cpu"]
TRAINED = {
    place: [
        example
        for example in EXAMPLES
        if example.place == place
        and example.name in ("run", "tune")
        and "digits-mini-mlt" in example.line
        and "leaderboards/" not in example.line  # hundreds of runs
        and not example.printed.refused
    ]
    for place in dict.fromkeys(example.place for example in EXAMPLES)
}


@pytest.mark.slow
@pytest.mark.parametrize("place", [place for place, found in TRAINED.items() if found])
def test_what_trains_does_so(place, tmp_path, monkeypatch):
    """Carry the sweeps of a page out in its order, with few steps and one seed."""
    monkeypatch.chdir(tmp_path)
    reader = Readers(tmp_path)
    reader.write_files()
    found = sorted(TRAINED[place], key=lambda example: "--hparams best" in example.line)
    tuned = any(example.name == "tune" for example in found)
    for example in found:
        words = [*reader.words(example), *IN_A_HURRY]
        words += ["--trials", "2"] if example.name == "tune" else ["--seeds", "1"]
        if "--hparams" in words and not tuned:
            continue  # the page where it is tuned has it too
        done = subprocess.run(
            [sys.executable, "-c", LTBENCH, *words],
            env=os.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {example.line}\n{done.stdout}{done.stderr}"
