"""Lists in two columns that fit the terminal: what is long goes on below itself."""

from __future__ import annotations

import shutil
import textwrap

_NARROWEST = 30  # of the second column; a narrower terminal breaks the lines itself
_WIDTH = 80  # where there is no terminal


def beside(start: str, text: str, *, last: str = "") -> str:
    """Return a text behind the start of its line, with further lines below the text's own.

    Args:
        start: the first column, padded.
        text: the second column.
        last: what closes the text and stays in one piece.
    """
    room = max(_NARROWEST, shutil.get_terminal_size((_WIDTH, 24)).columns - len(start))
    whole = f"{text} {last.replace(' ', chr(0xA0))}" if last else text
    lines = textwrap.wrap(whole, room, break_on_hyphens=False) or [""]
    joined = f"\n{' ' * len(start)}".join(lines)
    return (start + joined.replace(chr(0xA0), " ")).rstrip()
