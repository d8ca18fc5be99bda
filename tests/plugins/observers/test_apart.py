"""An object in a process of its own: nobody waits for it, and what fails there is heard of."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from apart_things import Notes, Unmakeable
from ltbench_observers.apart import Apart, ApartError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.txt"


@pytest.fixture
def apart(path):
    return Apart(functools.partial(Notes, path))


def test_calls_are_made_in_their_order_and_it_is_closed(apart, path):
    for number in range(300):
        apart.call("write", str(number))
    assert apart.close(60)
    assert path.read_text().split() == [*map(str, range(300)), "closed"]


def test_no_call_is_waited_for_however_much_is_said(apart):
    apart.call("sleep", 600)
    began = time.monotonic()
    for _ in range(200):
        apart.call("write", "x" * 20_000)  # far more than a pipe holds
    assert time.monotonic() - began < 100
    assert not apart.close(0.2)
    assert time.monotonic() - began < 120


def test_a_failure_is_heard_of_and_the_other_calls_are_made(apart, path):
    apart.call("fail", "the first")
    apart.call("write", "one")
    with pytest.raises(ApartError, match="ValueError: the first"):
        apart.close(60)
    assert path.read_text().split() == ["one", "closed"]


def test_a_failure_is_heard_of_at_a_later_call(apart, path):
    apart.call("fail", "the first")
    assert apart._pipe.poll(60)
    with pytest.raises(ApartError, match="the first"):
        apart.call("write", "one")
    assert apart.close(60)
    assert path.read_text().split() == ["one", "closed"]


def test_what_cannot_be_made_is_heard_of(path):
    apart = Apart(Unmakeable)
    apart.call("write", "one")
    with pytest.raises(ApartError, match="no such package"):
        apart.close(60)


def test_a_process_that_dies_is_heard_of(apart):
    apart.call("die")
    with pytest.raises(ApartError, match="exit code 3"):
        apart.close(60)


def test_a_process_that_died_before_a_call_is_heard_of(apart):
    apart.call("die")
    apart._process.join(60)
    with pytest.raises(ApartError, match="exit code 3"):
        apart.call("write", "one")


def test_ctrl_c_ends_the_waiting_only(apart):
    apart.call("sleep", 600)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    assert not apart.close(600)
    assert time.monotonic() - began < 120


def test_a_parent_that_is_killed_leaves_nothing_behind(path):
    code = (
        "import functools, pathlib, sys, time\n"
        "from apart_things import Notes\n"
        "from ltbench_observers.apart import Apart\n"
        "if __name__ == '__main__':\n"
        "    apart = Apart(functools.partial(Notes, pathlib.Path(sys.argv[1])))\n"
        "    apart.call('write', 'one')\n"
        "    print(apart._process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    script = path.with_name("parent.py")
    script.write_text(code)
    folders = os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])
    parent = subprocess.Popen(
        [sys.executable, str(script), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": folders},
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    while not path.exists():
        time.sleep(0.05)
    parent.kill()
    parent.communicate()
    child.wait(timeout=120)
    assert path.read_text().split() == ["one", "closed"]
