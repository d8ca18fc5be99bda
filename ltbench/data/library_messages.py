"""What libraries say while an image is read becomes a line that names the file.

Pillow warns, logs, and hands files to libtiff, which writes to the standard error itself. None of
the three says which file it is about.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import _imaging

SHOWN = 20  # files that are named; a hundred thousand may have the same fault

_reading = threading.local()
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)


@contextlib.contextmanager
def about(image: Path | str) -> Iterator[dict[str, None]]:
    """Let what libraries say in this thread be about an image.

    What is given holds each message once, in order; those that are taken out are not said.
    """
    around = getattr(_reading, "messages", None)
    _reading.messages = messages = dict[str, None]()
    try:
        yield messages
    finally:
        _reading.messages = around
        if messages and _listeners:
            _listeners[-1](f"{image}: {'; '.join(messages)}")


@contextlib.contextmanager
def lines_with_names(say: Callable[[str], None]) -> Iterator[None]:
    """Have said in a line for each file what libraries say of it, in whichever thread it is read.

    Args:
        say: takes the lines, of the first files, and in the end one that counts the others.
    """
    count = 0

    def listen(line: str) -> None:
        nonlocal count
        count += 1
        if count <= SHOWN:
            say(line)

    with warnings.catch_warnings(), _logged(), _told_by_libtiff():
        warnings.filterwarnings("always", module=r"PIL\.")
        otherwise = warnings.showwarning

        def show(message: Warning | str, *more: Any, **named: Any) -> None:
            if not _keep(str(message)):
                otherwise(message, *more, **named)

        warnings.showwarning = show
        _listeners.append(listen)
        try:
            yield
        finally:
            _listeners.remove(listen)
    if count > SHOWN:
        say(f"{count - SHOWN} more images were read with messages of this kind")


_listeners: list[Callable[[str], None]] = []


def _keep(message: str) -> bool:
    """Keep a message for the file that this thread reads; return whether it reads one."""
    messages: dict[str, None] | None = getattr(_reading, "messages", None)
    if messages is None:
        return False
    messages[" ".join(message.split()).rstrip(".")] = None
    return True


def _keep_or_print(message: str) -> None:
    if not _keep(message):
        print(message, file=sys.stderr)


class _Log(logging.Handler):
    """Keeps what Pillow logs."""

    def emit(self, record: logging.LogRecord) -> None:
        _keep_or_print(record.getMessage())


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    # A logger that has a handler is not printed by Python's last resort.
    logger, handler = logging.getLogger("PIL"), _Log(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _libtiff_says(module: bytes | None, text: bytes | None, _values: int | None) -> None:
    """Take libtiff's message; the values that belong in it are not reached from here."""
    words = (text or b"").decode("utf-8", "replace")
    _keep_or_print(f"libtiff: {re.sub(r'%[-+ #0-9.]*[a-zA-Z]+', '…', words)}")


_SAYS = _HANDLER(_libtiff_says)  # kept for as long as libtiff may call it


@contextlib.contextmanager
def _told_by_libtiff() -> Iterator[None]:
    """Take libtiff's messages where Pillow's libtiff can be reached."""
    setters = []
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(_imaging.__file__)
        setters = [library.TIFFSetErrorHandler, library.TIFFSetWarningHandler]
    before = []
    for setter in setters:
        setter.restype, setter.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        before.append(setter(ctypes.cast(_SAYS, ctypes.c_void_p)))
    try:
        yield
    finally:
        for setter, handler in zip(setters, before, strict=True):
            setter(handler)
