"""How runs share a machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slots:
    """How runs share this machine.

    Attributes:
        devices: one entry per run that may be in progress at a time, for example two times
            ``cpu``, or ``cuda:0`` and ``cuda:1``.
    """

    devices: tuple[str, ...]
