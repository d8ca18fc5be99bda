"""Text on its way to a terminal: names, paths and errors of others are letters there, no commands.

A terminal takes some characters for orders: escape sequences, carriage returns, marks that turn the
direction of writing. Who names a folder could rewrite with them what is on the screen. All output
of the command line passes through :class:`PrintableStream`; what ltbench itself wants shown bold or
in colour is marked by :func:`styled`, with a key that no file can know.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import select
import sys
from typing import Any, TextIO

_ORDERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_OWN = f"\ue0a1{secrets.token_hex(8)}"
_OWN_SEQUENCE = re.compile(f"{_OWN}(\\[[0-9;]*m)")


def printable(text: str) -> str:
    """Return ``text`` with a question mark for every character that a terminal might obey.

    Line feeds and tabs stay, and of ``\\r\\n`` the line feed.
    """
    if _ORDERS.search(text) is None:
        return text
    return _ORDERS.sub("?", text.replace("\r\n", "\n"))


def json_text(document: Any, **options: Any) -> str:
    """Return JSON whose letters can be read, and in which those of :func:`printable` are escaped.

    Args:
        document: what :func:`json.dumps` takes.
        options: of that function.
    """
    text = json.dumps(document, ensure_ascii=False, **options)
    return _ORDERS.sub(lambda found: json.dumps(found[0])[1:-1], text)


def wants_color() -> bool | None:
    """Return ``False`` where the user wants no escape sequences, else ``None``: click decides.

    See https://no-color.org; a terminal of the kind ``dumb`` has none.
    """
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def shows_escapes(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that may be sent escape sequences."""
    return wants_color() is None and stream.isatty()


def styled(text: str, **style: Any) -> str:
    """Return a text for :func:`click.echo` in the style that :func:`click.style` knows."""
    import click

    sequence = click.style(printable(text), **style)
    guarded = isinstance(sys.stdout, PrintableStream)
    return sequence.replace("\x1b", _OWN) if guarded else sequence


class PrintableStream:
    """A text stream through which nothing passes that a terminal would obey, but ltbench's own.

    Attributes:
        inner: the stream that it writes to.
    """

    def __init__(self, inner: TextIO, *, returns: bool = False) -> None:
        """Wrap a stream.

        Args:
            inner: to be written to.
            returns: let a carriage return pass at the beginning of a line, or of one that began so:
                bars of downloads, of other libraries too, draw a line again and again.
        """
        self.inner = inner
        self._returns = returns
        self._may_return = True

    def write(self, text: str) -> int:
        """Write a text, and return its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")
        again = self._returns and self._may_return and text.startswith("\r")
        rest = text[1:] if again else text
        own = "\x1b\\1" if shows_escapes(self.inner) else ""
        self.inner.write(("\r" if again else "") + _OWN_SEQUENCE.sub(own, printable(rest)))
        if "\n" in rest:
            self._may_return = rest.endswith("\n")
        elif rest:
            self._may_return = again
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def guard_streams() -> None:
    """Let what is printed from here on pass through :class:`PrintableStream`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, PrintableStream):
            setattr(sys, name, PrintableStream(stream, returns=name == "stderr"))


def inner_stream(stream: TextIO) -> TextIO:
    """Return what a stream writes to, for who knows what he sends there."""
    return stream.inner if isinstance(stream, PrintableStream) else stream


def is_closed(stream: TextIO) -> bool:
    """Return whether nobody reads what is written to a stream any more."""
    inner = inner_stream(stream)
    if not isinstance(inner, io.TextIOWrapper) or not hasattr(select, "poll"):  # on Windows
        return False
    poll = select.poll()
    poll.register(inner.fileno(), select.POLLOUT)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))
