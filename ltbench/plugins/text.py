"""Which characters a text option may hold: those that people can see.

What is typed, or stands in a sweep file that was passed on, reaches job scripts, terminals, tables
and names of files. A line break in it would begin a line of its own there, and an escape character
would command the terminal, so both are refused where options are read, by their code.
"""

from __future__ import annotations

import re
import unicodedata

from ltbench.errors import UsageError

_JOINERS = "\u200c\u200d"  # Persian and Indic names, and emoji of several parts, need them
_REFUSED = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format, surrogate, line, paragraph
_SEPARATED = re.compile(r"\s*([,+=\[\]])\s*")


def check_printable(text: str, where: str) -> None:
    """Check that a text holds no control character, line break or invisible mark.

    Spaces of any width are no such thing, and neither are the joiners that scripts need, or letters
    that this Python does not know yet.

    Args:
        text: the value of an option.
        where: what the message of an error begins with.

    Raises:
        UsageError: it holds one; the message gives its code.
    """
    if text.isprintable():
        return
    for character in text:
        if unicodedata.category(character) in _REFUSED and character not in _JOINERS:
            raise UsageError(
                f"{where} holds the unprintable character U+{ord(character):04X}: leave it out"
            )


def check_typed(text: str, where: str) -> None:
    """Check the same of a word as typed, in which lists of names may go over several lines.

    White space around ``,``, ``+``, ``=`` and brackets means nothing there. Bytes that are no text
    in this locale pass too: there may be a folder of that name.

    Raises:
        UsageError: as :func:`check_printable`.
    """
    if text.isprintable():
        return
    kept = _SEPARATED.sub(r"\1", text.strip())
    check_printable(re.sub("[\udc80-\udcff]", "?", kept), where)


def visible(text: str, longest: int = 100) -> str:
    """Return a text for a message: unprintable characters as ``?``, the end of a long one cut."""
    shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(c if c.isprintable() else "?" for c in shown)
