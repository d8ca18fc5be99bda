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
from child_objects import Notes, Unmakeable
from ltbench_observers.child_process import CallError, ChildProcess


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.txt"


@pytest.fixture
def child(path):
    return ChildProcess(functools.partial(Notes, path))


def test_calls_are_made_in_their_order_and_it_is_closed(child, path):
    for number in range(300):
        child.call("write", str(number))
    assert child.close(60)
    assert path.read_text().split() == [*map(str, range(300)), "closed"]


def test_no_call_is_waited_for_however_much_is_said(child):
    child.call("sleep", 600)
    began = time.monotonic()
    for _ in range(200):
        child.call("write", "x" * 20_000)  # far more than a pipe holds
    assert time.monotonic() - began < 100
    assert not child.close(0.2)
    assert time.monotonic() - began < 120


def test_a_failure_is_heard_of_and_the_other_calls_are_made(child, path):
    child.call("fail", "the first")
    child.call("write", "one")
    with pytest.raises(CallError, match="ValueError: the first"):
        child.close(60)
    assert path.read_text().split() == ["one", "closed"]


def test_a_failure_is_heard_of_at_a_later_call(child, path):
    child.call("fail", "the first")
    assert child._pipe.poll(60)
    with pytest.raises(CallError, match="the first"):
        child.call("write", "one")
    assert child.close(60)
    assert path.read_text().split() == ["one", "closed"]


def test_what_cannot_be_made_is_heard_of(path):
    child = ChildProcess(Unmakeable)
    child.call("write", "one")
    with pytest.raises(CallError, match="no such package"):
        child.close(60)


def test_a_process_that_dies_is_heard_of(child):
    child.call("die")
    with pytest.raises(CallError, match="exit code 3"):
        child.close(60)


def test_a_process_that_died_before_a_call_is_heard_of(child):
    child.call("die")
    child._process.join(60)
    with pytest.raises(CallError, match="exit code 3"):
        child.call("write", "one")


def test_ctrl_c_ends_the_waiting_only(child):
    child.call("sleep", 600)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    assert not child.close(600)
    assert time.monotonic() - began < 120


def test_a_parent_that_is_killed_leaves_nothing_behind(path):
    code = (
        "import functools, pathlib, sys, time\n"
        "from child_objects import Notes\n"
        "from ltbench_observers.child_process import ChildProcess\n"
        "if __name__ == '__main__':\n"
        "    child = ChildProcess(functools.partial(Notes, pathlib.Path(sys.argv[1])))\n"
        "    child.call('write', 'one')\n"
        "    print(child._process.pid, flush=True)\n"
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
