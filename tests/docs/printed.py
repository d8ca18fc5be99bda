"""Finds every output of a command that the documents print, and types the command again.

A block of output is a fenced block without a language, or of ``text`` or ``console``, in which
something stands that is no command. Its commands are its own, after ``$ ``, or else those of the
block above it. The tutorials are read by ``tutorial.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from commands import PAGES, ROOT
from tutorial import TUTORIALS

_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$|((?:^    [^\n]*\n)+)", re.M | re.S)
_LANGUAGES = ("", "text", "console")
_PROGRAMS = "ltbench|pip|python|pytest|tox|nice|docker|pre-commit|conda|apt|apt-get|sudo"
_COMMAND = re.compile(rf"(?:\w+=\S+ )*(?:{_PROGRAMS}) .*")
_NUMBER = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b|(?<![\w-])[-+]?\.?\d[\d.,:]*")
_TIME = re.compile(r"… (?:s|min|h)\b")
_INTERVAL = re.compile(r" (?:±…|\(…–…\))")


@dataclass(frozen=True)
class Printed:
    """A block of output.

    Attributes:
        page: relative to the project's folder.
        lines: what was printed, without empty lines.
        typed: the commands, each on one line.
    """

    page: str
    lines: tuple[str, ...]
    typed: tuple[str, ...]

    @property
    def key(self) -> str:
        """Page, first command where one is near, and first line."""
        return ": ".join([self.page, *self.typed[:1], self.lines[0]])


def printed(page: Path) -> list[Printed]:
    """Return the blocks of output on a page, in its order."""
    found, above = [], ()
    for language, fenced, indented in _BLOCK.findall(page.read_text(encoding="utf-8")):
        typed, lines = _parted(fenced or indented)
        if fenced and language in _LANGUAGES and lines:
            found.append(Printed(str(page.relative_to(ROOT)), lines, typed or above))
        above = typed
    return found


def all_printed() -> list[Printed]:
    """Return the blocks of output on all pages but the tutorials."""
    return [one for page in PAGES if page.parent != TUTORIALS for one in printed(page)]


def _parted(block: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the commands of a block, each on one line, and what else stands in it."""
    lines = [line for line in re.sub(r" *\\\n\s*", " ", block).splitlines() if line.strip()]
    dollars = [line for line in lines if line.startswith("$ ")]
    typed = dollars or [line for line in lines if _COMMAND.fullmatch(line.strip())]
    rest = [line for line in lines if line not in typed]
    return tuple(line.strip().removeprefix("$ ") for line in typed), tuple(rest)


def without_numbers(line: str) -> str:
    """Return a line in which an ellipsis stands for every number, with its interval, and hash.

    Units of time go with their numbers, for a command that is typed in a hurry takes no minutes.
    """
    return _TIME.sub("…", _INTERVAL.sub("", _NUMBER.sub("…", line)))
