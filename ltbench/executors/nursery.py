"""Worker processes that share their start: one process imports, and the workers fork off it.

A worker is as much its own as one that was started from scratch: what is forked has imported
modules and done nothing with them, it holds no thread, no device and no random state that counts.
What it imports takes three seconds of processor time, which every further worker is spared.

Workers on GPUs are started from scratch, as PyTorch may ask the driver for devices when it is
imported, and a driver that was asked answers no process that is forked after. So are all workers
where processes cannot be watched by a descriptor, as on macOS.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import multiprocessing
import os
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import uuid
from multiprocessing import resource_tracker, util
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

from ltbench.executors.leftovers import bear_mark, marked
from ltbench.executors.signals import INTERRUPTS, STOPPING, held_back

SHARED = (
    "torch", "torch._dynamo", "ltbench.printable", "ltbench.executors.process_state",
    "ltbench.training.run", "ltbench.executors.work",
)  # fmt: skip
"""What every worker imports; not plugins, which may do anything when they are imported."""
_PID, _CODE = struct.Struct("!q"), struct.Struct("!q")
_MARK_BYTES = 32


class Child:
    """A process that the nursery forked.

    Args:
        status: brings its number, and at its end its exit code.
    """

    def __init__(self, status: int) -> None:
        self.sentinel, self._pid = status, 0
        self._code: int | None = None
        os.set_blocking(status, False)

    @property
    def pid(self) -> int | None:
        """Its number, ``None`` until it is forked."""
        self.is_alive()
        return self._pid or None

    @property
    def exitcode(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it is alive."""
        self.is_alive()
        return self._code

    def is_alive(self) -> bool:
        """Return whether it has not ended."""
        while self._code is None and select.select([self.sentinel], [], [], 0)[0]:
            self._read()
        return self._code is None

    def terminate(self) -> None:
        """Ask it to stop."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def close(self) -> None:
        """Give up the descriptor."""
        os.close(self.sentinel)

    def _read(self) -> None:
        try:
            content = os.read(self.sentinel, _PID.size)
        except BlockingIOError:
            return
        if len(content) < _PID.size:  # whoever would tell of its end is gone, so it goes as well
            if self._pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)
            self._code = -signal.SIGKILL
        elif not self._pid:
            (self._pid,) = _PID.unpack(content)
        else:
            (self._code,) = _CODE.unpack(content)

    def _send(self, number: signal.Signals) -> None:
        while not self._pid and self._code is None:  # it is about to be forked
            select.select([self.sentinel], [], [])
            self._read()
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)


Process = BaseProcess | Child
"""The process of a worker, however it was started."""


class Nursery:
    """The process that workers are forked from, as the command sees it."""

    def __init__(self) -> None:
        self._end, theirs = socket.socketpair()
        context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()  # which lets interrupts through when it starts
        with held_back(), marked():
            self._process = context.Process(target=_nurse, args=(theirs,), daemon=True)
            self._process.start()
        theirs.close()
        self.made_in = _surroundings()
        atexit.register(self.close)  # before Python waits for processes

    def fork(self, end: socket.socket) -> tuple[Child, str]:
        """Have a worker forked, and return it with the mark that its descendants are known by.

        Args:
            end: its connection to the command.

        Raises:
            OSError: the nursery is gone.
        """
        (reader, writer), mark = os.pipe(), uuid.uuid4().hex
        try:
            socket.send_fds(self._end, [mark.encode()], [end.fileno(), writer])
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        return Child(reader), mark

    @property
    def alive(self) -> bool:
        """Whether it can fork."""
        return self._process.is_alive()

    def close(self) -> None:
        """End it; its workers stop at their next step, at a checkpoint."""
        atexit.unregister(self.close)
        self._end.close()
        self._process.kill()
        self._process.join()


_early: list[Nursery] = []


def start_early() -> None:
    """Start a nursery that :func:`ready_nursery` returns later, so that it imports meanwhile."""
    if is_possible("cpu") and not _has_gpu():
        _early.append(Nursery())


def ready_nursery() -> Nursery:
    """Return the nursery that was started early, unless the environment is another now."""
    while _early:
        nursery = _early.pop()
        if nursery.alive and nursery.made_in == _surroundings():
            return nursery
        nursery.close()
    return Nursery()


def is_possible(device: str) -> bool:
    """Return whether workers on a device can share their start on this machine."""
    linux = sys.platform == "linux" and hasattr(os, "pidfd_open")
    return device == "cpu" and linux and _watches()


def _surroundings() -> tuple[dict[str, str], str]:
    """Return what a process takes over from the one that starts it."""
    return dict(os.environ), os.getcwd()


def _has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


def _watches() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # the kernel knows of no such descriptor
        return False
    return True


def _nurse(end: socket.socket) -> NoReturn:
    """Fork workers until the command is gone."""
    # They are the command's and the workers', who inherit that they are held back until each has a
    # handler: none is lost in between.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*INTERRUPTS, *STOPPING})
    for name in SHARED:
        importlib.import_module(name)
    forked: dict[int, tuple[int, int]] = {}  # by descriptors that tell an end: number and status
    while True:
        watching: list[Any] = [end, *forked]
        ready = select.select(watching, [], [])[0]
        for watched in [one for one in ready if isinstance(one, int)]:
            pid, status = forked.pop(watched)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with contextlib.suppress(OSError):
                os.write(status, _CODE.pack(code))
            os.close(status)
            os.close(watched)
        if end in ready:
            mark, fds, _, _ = socket.recv_fds(end, _MARK_BYTES, 2)
            if not mark:
                os._exit(0)
            theirs, status = fds
            if (pid := os.fork()) == 0:
                end.close()
                for watched, (_, other) in forked.items():
                    os.close(watched)
                    os.close(other)
                os.close(status)
                _be_worker(socket.socket(fileno=theirs), mark.decode())
            os.close(theirs)
            with contextlib.suppress(OSError):
                os.write(status, _PID.pack(pid))
            forked[os.pidfd_open(pid)] = pid, status


def _be_worker(end: socket.socket, mark: str) -> NoReturn:
    """Do a worker's work in a process that was just forked, and end it as Python would."""
    from ltbench.executors.work import work

    code = 1
    try:
        bear_mark(mark)
        work(end, os.getppid())
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            util._exit_function()  # type: ignore[attr-defined]
            threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as at any end
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)
