"""The connection between the command and a worker, on which neither waits for half a message."""

from __future__ import annotations

import os
import pickle
import select
import socket
import struct
from typing import Any

_HEAD = struct.Struct("!Q")
_LARGEST = 1 << 30
_AT_ONCE = 1 << 16


class Channel:
    """One end of the connection; messages are whatever can be pickled.

    A worker that dies in the middle of a message leaves its half. The other end stays open for as
    long as a process that the worker forked lives, so that to wait for the rest may take for ever.

    Args:
        end: of a pair of sockets.

    Attributes:
        closed: whether nothing can arrive any more.
    """

    def __init__(self, end: socket.socket) -> None:
        self.end, self.closed = end, False
        self._file = _identity(end.fileno())
        self._arrived = bytearray()

    def fileno(self) -> int:
        """Return the number of the descriptor, to wait on."""
        return self.end.fileno()

    def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            OSError: the other end is closed, or this one is: its number may be another file's now.
        """
        content = pickle.dumps(message)
        if _identity(self.end.fileno()) != self._file:
            raise OSError("something closed the connection to the command")
        self.end.sendall(_HEAD.pack(len(content)) + content)

    def receive(self) -> Any:
        """Return the next message, however long it takes.

        Raises:
            EOFError: the other end is closed.
            OSError: this end is.
        """
        while True:
            if found := self._messages(1):
                return found[0]
            if self.closed:
                raise EOFError
            self._read()

    def has_arrived(self, seconds: float) -> bool:
        """Wait so long, and return whether there is something to receive, or the end.

        Raises:
            OSError: this end is closed.
        """
        return bool(self._arrived) or bool(select.select([self.end], [], [], seconds)[0])

    def arrived(self) -> list[Any]:
        """Return the messages that are here whole."""
        while not self.closed and select.select([self.end], [], [], 0)[0]:
            self._read()
        return self._messages()

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self.end.close()

    def _read(self) -> None:
        try:
            content = self.end.recv(_AT_ONCE)
        except ConnectionError:
            content = b""
        self._arrived += content
        self.closed = self.closed or not content

    def _messages(self, most: int = 1 << 30) -> list[Any]:
        """Take the whole messages out of what has arrived; nonsense closes the channel."""
        found: list[Any] = []
        while len(found) < most and len(self._arrived) >= _HEAD.size:
            (size,) = _HEAD.unpack_from(self._arrived)
            if size > _LARGEST:
                self.closed = True
                break
            if len(self._arrived) < _HEAD.size + size:
                break
            content = bytes(self._arrived[_HEAD.size : _HEAD.size + size])
            del self._arrived[: _HEAD.size + size]
            found.append(pickle.loads(content))
        return found


def pair() -> tuple[Channel, socket.socket]:
    """Return this process's end, and the other, which can be passed to a process that starts."""
    ours, theirs = socket.socketpair()
    return Channel(ours), theirs


def _identity(number: int) -> tuple[int, int]:
    state = os.fstat(number)
    return state.st_dev, state.st_ino
