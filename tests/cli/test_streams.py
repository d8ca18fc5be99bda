"""What commands print to: readers that leave, encodings that lack letters, dumb terminals."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ltbench.testing import write_run

LTBENCH = [sys.executable, "-m", "ltbench"]


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
    assert (b"?" in done.stdout) == (encoding != "ascii")


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
