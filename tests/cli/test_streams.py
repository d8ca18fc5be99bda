"""What commands print to: readers that leave, encodings that lack letters, dumb terminals."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ltbench.testing import write_run

LTBENCH = [sys.executable, "-m", "ltbench"]
# Every command in a process of its own, after what takes long was imported once.
EACH = """
import importlib, json, os, sys
import click
from ltbench.cli import main as entry
def leaves(command, words=()):
    if not isinstance(command, click.Group):
        yield [*words]
    for name, part in getattr(command, "commands", {}).items():
        yield from leaves(part, (*words, name))
for name in entry.COMMANDS:
    importlib.import_module(f"ltbench.cli.{name}").ltbench_commands(entry.cli)
runs, codes = sys.argv[1], {}
further = [["leaderboard", runs], ["stats", runs, "--resamples", "9"], ["status", runs],
           ["data", "info", "digits-mini-mlt"], ["clean", runs, "--dry-run"],
           ["leaderboard", runs, "--format", "json"], ["plugins", "list"]]
sys.stdout.flush()
for words in [[*leaf, "--help"] for leaf in leaves(entry.cli)] + further:
    child = os.fork()
    if not child:
        sys.argv = ["ltbench", *words]
        sys.exit(entry.main())
    codes[" ".join(words)] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
with open(sys.argv[2], "w") as ends:
    json.dump(codes, ends)
"""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for algo in ("erm", "boda"):
        for seed in range(2):
            write_run(tmp_path, algo=algo, seed=seed, arrays=False)
    return tmp_path


@pytest.mark.parametrize("words", [["plugins", "list"], ["status"], ["leaderboard"]])
def test_a_reader_that_leaves_ends_the_command_quietly(runs, words):
    ours, theirs = os.pipe()
    os.close(ours)
    command = [*LTBENCH, *words, *([str(runs)] if words[0] != "plugins" else [])]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_pipe_that_breaks_between_processes_is_an_error(runs):
    code = (
        "import sys\nfrom ltbench.cli import status\nfrom ltbench.cli.main import main\n"
        "def broken(*_, **__): raise BrokenPipeError('of a worker')\n"
        f"status._look = broken\nsys.argv = ['ltbench', 'status', {str(runs)!r}]\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "BrokenPipeError: of a worker" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437"])
def test_letters_that_an_encoding_lacks_cost_nothing_else(runs, encoding):
    done = subprocess.run(
        [*LTBENCH, "leaderboard", str(runs)],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"boda" in done.stdout
    # Click takes ASCII for a setting that went wrong, and prints UTF-8.
    replaced = done.stdout.replace(b"differ at all?", b"")
    assert (b"?" in replaced) == (encoding != "ascii")


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {}])
def test_escape_sequences_are_for_those_who_want_them(env):
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [*LTBENCH, "data", "info", "digits-mini-mlt"],
        env={**inherited, "TERM": "xterm", **env},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # the last one closed it
        pass
    os.close(ours)
    assert process.wait() == 0
    assert b"optdigits" in seen
    assert (b"\x1b[" in seen) == (not env)


def codes_of_all(runs: Path, out: object, **env: str) -> tuple[dict[str, int], str]:
    """Return how every command ends that writes to ``out``, and what went to stderr."""
    ends = runs / "codes"
    done = subprocess.run(
        [sys.executable, "-c", EACH, str(runs), str(ends)],
        env={**os.environ, **env}, stdout=out, stderr=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(ends.read_text()), done.stderr


def test_every_command_ends_quietly_when_its_reader_leaves(runs):
    ours, theirs = os.pipe()
    os.close(ours)
    codes, err = codes_of_all(runs, theirs)
    os.close(theirs)
    assert len(codes) > 25
    assert set(codes.values()) == {141}, codes
    assert err == ""


@pytest.mark.parametrize("encoding", ["cp1252", "cp437"])
def test_every_command_prints_in_any_encoding(runs, encoding):
    codes, err = codes_of_all(runs, subprocess.DEVNULL, PYTHONIOENCODING=encoding)
    assert set(codes.values()) == {0}, codes
    assert "Error" not in err
