"""Checkpoints in the background: one at a time, whole at any moment, and failures are heard of."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref

import pytest
import torch
from run_answers import answers

from ltbench.results.claim import ClaimLost
from ltbench.results.folder import RunFolder
from ltbench.training import checkpoint_writer as module
from ltbench.training.checkpoint import Best, Checkpoint, load_checkpoint, save_checkpoint
from ltbench.training.checkpoint_writer import CheckpointWriter
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)


@pytest.fixture
def folder(tmp_path):
    found = RunFolder(tmp_path / "run")
    found.start({})
    return found


def names(folder):
    return {path.name for path in folder.path.rglob("*") if path.is_file()}


class Held:
    """A write that takes as long as it is held."""

    def __init__(self, monkeypatch):
        self.go, self.began = threading.Event(), threading.Event()
        monkeypatch.setattr(module, "save_checkpoint", self)

    def __call__(self, path, checkpoint, sync, guard):
        self.began.set()
        assert self.go.wait(60)
        save_checkpoint(path, checkpoint, sync, guard)


def test_training_goes_on_meanwhile(folder, monkeypatch):
    held = Held(monkeypatch)
    with CheckpointWriter(folder) as writer:
        writer.begin(lambda: Checkpoint(step=3))
        assert held.began.wait(60)
        assert not folder.latest.exists()
        assert not writer.due(evaluated=False)
        held.go.set()
    assert load_checkpoint(folder.latest).step == 3
    assert not [t for t in threading.enumerate() if t.name == "checkpoint"]


def test_there_are_never_two_of_them(folder):
    states = []

    def copy():
        assert [state() for state in states] == [None] * len(states)
        made = Checkpoint(step=len(states), model={"w": torch.zeros(1000)})
        states.append(weakref.ref(made))
        return made

    with CheckpointWriter(folder) as writer:
        for _ in range(4):
            writer.begin(copy)
    assert load_checkpoint(folder.latest).step == 3


@pytest.mark.parametrize(
    ("megabytes", "took", "passed", "expected"),
    [
        (0, 0.0, 0.0, True),  # the first
        (60, 9.0, 10.0, True),  # small ones at every evaluation
        (60, None, 1.0, True),  # one that is being written is waited for where it is small
        (400, None, 100.0, False),
        (400, 0.6, 11.0, False),  # large ones for a twentieth of the time
        (400, 0.6, 12.1, True),
        (400, 20.0, 301.0, False),
    ],
)
def test_when_one_is_due_at_an_evaluation(folder, megabytes, took, passed, expected):
    writer = CheckpointWriter(folder)
    writer._bytes = megabytes << 20
    writer._began, writer._took = time.monotonic() - passed, took
    assert writer.due(evaluated=True) is expected


@pytest.mark.parametrize(
    ("took", "passed", "expected"), [(0.4, 290.0, False), (0.4, 301.0, True), (None, 301.0, False)]
)
def test_when_one_is_due_between_evaluations(folder, took, passed, expected):
    writer = CheckpointWriter(folder)
    writer._began, writer._took = time.monotonic() - passed, took
    assert writer.due(evaluated=False) is expected


def test_the_size_of_one_counts_model_and_optimisers(folder):
    writer = CheckpointWriter(folder)
    state = {"main": {"state": {0: {"mean": torch.zeros(100)}}, "param_groups": [{"lr": 1.0}]}}
    made = Checkpoint(step=3, model={"w": torch.zeros(1000)}, optimizers=state)
    with writer:
        writer.begin(lambda: made)
    assert writer._bytes == 4400


def test_a_full_disk_is_heard_of_at_the_next_look(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    writer = CheckpointWriter(folder)
    writer.begin(lambda: Checkpoint(step=1))
    writer.finish()
    monkeypatch.setattr("ltbench.results.folder.os.fsync", full)
    for ask in (lambda: writer.due(False), writer.finish, lambda: writer.begin(Checkpoint)):
        writer.begin(lambda: Checkpoint(step=2))
        writer._join()
        with pytest.raises(OSError, match="No space left"):
            ask()
    with pytest.raises(OSError, match="No space left"), writer:
        writer.begin(lambda: Checkpoint(step=2))
    with pytest.raises(KeyError), writer:  # noqa: PT012
        writer.begin(lambda: Checkpoint(step=2))
        raise KeyError  # what ended the training is what is told
    assert load_checkpoint(folder.latest).step == 1
    assert names(folder) == {"spec.json", "latest.pt"}


def test_what_is_not_this_process_any_more_is_not_written(folder):
    def lost():
        raise ClaimLost("taken over")

    taken = RunFolder(folder.path, lost)
    with pytest.raises(ClaimLost), CheckpointWriter(taken) as writer:
        writer.begin(lambda: Checkpoint(step=2))
    assert names(folder) == {"spec.json"}


def test_a_disk_that_fills_up_fails_the_run_which_goes_on_later(make_job, monkeypatch):
    quiet, broken = make_job("boda+crt", folder="quiet"), make_job("boda+crt", folder="broken")
    execute(quiet, *QUIET)
    written, sync = [], os.fsync

    def full(handle):
        path = os.readlink(f"/proc/self/fd/{handle}")
        if "latest" in path:
            written.append(path)
            if len(written) > 2:
                raise OSError(28, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr("ltbench.results.folder.os.fsync", full)
        failure = execute(broken, *QUIET)
    assert failure["status"] == "failed"
    assert "No space left on device" in failure["error"]
    assert load_checkpoint(RunFolder(broken.folder).latest).step == 6
    execute(broken, *QUIET)
    assert answers(quiet) == answers(broken)


KILLED = """
import os, pickle, signal, sys, threading
from ltbench.results import folder
from ltbench.training.run import execute
sync, written = folder.sync_files, []

def mortal(paths):
    if threading.current_thread().name == "checkpoint":
        written.append(1)
        if len(written) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    sync(paths)

folder.sync_files = mortal
with open(sys.argv[1], "rb") as file:
    execute(pickle.load(file), lambda event: None, lambda: False)
"""


@pytest.mark.parametrize("at", [1, 3])
def test_killed_while_one_is_written(make_job, tmp_path, at):
    quiet, broken = make_job("erm", folder="quiet"), make_job("erm", folder="broken")
    execute(quiet, *QUIET)
    (tmp_path / "job").write_bytes(pickle.dumps(broken))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "job"), str(at)], check=False
    )
    assert done.returncode == -9
    folder = RunFolder(broken.folder)
    found = load_checkpoint(folder.latest)
    assert (found.step if found else 0) == 3 * (at - 1)
    assert any(name.endswith(".tmp") for name in names(folder)), "it was being written"
    execute(broken, *QUIET)
    assert answers(quiet) == answers(broken)
    assert not any(name.endswith(".tmp") for name in names(folder))


def test_where_evaluations_are_rare_the_clock_decides(make_job, monkeypatch):
    begin = CheckpointWriter.begin

    def at_once(self, copy):
        begin(self, copy)
        self.finish()

    monkeypatch.setattr(CheckpointWriter, "begin", at_once)
    monkeypatch.setattr(module, "LONGEST_S", 0.0)
    job = make_job("misbehave[at=7]", steps=12, eval_every=12)
    execute(job, *QUIET)
    assert load_checkpoint(RunFolder(job.folder).latest).step == 7
    job = make_job("misbehave[at=7]", folder="other", steps=12, eval_every=12)
    monkeypatch.setattr(module, "LONGEST_S", 60.0)
    execute(job, *QUIET)
    assert not RunFolder(job.folder).latest.exists()


@pytest.mark.parametrize("at", [4, 8])
def test_checkpoints_between_evaluations_are_exact(make_job, monkeypatch, at):
    """With sums of losses that are half gathered."""
    quiet = make_job("boda", folder="quiet", steps=9, eval_every=6, optimizer="sgd")
    broken = make_job("boda", folder="broken", steps=9, eval_every=6, optimizer="sgd")
    execute(quiet, *QUIET)
    monkeypatch.setattr(module, "LONGEST_S", 0.0)
    polls = iter(range(10**9))

    def stop():
        time.sleep(0.05)
        if next(polls) + 1 == at:
            raise RuntimeError("broken off")
        return False

    execute(broken, QUIET[0], stop)
    assert load_checkpoint(RunFolder(broken.folder).latest).step in (at - 1, at)
    execute(broken, *QUIET)
    assert answers(quiet) == answers(broken)


def test_a_diverged_run_leaves_no_checkpoint_behind_though_one_was_being_written(
    make_job, monkeypatch
):
    def slow(*arguments):
        time.sleep(0.3)
        save_checkpoint(*arguments)

    monkeypatch.setattr(module, "save_checkpoint", slow)
    job = make_job("misbehave[how=nan,at=4]", eval_every=3)
    assert execute(job, *QUIET)["status"] == "diverged"
    assert not RunFolder(job.folder).latest.parent.exists()


def test_writing_takes_no_copy_in_memory(tmp_path):
    state = {str(number): torch.rand(250_000) for number in range(40)}  # 40 MB
    tracemalloc.start()
    try:
        save_checkpoint(tmp_path / "a.pt", Checkpoint(model=state))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8e6
    assert load_checkpoint(tmp_path / "a.pt").model["7"].equal(state["7"])


def test_the_chosen_model_that_is_the_present_one_is_written_once(make_job, tmp_path):
    job = make_job("erm")
    polls = iter(range(10**9))
    execute(job, QUIET[0], lambda: next(polls) + 1 >= 3)
    found = load_checkpoint(RunFolder(job.folder).latest)
    assert found.best.step == found.step == 3
    apart = Checkpoint(**vars(found))
    apart.best = Best(3, 0.0, {}, {k: v.clone() for k, v in found.best.model.items()})
    save_checkpoint(tmp_path / "apart.pt", apart)
    size = sum(value.nbytes for value in found.model.values())
    assert (
        (tmp_path / "apart.pt").stat().st_size - RunFolder(job.folder).latest.stat().st_size
    ) == pytest.approx(size, rel=0.05)
