"""The page of all methods has every one, and says of each what its class says."""

from __future__ import annotations

import re
import tomllib

import methods
import pytest

from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import parse_chains

CELL = methods.HEADER.index


@pytest.fixture(scope="module")
def page() -> str:
    return methods.page()


@pytest.fixture(scope="module")
def rows(page) -> dict[str, list[str]]:
    return {re.match(r"\[`(.*?)`\]", cells[0]).group(1): cells for cells in split(page)}


def split(page):
    for line in page.splitlines():
        if line.startswith("| [`"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


@pytest.mark.parametrize("kinds", [k for k in methods.TITLES if k in methods.KINDS])
def test_every_method_that_is_registered_stands_there(kinds, rows):
    assert {entry.name for entry in methods.entries(kinds)} <= rows.keys()


@pytest.mark.parametrize(
    ("method", "column", "said"),
    [
        ("erm", "class counts", ""),
        ("bsoftmax", "class counts", "yes"),
        ("equalization", "class counts", "yes"),
        ("posthoc-la", "class counts", "yes"),
        ("imbsam", "class counts", "yes"),
        ("sam", "class counts", ""),
        ("coral", "domains", "≥ 2"),
        ("erm", "domains", ""),
        ("bcl", "views", "3"),
        ("h2t", "second batch", "uniform"),
        ("h2t", "batches", "class-balanced"),
        ("cmo", "second batch", "class-balanced"),
        ("dfr", "validation images", "**trained**"),
        ("tau-norm", "validation images", "chooses"),
        ("swad", "validation images", "chooses"),
        ("erm", "validation images", ""),
        ("mlls", "test images", "yes"),
        ("sade", "test images", "yes"),
        ("mldg", "not with", "`@imbsam`, `@sam`"),
        ("dfr", "not with", "any `@`, as it is not trained"),
        ("erm", "not with", ""),
    ],
)
def test_it_says_what_the_class_says(method, column, said, rows):
    assert rows[method][CELL(column)] == said


def test_stages_that_refuse_a_method_are_named(rows):
    assert "`+tau-norm`" in rows["mtl"][CELL("not with")]


def test_the_numbers_are_of_methods_and_data_sets_with_a_source():
    tables = tomllib.loads(methods.NUMBERS.read_text(encoding="utf-8"))["table"]
    seen = set()
    for table in tables:
        assert table.keys() == {"dataset", "setting", "source", "numbers"}
        assert re.search(r"arXiv:\d{4}\.\d{5}|CVPR|ICLR|TPAMI", table["source"])
        (dataset,) = parse_chains(table["dataset"])[0]
        for method, value in table["numbers"].items():
            parse_chains(method)
            assert isinstance(value, float)
            assert 0 < value < 100
            key = (table["dataset"], table["setting"], table["source"], method)
            assert key not in seen
            seen.add(key)
        assert dataset.name


def test_every_method_has_a_number_or_is_said_to_have_none(page):
    told = page.partition(methods.NUMBERS_OPENING)[2].partition(methods.WITHOUT)
    with_numbers = {part for row in re.findall(r"^\| `(.*?)` \|", told[0], re.M)
                    for part in methods.parts_of(row)}  # fmt: skip
    without = set(re.findall(r"`(.*?)`", told[2]))
    every = {entry.name for kinds in methods.TITLES for entry in methods.entries(kinds)}
    assert with_numbers | without == every
    assert not with_numbers & without
    assert {"swad", "diwa", "cmo"} <= with_numbers
    assert "mdcs" in without


def test_numbers_stand_in_the_table_where_method_and_data_set_are_registered(page, rows):
    assert "| `erm+crt` | `imagenet-lt` | 49.6 |" in page
    assert "`imagenet-lt`" in rows["crt"][CELL("published")]
    assert "`pacs-mlt`" in rows["coral"][CELL("published")]
    names = {entry.name for entry in get_plugins()["datasets"]}
    assert {one.dataset.partition("[")[0] for one in methods.published()} <= names
