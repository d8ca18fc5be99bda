"""A worker as the command sees it: a process on this machine that does one run after another."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from socket import socket
from typing import Any

from ltbench.executors.base import GRACE_S
from ltbench.executors.channel import pair
from ltbench.executors.leftovers import kill_marked
from ltbench.executors.nursery import Process
from ltbench.executors.silence import Silence
from ltbench.executors.work import DEAF
from ltbench.training.job import Job

END_S = 5.0
"""Seconds that a process has to end by itself, and that one that was killed has to be gone."""


class Worker:
    """The process, as the command sees it.

    Args:
        start: starts it with its end of the connection, and returns it with the mark that its
            descendants are known by.
        device: what it computes on.

    Attributes:
        channel: becomes readable when the worker has something to say.
        job: the run in progress.
        kill_at: when the worker counts as hung, by ``time.monotonic``.
        spent: whether it takes no further job.
    """

    def __init__(self, start: Callable[[socket], tuple[Process, str]], device: str) -> None:
        self.device = device
        self.job: Job | None = None
        self.kill_at = self.gone_by = math.inf
        self.spent = False
        self.channel, theirs = pair()
        self.process, self.mark = start(theirs)
        theirs.close()
        self._verdict: Mapping[str, Any] | None = None  # why it was killed

    @cached_property
    def silence(self) -> Silence:
        """How long it has said nothing, once it is there."""
        return Silence(self.process.pid or 0)

    def give(self, job: Job) -> None:
        """Send it a job."""
        self.job = replace(job, device=self.device)
        self._begin_countdown(self.job)
        with contextlib.suppress(OSError):  # it died just now, which its process tells as well
            self.channel.send(self.job)

    def news(self) -> Iterator[Mapping[str, Any]]:
        """Yield the events of its job that have arrived, and forget the job with the last."""
        alive = self.process.is_alive()  # asked first: what it said at last has then arrived
        for event in self._arrived():
            assert self.job is not None
            self.silence.end()
            if event["event"] == "started":
                self._begin_countdown(self.job)
            elif event["event"] == "finished":
                self.spent = "changed" in event
                self.job = None
            if event["event"] != "alive":
                yield event
            if self.job is None:
                return
        if self.job is not None and (not alive or self.channel.closed or self._is_beyond_killing()):
            event = self._death(self.job)
            self.job, self.spent = None, True
            yield event

    def watch(self) -> str | None:
        """Kill the process if its run hangs, and return a sentence if it has been silent for long.

        Only what is stopped, or long over its time, is killed: a silent process may be computing.
        """
        if self.job is None or self._verdict is not None or self.process.pid is None:
            return None
        if time.monotonic() > self.kill_at:
            # What hangs would hang again.
            what = f"hung: it had not stopped long after its --timeout of {self.job.timeout:g} s"
            self._kill({"event": "lost", "what": what, "attempts": 1})
        elif standing := self.silence.stands_still():
            self._kill({"event": "lost", "what": "its worker stood still", "cause": standing})
        return self.silence.told()

    def stop(self) -> None:
        """Ask the process to write a checkpoint and end, and kill it where it stays silent."""
        self.process.terminate()
        self.silence.end()
        self.silence.leaving = True

    def dismiss(self) -> None:
        """Have the process end, at once if it has a job."""
        self.channel.close()
        if self.job is not None:
            self.process.kill()

    def end(self, by: float) -> bool:
        """Wait until the process is gone, with all that it left behind; return whether it is.

        Args:
            by: when, by ``time.monotonic``, it is killed.
        """
        self.channel.close()
        if not (gone := self._is_gone(by)):
            self.process.kill()
            gone = self._is_gone(time.monotonic() + END_S)
        kill_marked(self.mark)
        if gone:
            self.process.close()
        return gone

    def _arrived(self) -> list[Mapping[str, Any]]:
        try:
            return self.channel.arrived()
        except Exception:  # something else wrote into the connection
            self.channel.close()
            return []

    def _is_gone(self, by: float) -> bool:
        """Wait until the process is gone and return whether it is.

        Not by ``join``, which waits for all that hold what the process inherited: what it forked.
        """
        while self.process.is_alive():
            if time.monotonic() > by:
                return False
            time.sleep(0.01)
        return True

    def _begin_countdown(self, job: Job) -> None:
        timeout = math.inf if job.timeout is None else job.timeout
        self.kill_at = time.monotonic() + timeout + GRACE_S

    def _kill(self, verdict: Mapping[str, Any]) -> None:
        self._verdict, self.gone_by = verdict, time.monotonic() + END_S
        self.process.kill()

    def _is_beyond_killing(self) -> bool:
        """Return whether it was killed and waits for a disk or a device for ever."""
        return time.monotonic() > self.gone_by

    def _death(self, job: Job) -> Mapping[str, Any]:
        """Say of what it died."""
        if self._verdict is not None:
            return self._verdict
        if not self._is_gone(time.monotonic() + 1.0):
            self.process.kill()
            self._is_gone(time.monotonic() + END_S)
            return {"event": "lost", "what": "its worker closed its connection to the command"}
        code = self.process.exitcode or 0
        if code == DEAF:
            return {"event": "lost", "what": "its worker closed its connection to the command"}
        return {"event": "lost", "what": "its worker died", **_cause(code)}


def _cause(code: int) -> dict[str, str]:
    """Return what an exit code tells: nothing of memory, unless it was killed."""
    if code >= 0:
        return {"cause": f"exit code {code}", "advice": "something in it ended its process"}
    if -code == signal.SIGKILL:
        advice = "if nobody killed it, the system did, most likely as memory ran out"
        return {"cause": f"signal {-code}", "advice": advice}
    with contextlib.suppress(ValueError):
        if words := signal.strsignal(-code):
            return {"cause": f"signal {-code}, {words.lower()}"}
    return {"cause": f"signal {-code}"}
