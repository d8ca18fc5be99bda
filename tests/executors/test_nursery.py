"""Workers share their start, and nothing else."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
from local_sweep import Sweep

from ltbench.executors import local, nursery
from ltbench.executors.channel import pair
from ltbench.executors.leftovers import VARIABLE
from ltbench.executors.nursery import Nursery

pytestmark = pytest.mark.skipif(
    not nursery.is_possible("cpu"), reason="workers start from scratch here"
)


def until(is_so, seconds=120.0):
    by = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < by
        time.sleep(0.01)


@pytest.fixture
def shared():
    shared = Nursery()
    yield shared
    shared.close()


@pytest.fixture
def fork(shared):
    ends = []

    def fork():
        ours, theirs = pair()
        child, mark = shared.fork(theirs)
        theirs.close()
        ends.append((ours, child))
        return ours, child, mark

    yield fork
    for ours, child in ends:
        ours.close()
        child.kill()


def test_workers_are_processes_of_their_own_with_marks_of_their_own(fork, shared):
    forked = [fork() for _ in range(2)]
    until(lambda: all(child.pid for _, child, _ in forked))
    assert len({child.pid for _, child, _ in forked} | {shared._process.pid, os.getpid()}) == 4
    for _, child, mark in forked:
        until(lambda child=child, mark=mark: psutil.Process(child.pid).environ()[VARIABLE] == mark)
        assert psutil.Process(child.pid).ppid() == shared._process.pid
    assert psutil.Process(shared._process.pid).environ()[VARIABLE] not in {m for *_, m in forked}


def test_the_second_worker_costs_next_to_nothing(fork, shared):
    fork()[0].close()
    _, child, _ = fork()
    until(lambda: child.pid)
    spent = psutil.Process(shared._process.pid).cpu_times()
    used = psutil.Process(child.pid).cpu_times()
    assert used.user + used.system < 0.5 < spent.user + spent.system


def test_a_worker_ends_with_its_connection_and_tells_how(fork):
    ours, child, _ = fork()
    until(lambda: child.pid)
    assert child.is_alive()
    assert child.exitcode is None
    ours.close()
    until(lambda: not child.is_alive())
    assert child.exitcode == 0


def test_a_worker_that_is_killed_leaves_the_others(fork):
    (_, killed, _), (other, lives, _) = fork(), fork()
    killed.kill()
    until(lambda: killed.exitcode is not None)
    assert killed.exitcode == -signal.SIGKILL
    assert lives.is_alive()
    assert not other.arrived()
    assert not other.closed, "nobody else holds its end"


def test_no_worker_holds_the_end_of_another(fork):
    (first, one, _), (_, two, _) = fork(), fork()
    until(lambda: one.pid and two.pid)
    one.kill()
    until(lambda: bool(first.arrived()) or first.closed)
    assert two.is_alive()


def test_signals_are_for_workers_and_reach_one_that_is_just_starting(fork, shared):
    _, child, _ = fork()
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(shared._process.pid, number)
    child.terminate()
    until(lambda: not child.is_alive())
    assert child.exitcode == 0, "it was asked to stop, and did"
    assert shared.alive


def test_a_worker_that_waits_for_a_job_hears_a_signal(fork):
    _, child, _ = fork()
    until(lambda: child.pid)
    process = psutil.Process(child.pid)
    until(lambda: process.status() == "sleeping")
    time.sleep(0.3)  # in the middle of waiting, its handler in place
    child.terminate()
    until(lambda: not child.is_alive(), seconds=20)
    assert child.exitcode == 0


def test_without_the_nursery_its_workers_end(fork, shared):
    _, child, _ = fork()
    until(lambda: child.pid)
    pid = child.pid
    os.kill(shared._process.pid, signal.SIGKILL)
    until(lambda: not child.is_alive())
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    with pytest.raises(OSError):  # noqa: PT011  # closed, or reset
        until(lambda: shared.fork(pair()[1]) is None, seconds=5)


def test_a_sweep_goes_on_with_another_nursery_if_one_is_killed(make_jobs):
    sweep = Sweep()
    killed = []

    def kill(job, event):
        if event["event"] == "finished" and not killed:
            killed.append(sweep.executor.nursery._process.pid)
            os.kill(killed[0], signal.SIGKILL)

    sweep.meanwhile = kill
    sweep.run(make_jobs("erm", seeds=3))
    assert len(sweep.results) == 3
    assert all("test" in result for result in sweep.results.values())


def test_where_it_is_not_possible_workers_start_from_scratch(make_jobs, monkeypatch):
    monkeypatch.setattr(local, "is_possible", lambda device: False)
    sweep = Sweep().run(make_jobs("erm", seeds=1))
    assert sweep.executor.nursery is None
    assert all("test" in result for result in sweep.results.values())


def test_on_gpus_workers_start_from_scratch():
    """PyTorch may ask the driver for devices as it is imported, which no fork survives."""
    assert not nursery.is_possible("cuda:0")
    assert not nursery.is_possible("mps")


def test_one_that_was_started_early_is_taken_where_nothing_has_changed(monkeypatch):
    monkeypatch.setattr(nursery, "_has_gpu", lambda: False)
    nursery.start_early()
    (early,) = nursery._early
    assert nursery.ready_nursery() is early
    assert not nursery._early
    early.close()
    nursery.start_early()
    (early,) = nursery._early
    monkeypatch.setenv("LTBENCH_CACHE", "/elsewhere")
    other = nursery.ready_nursery()
    assert other is not early
    assert not early.alive
    other.close()
    monkeypatch.setattr(nursery, "_has_gpu", lambda: True)
    nursery.start_early()
    assert not nursery._early


def test_what_is_shared_are_modules_and_no_plugins():
    assert all(name.split(".")[0] in ("torch", "ltbench") for name in nursery.SHARED)
