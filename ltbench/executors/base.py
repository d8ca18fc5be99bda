"""The contract of an executor plugin.

An executor has each job carried out by a call of :func:`ltbench.training.run.execute` in some
process, on whichever machine. That call does all that concerns one run: it claims the run, resumes
it, trains, tests, and records a failure. What is common to all executors is done by
:class:`ltbench.executors.dispatcher.Dispatcher`: the order of the jobs, those that other commands
have, further attempts, interrupts. The executor is left with where a job runs:

- ``execute(job, report, should_stop)`` needs the run's folder and the data under the paths that
  ``job`` names. Without a shared file system the executor sends the folder there (a checkpoint may
  lie in it) and brings it home, holding a claim on it meanwhile
  (:func:`ltbench.results.claim.acquire`).
- ``should_stop`` is where :meth:`Executor.stop` and a cluster's warning arrive: a process that
  calls :func:`ltbench.executors.signals.stop_on_signals` finishes its step, writes a checkpoint,
  gives up its claim and returns ``interrupted`` when it gets SIGTERM or SIGUSR1. Started again, by
  a requeue or by the same command, the run goes on and its result is the same to the last bit.
- A process that is killed leaves its claim behind. On the same machine the next ``execute`` sees at
  once that its owner is gone; elsewhere it takes :data:`ltbench.results.claim.STALE_S` seconds of
  watching, which the dispatcher does before it submits the job again.
- ``execute`` leaves in its process whatever a plugin changes there: patched functions, hooks, the
  environment. Carry out each run in a process of its own, or start a new one where that matters
  (:mod:`ltbench.executors.process_state`), and always after a result with ``device_lost``.
- ``job.timeout`` is kept by ``execute`` between steps. A process that hangs is the executor's to
  end, :data:`GRACE_S` seconds later.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

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

ATTEMPTS = 2
"""How often a run is tried whose process is lost, unless the executor knows better."""


class Executor:
    """Carries out jobs and says what happens to them.

    Subclasses implement :meth:`capacity`, :meth:`submit`, :meth:`poll`, :meth:`stop` and
    :meth:`close`, which are all called in the process of the command. Or they override :meth:`run`
    and do everything themselves.

    Args:
        slots: how runs share this machine; ``slots.devices`` has an entry for each at a time.
        hparams: the executor's settings, typed as ``name[key=value,…]``.

    Attributes:
        say: tells the user a sentence, for example that a run is tried once more.
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

    @classmethod
    def computes_here(cls, hparams: parameters.HParams) -> bool:
        """Return whether runs compute on this machine, so that its speed can be measured for them.

        Executors that choose the device themselves compute elsewhere, unless they say otherwise.

        Args:
            hparams: the executor's settings.
        """
        return next(k for k in cls.__mro__ if "choose_device" in vars(k)) is Executor

    def open(self, jobs: Sequence[Job]) -> Iterable[Job]:
        """Get ready for a sweep, and return those of its jobs that are in progress already.

        Only an executor whose jobs outlive the command has any to return.

        Args:
            jobs: all that are to be done, the costliest first; never none.

        Raises:
            UsageError: what is to carry them out cannot be reached.
        """
        return ()

    def capacity(self) -> int:
        """Return how many more jobs can be submitted now."""
        raise NotImplementedError

    def submit(self, jobs: Sequence[Job]) -> None:
        """Have jobs carried out: at least one, :meth:`capacity` at most, the costliest first.

        Interrupts are held back meanwhile, also from processes that are started here; in those
        :func:`ltbench.executors.signals.stop_on_signals` lets them through again.
        """
        raise NotImplementedError

    def poll(self, seconds: float) -> Iterable[tuple[Job, Mapping[str, Any]]]:
        """Return what has happened to jobs since the last call, in its order.

        Events are those that ``execute`` reports (an executor passes on also those that it does not
        know: a ``notice`` is for the user, ``alive`` says that a run is at work), then one of
        these, and the job is no longer in progress:

        - ``{"event": "finished", "result": …}``: what ``execute`` returned, whatever it was.
        - ``{"event": "lost", "what": "its worker died", "cause": "signal 9"}``: there will be no
          result. The job is submitted once more, after ``"attempts": n`` (default 2) times of the
          same ``what`` it has failed, with both and with the sentence ``"advice"``, if any, as the
          error.

        Args:
            seconds: how long to wait, at most, for something to happen.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Ask the jobs in progress to write checkpoints and return ``interrupted``.

        Nothing is submitted after that; :meth:`poll` goes on until none is in progress.
        """

    def close(self) -> None:
        """End at once whatever is in progress, and wait for nothing else; the sweep is over.

        It is called once, also if :meth:`open` failed.
        """

    def run(self, jobs: Sequence[Job], observe: Observe) -> None:
        """Carry out the jobs, the costliest first, and return when none is left.

        A job that fails is recorded in its folder and stops no other. One that another command
        works on is waited for, and carried out if that command gives it up. The first interrupt
        (Ctrl-C or SIGTERM) has the jobs in progress write checkpoints, the second ends them.

        Args:
            jobs: runs that were not done when the sweep began.
            observe: told of everything that happens to a job, in the process that calls this.

        Raises:
            Stopped: the user interrupted the sweep.
        """
        from ltbench.executors.dispatcher import Dispatcher

        Dispatcher(self, jobs, observe).run()


def _to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
