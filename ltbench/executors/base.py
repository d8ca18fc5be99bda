"""The contract of an executor plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ltbench.plugins import hparams as parameters
from ltbench.training.job import Job

Observe = Callable[[Job, Mapping[str, Any]], None]
"""Takes a job and what happened to it: ``{"event": "started"|"step"|"evaluated"|"finished", …}``.

The event ``finished`` carries the content of ``result.json`` or ``error.json`` as ``result``.
"""


class Stopped(Exception):
    """The sweep was stopped by the user; what was begun can be resumed."""


@dataclass(frozen=True)
class Slots:
    """How runs share this machine.

    Attributes:
        devices: one entry per run that may be in progress at a time, for example two times
            ``cpu``, or ``cuda:0`` and ``cuda:1``.
    """

    devices: tuple[str, ...]


class Executor:
    """Carries out jobs and reports what happens to them.

    Args:
        slots: how runs share this machine.
        hparams: the executor's settings, typed as ``name[key=value,…]``.
    """

    HParams: ClassVar[type[parameters.HParams]] = parameters.HParams

    def __init__(self, slots: Slots, hparams: parameters.HParams) -> None:
        self.slots, self.hparams = slots, hparams

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
        """Carry out the jobs; a job that fails is recorded in its folder and stops no other.

        Raises:
            Stopped: the user stopped the sweep.
        """
        raise NotImplementedError
