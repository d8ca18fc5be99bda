"""An observer's process that stands still, or leaves another behind, holds up nothing."""

from __future__ import annotations

import time

import pytest
from child_objects import Recorder
from ltbench_observers.child_process import CallError, ChildProcess


def test_a_stopped_process_is_not_waited_for():
    child = ChildProcess(Recorder)
    child.call("stop")
    began = time.monotonic()
    for _ in range(200):
        child.call("note", "x" * 10_000)  # far more than a pipe holds
    assert time.monotonic() - began < 5
    assert child.close(1.0) is False
    assert time.monotonic() - began < 15


def test_a_child_that_it_left_behind_is_not_waited_for():
    child = ChildProcess(Recorder)
    child.call("leave_child")
    began = time.monotonic()
    assert child.close(50.0) is True
    assert time.monotonic() - began < 45, "the pipe is still open there"


def test_a_failure_and_what_cannot_be_sent_are_told():
    child = ChildProcess(Recorder)
    child.call("fail")
    with pytest.raises(CallError, match="ValueError: told to"):
        child.close(50.0)
    child = ChildProcess(Recorder)
    child.call("note", lambda: None)
    with pytest.raises(CallError, match="pickle"):
        child.close(50.0)
