"""A process that says nothing: it may compute, wait for something for ever, or be stopped."""

from __future__ import annotations

import contextlib
import time

import psutil

SILENT_S = 50.0
"""Seconds of silence after which the user is told."""
STILL_S = 30.0
"""Seconds for which a process may be stopped, by SIGSTOP for one, before it counts as lost."""
_LOOK_S = 1.0
_COMPUTES = 0.05  # of the processor's time; what waits uses less

_STATES = {
    psutil.STATUS_RUNNING: "it computes",
    psutil.STATUS_SLEEPING: "it sleeps or waits",
    psutil.STATUS_DISK_SLEEP: "it waits for a disk or a device",
    psutil.STATUS_STOPPED: "it is stopped",
    psutil.STATUS_TRACING_STOP: "it is stopped by a debugger",
}


class Silence:
    """How long a process has said nothing, and what it does meanwhile.

    Time counts only while somebody looks: after the command itself was stopped, or the machine was
    asleep, it begins anew.

    Args:
        pid: the process.

    Attributes:
        leaving: whether it was asked to stop, so that it must not be silent for long.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.leaving = pid, False
        self._looked = time.monotonic()
        self._silent = self._still = self._idle = self._used = 0.0
        self._said = False

    def end(self) -> None:
        """Take note that it said something."""
        self._silent, self._idle, self._said = 0.0, 0.0, False

    def stands_still(self) -> str:
        """Look at the process, and return why it is to count as lost, if it is."""
        now = time.monotonic()
        passed = now - self._looked
        if passed < _LOOK_S:
            return ""
        self._looked = now
        if passed > 10 * _LOOK_S:
            self._silent = self._still = self._idle = 0.0
            return ""
        self._silent += passed
        self._idle = 0.0 if self._computes() else self._idle + passed
        stopped = self._status() == psutil.STATUS_STOPPED  # not by a debugger
        self._still = self._still + passed if stopped else 0.0
        if self._still > STILL_S:
            return f"process {self.pid} was stopped and did not go on for {STILL_S:g} s"
        if self.leaving and self._idle > SILENT_S:
            return f"process {self.pid} was told to stop and did nothing for {SILENT_S:g} s"
        return ""

    def told(self) -> str | None:
        """Return a sentence on a silence that has become long, once."""
        if self._said or self._silent < SILENT_S:
            return None
        self._said = True
        what = _STATES.get(self._status(), "it cannot be seen")
        return f"no sign of progress for {SILENT_S:g} s from process {self.pid}: {what}"

    def _computes(self) -> bool:
        """Return whether it has used the processor since it was looked at last."""
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(self.pid).cpu_times()
            before, self._used = self._used, times.user + times.system
            return self._used > before + _COMPUTES * _LOOK_S
        return False

    def _status(self) -> str:
        try:
            return str(psutil.Process(self.pid).status())
        except psutil.Error:
            return ""
