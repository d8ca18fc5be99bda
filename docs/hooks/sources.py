"""The page of what ``ltbench reproduce`` knows, rendered from the package."""

from __future__ import annotations

import shlex
from itertools import groupby
from pathlib import Path

from ltbench.session.reproductions import Reproduction, reproductions

OUT = Path("reproduced")


def page() -> str:
    """Return the Markdown of the page."""
    parts = [
        "# Tables and figures of two sources",
        "What `ltbench reproduce` makes, each with the commands that it stands for, which can be "
        "typed by hand as well: [how to](../reproduce.md). What differs from the publication, and "
        "what else `--mini` takes, stands at the first table or figure of which it is true.",
    ]
    for source, group in groupby(reproductions(), key=lambda one: one.source):
        ones = list(group)
        title = source.title.removeprefix("the ")
        parts += [f"## {title[:1].upper()}{title[1:]}", f"{source.cite}."]
        rows = [f"| `{one.name}` | {one.summary} | {_runs(one)} |" for one in ones]
        parts.append("\n".join(["| name | what | runs | mini |", "|---|---|---:|---:|", *rows]))
        said: set[str] = set()
        for commands in dict.fromkeys(map(_commands, ones)):
            parts += _section([one for one in ones if _commands(one) == commands], said)
    return "\n\n".join(part for part in parts if part) + "\n"


def _runs(one: Reproduction) -> str:
    return " | " if one.nothing else f"{one.runs(False)} | {one.runs(True)}"


def _commands(one: Reproduction) -> str:
    lines = [one.run_words(OUT, False)] * one.trains + one.end_words(OUT, False)
    return "\n".join(f"$ ltbench {shlex.join(line)}" for line in lines)


def _section(ones: list[Reproduction], said: set[str]) -> list[str]:
    """Return the commands of one table or figure, or of several that are the same."""
    if ones[0].nothing:
        return []
    heading = "### " + ", ".join(f"`{one.name}`" for one in ones)
    whole, mini = ones[0].what_differs(False), ones[0].what_differs(True)
    lines = [*whole, *(f"Mini: {line}" for line in mini if line not in whole)]
    listed = "\n".join(f"- {line}" for line in lines if line not in said)
    said.update(lines)
    return [heading, f"```console\n{_commands(ones[0])}\n```", listed]
