"""The tables of methods and data sets in the README, numbers of them elsewhere, and boards.

    python docs/hooks/overview.py

makes them anew of what is registered, each between ``<!-- made: PART -->`` and ``<!-- end -->``,
and prints anew what stands below ``$ ltbench leaderboard leaderboards/…``. All else is prose.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from docstrings import first_line
from reference import entries

from ltbench.data.catalogue import open_dataset
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.manager import KINDS
from ltbench.plugins.names import Name
from ltbench.plugins.registry import Entry
from ltbench.plugins.split import PARTS

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "comparison.md")
PLACE = re.compile(r"(<!-- made: ([\w-]+) -->).*?(<!-- end -->)", re.DOTALL)
BOARD = re.compile(
    r"(^```console\n\$ (ltbench leaderboard leaderboards/[^\n]*)\n).*?(^```$)", re.M | re.S
)
COLUMNS = 120
"""Characters in a line of a board."""
TYPED = {"algorithms": "`--algo NAME`", "modifiers": "`…@NAME`", "stages": "`…+NAME`"}
UNKNOWN = "yours"


def filled(page: str) -> str:
    """Return a page with every part as it is made now.

    Raises:
        KeyError: the page asks for a part that there is not.
    """
    made = parts()

    def fill(place: re.Match[str]) -> str:
        part = made[place[2]]()
        room = "\n\n" if "\n" in part else ""
        return f"{place[1]}{room}{part}{room}{place[3]}"

    return PLACE.sub(fill, page)


def parts() -> dict[str, Callable[[], str]]:
    """Return what pages can have made for them: tables, and how many there are of a kind."""
    kinds = (*TYPED, "datasets", "metrics", "figures", "backbones")
    counts = {f"number-of-{kind}": lambda kind=kind: str(len(entries(kind))) for kind in kinds}
    tables = {"methods": methods_table, "datasets": datasets_table}
    return {**tables, **counts, "number-of-kinds": lambda: str(len(KINDS))}


def with_boards(page: str, type_: Callable[[str], str]) -> str:
    """Return a page on which every board is as its command prints it now.

    Args:
        page: the text.
        type_: what a command prints.
    """
    return BOARD.sub(lambda place: f"{place[1]}{type_(place[2]).strip()}\n{place[3]}", page)


def printed(line: str) -> str:
    """Return what a command of ltbench prints, typed in the project's folder.

    Raises:
        CalledProcessError: it fails.
    """
    return subprocess.run(
        [sys.executable, "-m", *shlex.split(line)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": str(COLUMNS)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def methods_table() -> str:
    """Return a row for each family of methods: what it is, how its names are typed, and them."""
    rows = []
    for kind, typed in TYPED.items():
        listed = sorted(entries(kind), key=_package)  # stable: by name within a package
        for package, family in groupby(listed, _package):
            names = [f"`{entry.name}`" for entry in family]
            rows.append([_family(package), str(len(names)), typed, " ".join(names)])
    return _table(["family", "", "typed", "names"], rows)


def datasets_table() -> str:
    """Return a row for each data set: what it holds, its classes, domains and images."""
    head = ["data set", "what", "domains", "classes", *(f"{part} images" for part in PARTS)]
    return _table(head, [_dataset(entry) for entry in entries("datasets")])


def _dataset(entry: Entry) -> list[str]:
    facts = registry_facts(entry.name)
    numbers = [len(facts.domains), len(facts.classes), *_images(entry.name)]
    known = [f"{number:,}" if facts.classes else UNKNOWN for number in numbers]
    return [f"`{entry.name}`", entry.summary, *known]


def _images(name: str) -> list[int]:
    """Return how many images train, validate and test, with default parameters."""
    facts = registry_facts(name)
    if facts.counts or not facts.classes:
        return [sum(counts) for counts in zip(*facts.counts.values(), strict=True)] or [0] * 3
    _, split = open_dataset(Name(name), Path())  # embedded, so that nothing need be downloaded
    return [len(split.rows(part)) for part in PARTS]


def _package(entry: Entry) -> str:
    return str(entry.target).partition(".")[0]


def _family(package: str) -> str:
    """Return what a package says that it holds, with a link to its page if there is one."""
    text = first_line(importlib.import_module(package).__doc__).rstrip(".")
    name = package.removeprefix("ltbench_")
    page = next((page for page in _pages(name) if (ROOT / page).is_file()), None)
    return f"[{text}]({page})" if page else text


def _pages(name: str) -> Iterator[str]:
    yield from (f"docs/algorithms/{name}.md", f"docs/{name}.md")


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def write_pages() -> None:
    """Fill the pages."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    for page in PAGES:  # last: boards ask for rows
        page.write_text(with_boards(page.read_text(encoding="utf-8"), printed), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
