"""Compact letters: methods that share one were not told apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from string import ascii_lowercase

Pair = frozenset[str]


def compact_letters(order: Sequence[str], different: Collection[Pair]) -> dict[str, str]:
    """Return letters such that two methods share one exactly if they are not in ``different``.

    The insert-and-absorb algorithm of Piepho, Journal of Computational and Graphical Statistics
    13 (2004) 456–466. Letters follow ``order``: the first method has an "a".
    """
    columns: list[set[str]] = [set(order)]
    for pair in sorted(different, key=sorted):
        one, other = sorted(pair)
        split: list[set[str]] = []
        for column in columns:
            split += [column - {one}, column - {other}] if pair <= column else [column]
        columns = _absorb(split)
    rank = {name: i for i, name in enumerate(order)}
    columns.sort(key=lambda column: sorted(rank[name] for name in column))
    return {
        name: "".join(_letter(i) for i, column in enumerate(columns) if name in column)
        for name in order
    }


def _absorb(columns: list[set[str]]) -> list[set[str]]:
    """Drop columns that lie within another."""
    kept: list[set[str]] = []
    for column in sorted(columns, key=len, reverse=True):
        if not any(column <= other for other in kept):
            kept.append(column)
    return kept


def _letter(index: int) -> str:
    """Return a, b, …, z, a1, b1, …"""
    lap, place = divmod(index, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(lap) if lap else "")
