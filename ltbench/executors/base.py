"""The contract of an executor plugin.

An executor gets jobs and has each carried out by a call of
:func:`ltbench.training.run.execute` in some process, on whichever machine. That call does all that
concerns one run: it claims the run, resumes it, trains, tests, and records a failure. The executor
decides where and when, and what to do when the process itself is lost:

- ``execute(job, report, should_stop)`` needs the run's folder and the data under the paths that
  ``job`` names. Without a shared file system the executor sends the folder there (a checkpoint may
  lie in it) and brings it home, holding a claim on it meanwhile
  (:func:`ltbench.results.claim.acquire`).
- ``should_stop`` is where a cluster's warning arrives: a process that calls
  :func:`ltbench.executors.signals.stop_on_signals` finishes its step, writes a checkpoint, gives up
  its claim and returns ``interrupted`` when it gets SIGTERM or SIGUSR1. Started again, by a requeue
  or by the same command, the run goes on and its result is the same to the last bit.
- A process that is killed leaves its claim behind. On the same machine the next ``execute`` sees at
  once that its owner is gone; elsewhere it takes :data:`ltbench.results.claim.STALE_S` seconds of
  watching, which :class:`ltbench.executors.waiting.Waiting` does for all executors.
- A run that kills its process twice has failed: :func:`ltbench.executors.burial.bury` says so in
  its folder.
- ``job.timeout`` is kept by ``execute`` between steps. A process that hangs is the executor's to
  end, :data:`GRACE_S` seconds later.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ltbench.errors import Stopped as Stopped  # noqa: PLC0414 - executors raise it
from ltbench.executors.slots import Slots
from ltbench.plugins import hparams as parameters
from ltbench.training.job import Job

Observe = Callable[[Job, Mapping[str, Any]], None]
"""Takes a job and what happened to it: ``{"event": "started"|"step"|"evaluated"|"finished", …}``.

Every job has one ``started`` at most, and then one ``finished``, which carries the content of
``result.json`` or ``error.json``, or ``{"status": "interrupted"}``, as ``result``.
"""

GRACE_S = 60.0
"""Seconds that a run has, after its timeout, for an evaluation and a checkpoint."""


class Executor:
    """Carries out jobs and reports what happens to them.

    Args:
        slots: how runs share this machine.
        hparams: the executor's settings, typed as ``name[key=value,…]``.

    Attributes:
        say: tells the user a sentence, for example that another command works on a run.
    """

    HParams: ClassVar[type[parameters.HParams]] = parameters.HParams

    def __init__(self, slots: Slots, hparams: parameters.HParams) -> None:
        self.slots, self.hparams = slots, hparams
        self.say: Callable[[str], None] = _to_stderr

    @classmethod
    def choose_device(cls, asked: str, hparams: parameters.HParams) -> str:
        """Return the device that runs compute on: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

        An executor that computes elsewhere answers for the machines it reaches.

        Args:
            asked: what the user typed after ``--device``; ``auto`` where nothing.
            hparams: the executor's settings.

        Raises:
            UsageError: it is not a device, or there is none such.
        """
        from ltbench.executors.machine import choose_device

        return choose_device(asked)

    def run(self, jobs: Sequence[Job], observe: Observe) -> None:
        """Carry out the jobs, the costliest first, and return when none is left.

        A job that fails is recorded in its folder and stops no other. One that another command
        works on is waited for, and carried out if that command gives it up.

        Args:
            jobs: runs that were not done when the sweep began.
            observe: told of everything that happens to a job, in the process that calls this.

        Raises:
            Stopped: the user stopped the sweep.
        """
        raise NotImplementedError


def _to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
