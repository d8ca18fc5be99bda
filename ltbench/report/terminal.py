"""Tables and prose laid out for a terminal of any width."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from ltbench.report.short_names import start_of, text_width

WIDTH = 118
"""Columns of text where there is no terminal to ask; prose is nowhere wider."""
_LEAST_WIDTH = 40
_GAP = 2
# Names are folded down to so many letters before a column is left out for them.
_NARROWEST_NAME = 14
_NARROWEST = 4
_FOLDS = re.compile(r"(?<=[ ,/])|(?=[\[+])")


def terminal_width() -> int:
    """Return the width of the terminal, or of ``COLUMNS``; 118 where output is no terminal."""
    return max(_LEAST_WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)


def table(
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    *,
    width: int | None = None,
    align: str = "",
    priority: Sequence[int] | None = None,
    elsewhere: str = "a wider terminal shows them",
) -> str:
    """Return aligned text whose lines are no longer than the terminal is wide.

    Where a table is too wide, its left-aligned columns are folded first (behind spaces, commas
    and slashes, before brackets and plus signs); then whole columns are left out, and a line below
    names them.

    Args:
        head: what stands above each column; a line feed begins a second line.
        body: rows of as many texts.
        width: of the longest line; by default :func:`terminal_width`.
        align: one letter a column, ``l`` or ``r``; by default the first column is left-aligned
            and all others are right-aligned.
        priority: one number a column. Of the columns that do not fit those with the highest number
            go first, of equal ones the rightmost; 0 stays always. By default they go from the
            right and the first one stays.
        elsewhere: ends the sentence below a table that lacks columns.
    """
    width = terminal_width() if width is None else width
    align = align or "l" + "r" * (len(head) - 1)
    priority = range(len(head)) if priority is None else priority
    natural = [max(map(_longest, column)) for column in zip(head, *body, strict=True)]
    least = [
        min(size, max(_NARROWEST_NAME, _longest(name))) if side == "l" else size
        for size, side, name in zip(natural, align, head, strict=True)
    ]
    kept = list(range(len(head)))
    while _total(least, kept) > width:
        last = max(kept, key=lambda i: (priority[i], i))
        if priority[last] == 0:
            least = [min(size, _NARROWEST) for size in natural]
            break
        kept.remove(last)
    sizes = _shrunk(natural, least, kept, width)
    rows = [[_folded(row[i], sizes[i]) for i in kept] for row in (head, *body)]
    rule = ["-" * max(map(_longest, column)) for column in zip(*rows, strict=True)]
    text = _aligned([rows[0], rule, *rows[1:]], [align[i] for i in kept])
    missing = [head[i].replace("\n", " ") for i in range(len(head)) if i not in kept]
    if not missing:
        return text
    names = ", ".join(missing)
    return f"{text}\n{wrapped(f'and {names}: {elsewhere}', width)}"


def wrapped(text: str, width: int | None = None) -> str:
    """Return prose in lines that fit; all but the first are indented."""
    width = min(WIDTH, terminal_width() if width is None else width)
    if text_width(text) > len(text):
        return _wrapped_wide(text, width)
    return textwrap.fill(text, width, subsequent_indent="  ", break_on_hyphens=False)


def _wrapped_wide(text: str, width: int) -> str:
    """Do the same where letters take two cells, which :mod:`textwrap` does not know."""
    lines = [""]
    for word in text.split():
        if text_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}" if lines[-1].strip() else word
            continue
        lines += ["  "] if lines[-1] else []
        rest = word
        while text_width(lines[-1] + rest) > width:
            begun = start_of(rest, width - text_width(lines[-1]))
            lines[-1] += begun
            lines.append("  ")
            rest = rest[len(begun) :]
        lines[-1] += rest
    return "\n".join(lines)


def underlined(title: str, width: int | None = None) -> str:
    """Return a heading."""
    title = wrapped(title, width)
    return f"{title}\n{'=' * _longest(title)}"


def bullets(notes: Sequence[str], width: int | None = None) -> str:
    """Return sentences as a list."""
    return "\n".join(wrapped(f"- {note}", width) for note in notes)


def _aligned(rows: Sequence[Sequence[str]], sides: Sequence[str]) -> str:
    """Return cells of one or more lines below each other, in columns."""
    sizes = [max(map(_longest, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        for cells in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
            padded = map(_padded, cells, sizes, sides)
            lines.append((" " * _GAP).join(padded).rstrip())
    return "\n".join(lines)


def _padded(text: str, size: int, side: str) -> str:
    space = " " * (size - text_width(text))
    return text + space if side == "l" else space + text


def _longest(text: str) -> int:
    return max(map(text_width, text.split("\n")))


def _total(sizes: Sequence[int], kept: Sequence[int]) -> int:
    return sum(sizes[i] for i in kept) + _GAP * (len(kept) - 1)


def _shrunk(
    natural: Sequence[int], least: Sequence[int], kept: Sequence[int], width: int
) -> list[int]:
    """Return widths that fit, the widest column that can give some giving first."""
    sizes = list(natural)
    while _total(sizes, kept) > width:
        able = [i for i in kept if sizes[i] > least[i]]
        if not able:
            break
        sizes[max(able, key=lambda i: sizes[i])] -= 1
    return sizes


def _folded(text: str, size: int) -> str:
    """Return a text in lines of at most so many letters, cut where names have joints."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for piece in _FOLDS.split(paragraph):
            if text_width((line + piece).rstrip()) <= size:
                line += piece
                continue
            lines += [line] if line else []
            line = piece
            while text_width(line.rstrip()) > size:
                most = max(1, len(start_of(line, size)))
                cut = max(line.rfind(joint, 0, most) for joint in "=_") + 1 or most
                lines.append(line[:cut])
                line = line[cut:]
        lines.append(line)
    return "\n".join(line.rstrip() for line in lines)
