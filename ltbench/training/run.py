"""One run from its claim to its record; what happens between is the trainer's."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import traceback
from collections.abc import Callable
from typing import Any

from ltbench.errors import DivergedError, described
from ltbench.plugins.blame import blamed
from ltbench.plugins.ctrl_c import telling_ctrl_c
from ltbench.plugins.manager import get_plugins
from ltbench.results.claim import Claim, ClaimLost, Owner, acquire, find_owner
from ltbench.results.folder import RunFolder
from ltbench.training.checkpoint import Checkpoint, resume
from ltbench.training.context import Report, open_context
from ltbench.training.device_errors import advised, loses_device
from ltbench.training.first_stage import FirstStage, FirstStageBusy
from ltbench.training.job import Job
from ltbench.training.loop import Interrupted
from ltbench.training.memory import memory_given_back
from ltbench.training.model import stage_names
from ltbench.training.seeding import seed_everything
from ltbench.training.trainer import train_and_test


def execute(job: Job, report: Report, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Carry out one run and return the content of its ``result.json`` or ``error.json``.

    This is all that a process needs to call, on whichever machine sees the run's folder. It claims
    the run first, so that nobody else works on it, and gives it up at the end. A run that fails,
    diverges or takes longer than its time is recorded in its folder, not raised. Otherwise nothing
    of it ends here, and the returned ``status`` says why:

    - ``interrupted``: ``should_stop`` said so. The run goes on from its checkpoint the next time.
    - ``claimed``: another process works on it, took it over while this one was asleep, or trains
      the stage that it begins with; ``owner`` says which. See
      :class:`ltbench.executors.waiting.Waiting`.

    A failure has ``device_lost`` where this process cannot compute on the device any more.

    Args:
        job: the run.
        report: takes ``{"event": "started"}`` once the run is claimed, and what happens from then.
        should_stop: asked after every step.
    """
    folder = RunFolder(job.folder)
    try:
        if folder.done:
            return _finished_before(folder)
        job.folder.mkdir(parents=True, exist_ok=True)
        claim = acquire(job.folder, job.abandoned)
    except OSError as error:
        return _failure(job, Checkpoint(), error)  # nothing can be written, a claim least of all
    if isinstance(claim, Owner):
        return claimed(claim)
    with claim, memory_given_back(job.device):
        if folder.done:  # by whoever had the claim before
            return _finished_before(folder)
        report({"event": "started"})
        try:
            with telling_ctrl_c() as is_users:
                return _train_and_record(job, claim, report, should_stop, is_users)
        except (ClaimLost, FirstStageBusy) as other:
            busy = other.owner if isinstance(other, FirstStageBusy) else find_owner(job.folder)
            return claimed(busy)


def claimed(owner: Owner | None) -> dict[str, Any]:
    """Return the outcome of a run that another process has."""
    return {"status": "claimed", "owner": str(owner or "another process")}


def _finished_before(folder: RunFolder) -> dict[str, Any]:
    folder.tidy()
    result: dict[str, Any] = json.loads(folder.result.read_text(encoding="utf-8"))
    return result


def _train_and_record(
    job: Job,
    claim: Claim,
    report: Report,
    should_stop: Callable[[], bool],
    is_users: Callable[[BaseException], bool],
) -> dict[str, Any]:
    """Train a run that this process has claimed, and record what came of it.

    Raises:
        ClaimLost: another process took it over, and nothing more is written.
        FirstStageBusy: another process trains the stage that it begins with.
    """
    folder = RunFolder(job.folder, claim.check)
    stop = _Stop(should_stop, claim, job.timeout)
    checkpoint = Checkpoint(threads=job.threads)
    try:
        folder.start(job.spec.as_dict())
        seed_everything(job.spec.seed, "run")

        def notice(sentence: str) -> None:
            report({"event": "notice", "sentence": sentence})

        checkpoint = resume(folder, job.threads, notice)
        with contextlib.ExitStack() as stack:
            first = None
            if job.first_stage is not None and checkpoint.stage == 0:
                first = stack.enter_context(FirstStage(job, checkpoint.threads, notice))
            result = train_and_test(open_context(job, folder, report, stop), checkpoint, first)
            claim.confirm()
            folder.finish(result)
        return result
    except (ClaimLost, FirstStageBusy):
        raise
    except BaseException as error:
        # A plugin that wants to end the program has failed; only the user's Ctrl-C goes on.
        if is_users(error):
            raise
        if isinstance(error, Interrupted) and not stop.timed_out:
            return {"status": "interrupted"}
        claim.confirm()
        failure = _failure(job, checkpoint, error)
        if failure["status"] == "diverged":  # to go on from here would only diverge again
            shutil.rmtree(folder.latest.parent, ignore_errors=True)
        with contextlib.suppress(OSError):  # on a full disk the caller still hears of it
            folder.fail(failure)
        return failure


class _Stop:
    """Says after every step whether to stop, and ends a run that is no longer this process's."""

    def __init__(self, asked: Callable[[], bool], claim: Claim, timeout: float | None) -> None:
        self.asked, self.claim = asked, claim
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.timed_out = False

    def __call__(self) -> bool:
        self.claim.check()
        if self.asked():
            return True
        self.timed_out = self.deadline is not None and time.monotonic() > self.deadline
        return self.timed_out


def _failure(job: Job, checkpoint: Checkpoint, error: BaseException) -> dict[str, Any]:
    """Return the content of ``error.json``."""
    stage = stage_names(job.spec)[checkpoint.stage]
    match error:
        case DivergedError():
            status, sentence = "diverged", str(error)
        case Interrupted():
            status = "failed"
            sentence = (
                f"stopped after {job.timeout:g} s, its --timeout, at step {checkpoint.step} of "
                f"{stage}; the same command goes on from there"
            )
        case _:
            status = "failed"
            sentence = f"{advised(error, job) or described(error)}{blamed(error, get_plugins())}"
    return {
        "status": status,
        "error": sentence,
        "traceback": "".join(traceback.format_exception(error)),
        "stage": stage,
        "step": checkpoint.step,
        **({"device_lost": True} if loses_device(error) else {}),
    }
