"""Tables that are wrong are found by the kit, each by the point that asks for it."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from ltbench.api import Column, ExperimentTable, UsageError, section

NUMBERS = itertools.count()


class Right(ExperimentTable):
    """Counts the runs of one table."""

    def sections(self, data):
        return [self.made(len(data.table("it").runs.table))]

    def made(self, value):
        return section("It", pd.DataFrame({"value": [value]}), {"value": Column("value")})


class Picky(Right):
    """Is made of nothing."""

    def sections(self, data):
        raise UsageError("Never enough runs.")


class Silent(Right):
    """Refuses several tables without a word."""

    def sections(self, data):
        if data.runs.table["protocol_hash"].nunique() > 1:
            raise UsageError("")
        return [self.made(1)]


class Raises(Right):
    """Fails."""

    def sections(self, data):
        raise KeyError("nothing")


class Bare(Right):
    """Returns a section that is not one of several."""

    def sections(self, data):
        return [pd.DataFrame()]


class Changes(Right):
    """Is another one each time."""

    def sections(self, data):
        return [self.made(next(NUMBERS))]


def plain(data):
    """Is no class."""


@pytest.mark.parametrize(
    ("table", "point", "says"),
    [
        (plain, "base", "is no subclass of ExperimentTable"),
        (Picky, "makes", "made of nothing: Never enough runs."),
        (Silent, "makes", "refuses three data sets without a word"),
        (Raises, "makes", "KeyError: 'nothing'"),
        (Bare, "makes", "does not return sections"),
        (Changes, "formats", "another one the second time"),
    ],
)
def test_the_kit_finds_wrong_tables(ask, table, point, says) -> None:
    result = ask("tables", table, point)[point]
    assert result.status == "failed"
    assert says in result.cause


def test_a_table_that_is_right_passes(ask) -> None:
    results = ask("tables", Right).values()
    assert {result.status for result in results} <= {"passed", "skipped"}
    assert {"makes", "formats"} <= {r.point.name for r in results if r.status == "passed"}
