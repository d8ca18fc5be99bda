"""Options and sweep files of other people: no shell code in them, and no endless sweeps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = [sys.executable, "-m", "ltbench"]
BASE = 'algo = "erm"\ndataset = "digits-mini-mlt"\nseeds = 1\n'


def refused(*arguments: str, seconds: float = 60.0) -> str:
    """Type a command that must be refused, and return the sentence."""
    began = time.monotonic()
    done = subprocess.run(
        [*START, *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("Error: "), done.stderr
    assert all(line.isprintable() for line in lines)
    assert time.monotonic() - began < seconds
    return lines[-1]


@pytest.mark.parametrize("text", [
    'executor = "slurm[partition=\\"gpu\\n#SBATCH\\ntouch /tmp/x\\"]"',
    'out = "runs\\nrm -rf ~"',
    'out = "runs,\\nrm -rf ~"',
    'backbone = "digits-cnn\\u001b[31m"',
    '[hparams.coral]\nloss = "bsoftmax\\nx"',
    '[hparams.coral]\nloss = ["bsoftmax", "b\\u202e"]',
    '[hparams."co\\nral"]\nweight = 1',
    'observer = ["csv", "wandb[project=a\\u0007b]"]',
    'device = "cpu\\n"',
])  # fmt: skip
def test_a_sweep_file_brings_no_line_of_its_own(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(BASE + text + "\n")
    assert "printable" in refused("run", str(file), "--dry-run")


@pytest.mark.parametrize("arguments", [
    ["run", "--algo", "erm", "--dataset", "digits-mini-mlt", "--out", "a\nb", "--dry-run"],
    ["run", "--algo", "erm", "--dataset", "image-folder[root=/x\n/y]", "--dry-run"],
    ["run", "--algo", "erm", "--dataset", "digits-mini-mlt", "--executor", "slurm[qos=a\rb]"],
    ["leaderboard", "a\x1b]0;x\x07"],
    ["report", "runs", "-o", "a\nb.html"],
    ["figures", "heat\nmap", "runs"],
])  # fmt: skip
def test_no_word_of_a_command_holds_what_nobody_sees(arguments: list[str]) -> None:
    assert "unprintable character" in refused(*arguments)


@pytest.mark.parametrize(("text", "words"), [
    ("seeds = 1000000000", "neither a number from 1 nor a list"),
    ("seeds = [99999999999999999999]", "64 bits"),
    ("seeds = 0x" + "f" * 5000, "64 bits"),
    ("steps = 0x" + "f" * 5000, "64 bits"),
    ("[hparams.focal]\ngamma = {low = 0, high = 1, draws = 1000000000}", "too many"),
    ("[hparams.focal]\ngamma = {low = -1e308, high = 1e308, draws = 2}", "too wide"),
    ("lr = " + "[" * 3000, "not TOML"),
    ("a = " + "{a = " * 3000, "not TOML"),
])  # fmt: skip
def test_a_sweep_file_is_bounded(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "sweep.toml"
    base = BASE.replace("seeds = 1\n", "") if text.startswith("seeds") else BASE
    file.write_text(base.replace('"erm"', '"focal"') + text + "\n")
    assert words in refused("run", str(file), "--dry-run")


def test_grids_multiply_no_further_than_can_be_run(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    grid = ", ".join(map(str, range(1, 2000)))
    file.write_text(
        BASE.replace('"erm"', '"boda"')
        + f"[hparams.boda]\nweight = [{grid}]\ntemperature = [{grid}]\n"
    )
    assert "combinations" in refused("run", str(file), "--dry-run")


RUN = ["run", "--algo", "erm", "--dataset", "digits-mini-mlt", "--dry-run"]


@pytest.mark.parametrize(("arguments", "words"), [
    ([*RUN, "--seeds", "1000000000"], "at most"),
    ([*RUN, "--seeds", "9" * 5000], "--seeds"),
    ([*RUN, "--seeds", "0,18446744073709551616"], "64 bits"),
    ([*RUN, "--steps", "99999999999999999999"], "64 bits"),
    ([*RUN, "--lr", "1e400"], "finite number"),
    (["run", "--dataset", "digits-mini-mlt", "--dry-run", "--seeds", "60000", "--algo",
      "erm,focal"], "120,000 runs"),
    (["run", "--dataset", "digits-mini-mlt", "--dry-run", "--algo",
      "brl[" + ",".join(f"{key}=[{','.join(map(str, range(99)))}]" for key in "abcd") + "]"],
     "96,059,601 combinations"),
    (["run", "--dataset", "digits-mini-mlt", "--dry-run", "--algo",
      f"coral[loss={'x[k=' * 5000}1{']' * 5000}]"], "brackets within one another"),
])  # fmt: skip
def test_numbers_are_bounded_before_anything_is_expanded(arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)


def test_a_sweep_file_that_is_a_pipe_without_a_writer_or_never_ends(tmp_path: Path) -> None:
    pipe = tmp_path / "sweep.toml"
    os.mkfifo(pipe)
    assert "algo" in refused("run", str(pipe), "--dry-run", seconds=30)
    assert "1 MB" in refused("run", "/dev/zero", "--dry-run", seconds=30)


@pytest.mark.parametrize("what", ["weights", "table"])
def test_no_pipe_is_waited_for(tmp_path: Path, what: str) -> None:
    pipe = tmp_path / ("x.csv" if what == "table" else "x.pt")
    os.mkfifo(pipe)
    if what == "table":
        said = refused("data", "info", f"image-folder[root={pipe}]", seconds=60)
    else:
        words = ("--algo", "erm", "--dataset", "digits-mini-mlt", "--weights", str(pipe))
        said = refused("run", *words, seconds=60)
    assert "it is not a regular file" in said


def test_a_sweep_file_may_come_through_a_pipe(tmp_path: Path) -> None:
    """As shells do it for ``ltbench run <(make-sweep)``."""
    reading, writing = os.pipe()
    os.write(writing, BASE.encode())
    os.close(writing)
    done = subprocess.run(
        [*START, "run", f"/dev/fd/{reading}", "--dry-run"],
        pass_fds=[reading], capture_output=True, text=True, check=False,
    )  # fmt: skip
    os.close(reading)
    assert done.returncode == 0, done.stderr
