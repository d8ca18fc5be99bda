"""A cluster that does not answer is told of, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from ltbench_clusters import slurm
from ltbench_clusters.slurm import PATIENCE_SECONDS, SlurmExecutor

from ltbench.api import acquire


@pytest.fixture
def executor(tmp_path: Path) -> SlurmExecutor:
    """An executor that knows of no cluster."""
    made = SlurmExecutor.__new__(SlurmExecutor)
    made.silent_since, made.told_silent, made.folder = None, False, tmp_path
    made.said = []
    made.say = made.said.append
    return made


def test_a_queue_that_does_not_answer(executor, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(slurm.time, "monotonic", lambda: now[0])
    for answered in (False, True, False, False):
        executor._tell_of_silence(answered)
        now[0] += PATIENCE_SECONDS / 2
    assert executor.said == []
    for _ in range(4):
        executor._tell_of_silence(answered=False)
        now[0] += PATIENCE_SECONDS / 2
    (sentence,) = executor.said
    assert sentence.startswith("SLURM has not answered squeue for a while")


def test_another_command_that_submits_for_long_is_named(executor, monkeypatch):
    monkeypatch.setattr(slurm, "PATIENCE_SECONDS", 0.2)
    claim = acquire(executor.folder)

    def say(sentence):
        executor.said.append(sentence)
        claim.release()

    executor.say = say
    with executor._alone():
        pass
    assert len(executor.said) == 1
    assert executor.said[0].startswith("waiting for another command that is submitting jobs: proc")
