"""Finds every ``ltbench`` command that the documents print, and reads it as the program would."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("leaderboards/**/*.md")])
_SHELL = ("|", ">", "<", "2>", ";")
_FENCE = re.compile(r"^```[^\n]*\n.*?^```$", re.M | re.S)


@dataclass(frozen=True)
class Printed:
    """A command on a page.

    Attributes:
        line: as printed, on one line.
        whole: it stands in a code block without an ellipsis, so that a reader will type it; in
            running text a part may be all that is meant.
        refused: the page shows the error that it gives.
    """

    line: str
    whole: bool = True
    refused: bool = False


def commands(page: Path) -> list[Printed]:
    """Return the commands of a page: in code blocks, fenced or indented, and in running text."""
    text = page.read_text(encoding="utf-8")
    blocks = [
        Printed(line, "…" not in words(line, cut=False), refused)
        for line, refused in _in_blocks(text)
    ]
    return blocks + [Printed(line, False) for line in _in_prose(_FENCE.sub("", text))]


def _in_blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each command, and whether an error is printed below it."""
    joined = re.sub(r"\\\n\s*", "", text)
    fenced = {line for block in _FENCE.findall(joined) for line in block.splitlines()}
    lines = joined.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        for part in line.strip().removeprefix("$ ").split(" && "):
            found = re.fullmatch(r"(?:\w+=\S+ )*(ltbench [-\w].*)", part)
            if found and (line in fenced or line.startswith("    ")):
                yield found[1], below.strip().startswith("Error: ")


def _in_prose(text: str) -> Iterator[str]:
    for code in re.findall(r"`(ltbench [^`]+)`", text):
        yield from _alternatives(" ".join(code.split()))


def _alternatives(line: str) -> Iterator[str]:
    """Yield ``a x`` and ``a y`` for ``a x|y``."""
    found = re.search(r"(?<= )\w+(?:\|\w+)+", line)
    for word in found[0].split("|") if found else ():
        yield line.replace(found[0], word)
    if not found:
        yield line


def words(line: str, *, cut: bool = True) -> list[str]:
    """Return the arguments of a command after ``ltbench``, up to where a shell takes over.

    With ``cut``, an ellipsis or COMMAND also ends what is written out.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found = list(lexer)[1:]
    ends = [*_SHELL, *(("…", "COMMAND") if cut else ())]
    return next((found[:i] for i, word in enumerate(found) if word in ends), found)


def parse(cli: click.Group, command: Printed) -> dict[str, Any]:
    """Return the options of a command as the program reads them.

    Raises:
        click.UsageError: there is no such command, option or choice, or something is missing.
    """
    command_: click.Command = cli
    arguments, context = words(command.line), None
    try:
        while True:
            name = command_.name or "ltbench"
            context = command_.make_context(name, arguments, parent=context)
            if not isinstance(command_, click.Group):
                return dict(context.params)
            rest = [*context._protected_args, *context.args]
            if not rest:
                return dict(context.params)
            _, found, arguments = command_.resolve_command(context, rest)
            assert found is not None
            command_ = found
    except (click.MissingParameter, click.BadOptionUsage):
        if command.whole:
            raise
        return {}
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        return {}  # it prints its help, or the version


@pytest.fixture
def anything_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a path name a file that is not there."""
    monkeypatch.setattr(click.Path, "convert", lambda self, value, parameter, context: Path(value))
