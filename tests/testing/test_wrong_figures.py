"""Figures that are wrong are found by the kit, each by the point that asks for it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ltbench.api import UsageError

NUMBERS = itertools.count()


def drawn(width: float = 5.0, **columns: object) -> tuple[Figure, pd.DataFrame]:
    figure = Figure(figsize=(width, 3))
    figure.subplots().plot([1, 2])
    return figure, pd.DataFrame(columns or {"value": [1.0]})


def right(data, choices):
    """Draws one table, and refuses several."""
    return drawn(runs=[len(data.table("it").runs.table)])


def picky(data, choices):
    """Draws nothing."""
    raise UsageError("Never enough runs.")


def silent(data, choices):
    """Refuses several tables without a word."""
    if data.runs.table["protocol_hash"].nunique() > 1:
        raise UsageError("")
    return drawn()


def raises(data, choices):
    """Fails."""
    raise KeyError("nothing")


def alone(data, choices):
    """Gives no numbers."""
    return Figure()


def empty(data, choices):
    """Gives numbers of nothing."""
    return drawn(value=[])


def wide(data, choices):
    """Does not fit on a page."""
    return drawn(width=9.0)


def writes(data, choices):
    """Writes beside a run's files."""
    (Path(data.runs.table["path"].iloc[0]) / "map.npy").write_bytes(b"")
    return drawn()


def spoils(data, choices):
    """Changes a run's log."""
    with (Path(data.runs.table["path"].iloc[0]) / "log.jsonl").open("a") as log:
        log.write("{}\n")
    return drawn()


def changes(data, choices):
    """Draws something else each time."""
    return drawn(value=[next(NUMBERS)])


def unseeded(data, choices):
    """Draws at random."""
    return drawn(value=np.random.default_rng().random(3))


@pytest.mark.parametrize(
    ("figure", "point", "says"),
    [
        (picky, "draws", "draws nothing: Never enough runs."),
        (silent, "draws", "refuses three data sets without a word"),
        (raises, "draws", "KeyError: 'nothing'"),
        (alone, "draws", "does not return a matplotlib Figure and a data frame"),
        (empty, "numbers", "has no numbers"),
        (wide, "page", "9 inches wide, and a page 7"),
        (writes, "pure", "map.npy"),
        (spoils, "pure", "log.jsonl"),
        (changes, "pure", "another one the second time"),
        (unseeded, "pure", "another one the second time"),
    ],
)
def test_the_kit_finds_wrong_figures(ask, figure, point, says) -> None:
    result = ask("figures", figure, point)[point]
    assert result.status == "failed"
    assert says in result.cause


def test_a_figure_that_is_right_passes(ask) -> None:
    assert {result.status for result in ask("figures", right).values()} == {"passed"}
