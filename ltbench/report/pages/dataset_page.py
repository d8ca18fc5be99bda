"""A page for each data set: its images by domain, class and shot, drawn and in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ltbench.errors import LtbenchError
from ltbench.plugins.facts import Facts, registry_facts
from ltbench.plugins.manager import OWN, get_plugins
from ltbench.plugins.shots import SHOTS, ShotRule
from ltbench.plugins.unseen_options import OPTIONS
from ltbench.report.page_figures import Wish
from ltbench.report.pages.addresses import INDEX, board_address, dataset_address, link
from ltbench.report.pages.boards import Board
from ltbench.report.pages.examples import example_galleries
from ltbench.report.section import Cell, Column, Figure, Grid, Link, Report, Section, name_column
from ltbench.report.selection import Table
from ltbench.results.untrusted import clean

_MOST_COLUMNS = 40  # classes that a table of numbers has; the figure shows any number


def variants_of(name: str, boards: Sequence[Board]) -> dict[str, Table]:
    """Return one table for each setting of a data set that boards have, by its name with options.

    Of a table of every unseen domain in turn it is that of the first.
    """
    found: dict[str, Table] = {}
    for board in boards:
        for leaderboard in board.content.boards:
            table = leaderboard.table.parts[0]
            if table.runs.table["dataset"].iloc[0] == name:
                found.setdefault(leaderboard.table.dataset, table)
    return found


def distribution_wishes(variants: Mapping[str, Table]) -> list[Wish]:
    """Return the figures of a data set's page, one for each setting."""
    there = "distribution" in get_plugins()["figures"]
    return [
        Wish(label, "distribution", "Training images of each class", table.runs, open=True,
             protocol=table.protocol_hash, drawn=there)
        for label, table in variants.items()
    ]  # fmt: skip


def dataset_page(
    name: str,
    boards: Sequence[Board],
    figures: Mapping[str, Sequence[Figure]],
    data_dir: Path,
) -> Report:
    """Return the page of a data set.

    Args:
        name: of the data set.
        boards: all boards.
        figures: by setting, of :func:`distribution_wishes`.
        data_dir: the folder of the data sets' files.
    """
    variants = variants_of(name, boards)
    facts = _facts(name)
    sections = [_setting(label, table, figures.get(label, ())) for label, table in variants.items()]
    sections += [_examples(name, next(iter(variants.values())), data_dir), _terms(facts)]
    sections.append(_boards(name, boards))
    title = next(iter(variants.values())).title
    return Report(
        tuple(section for section in sections if section.grids or section.galleries),
        title=name,
        lead=title,
        trail=(Link("Boards", link(dataset_address(name), INDEX)),),
    )


def _facts(name: str) -> Facts | None:
    """Return the facts of a data set of ltbench, ``None`` of any other."""
    try:
        return (
            registry_facts(name)
            if get_plugins()["datasets"].get(name).distribution == OWN
            else None
        )
    except LtbenchError:
        return None


def _setting(label: str, table: Table, figures: Sequence[Figure]) -> Section:
    """Return the images of one setting of the data set, as its runs saw them."""
    try:
        facts = table.facts()
    except LtbenchError:  # whose words name a folder that readers do not have
        columns = (name_column("images"),)
        return Section(label, grids=(Grid(columns, (("not written down by its runs",),)),))
    rule = ShotRule.from_dict(facts["shots"])
    domains = [clean(name) for name in facts["domains"]]
    classes = [clean(name) for name in facts["classes"]]
    grids = [_parts_grid(domains, facts, rule)]
    if len(classes) <= _MOST_COLUMNS and "train" in facts["counts"]:
        grids.append(_classes_grid(domains, classes, facts["counts"]["train"]))
    sentence = (
        f"{len(domains)} domain{'s' * (len(domains) != 1)}, {len(classes)} classes. Shots of a "
        f"domain-class pair, by its training images: {rule.words}."
    )
    return Section(
        label, grids=tuple(grids), verdict=(sentence,), figures=tuple(figures), name=label
    )


def _parts_grid(domains: Sequence[str], facts: Mapping[str, Any], rule: ShotRule) -> Grid:
    counts = facts["counts"]
    told_by = facts["shot_counts"]
    columns = [name_column("domain"), *(Column(f"images\n{part}") for part in counts)]
    lines = [[name, *(f"{int(c[d].sum()):,}" for c in counts.values())]
             for d, name in enumerate(domains)]  # fmt: skip
    lines.append(["all", *(f"{int(c.sum()):,}" for c in counts.values())])
    if told_by.size:
        buckets = rule.buckets(told_by)
        columns += [Column(f"pairs\n{shot}-shot") for shot in SHOTS]
        for d, line in enumerate(lines):
            whole = d == len(domains)
            line += [str(int((buckets[s] if whole else buckets[s][d]).sum())) for s in SHOTS]
    body = tuple(tuple(Cell(text, text.replace(",", "")) for text in line) for line in lines)
    return Grid(tuple(columns), body, title="Images of each domain")


def _classes_grid(domains: Sequence[str], classes: Sequence[str], train: np.ndarray) -> Grid:
    columns = (name_column("domain"), *(Column(name) for name in classes))
    body = tuple((name, *(str(int(n)) for n in train[d])) for d, name in enumerate(domains))
    return Grid(columns, body, title="Training images of each domain and class")


def _examples(name: str, table: Table, data_dir: Path) -> Section:
    options = {key: value for key, value in table.options.items() if key not in OPTIONS}
    galleries = example_galleries(name, options, data_dir)
    return Section("Examples", galleries=galleries)


def _terms(facts: Facts | None) -> Section:
    if facts is None:
        return Section("Source")
    citation = [" ".join(part.split()) for part in facts.citation.split(";\n")]
    lines = [("licence", facts.licence), *(("source", part) for part in citation)]
    lines += [("address", url) for source in facts.sources for url in source.get("urls", [])[:1]]
    body = tuple((key, _address(text)) for key, text in lines if text)
    columns = (name_column("what"), name_column("is"))
    grids = (Grid(columns, body),) if body else ()
    return Section("Source", grids=grids)


def _address(text: str) -> Cell:
    """Return a text, which is a link where it is an address of the web."""
    return Cell(text, href=text if text.startswith("https://") else "")


def _boards(name: str, boards: Sequence[Board]) -> Section:
    page = dataset_address(name)
    body = tuple(
        (
            Cell(board.name, href=link(page, board_address(board.name))),
            table.table.dataset,
            table.table.setting,
            str(len(table.rows)),
        )
        for board in boards
        for table in board.content.boards
        if table.table.runs.table["dataset"].iloc[0] == name
    )
    columns = (
        name_column("board"), name_column("data set"), name_column("setting"), Column("methods"),
    )  # fmt: skip
    return Section("Boards", grids=(Grid(columns, body),))
