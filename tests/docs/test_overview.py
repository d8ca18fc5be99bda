"""The tables of the README are those of what is registered, and so is what the comparison says."""

from __future__ import annotations

import overview
import pytest
import reference

from ltbench.plugins.manager import KINDS

MDLT = """ERM IRM GroupDRO Mixup MLDG CORAL MMD DANN CDANN MTL SagNet Fish ReSamp ReWeight
    Sqrt-ReWeight CBLoss Focal LDAM BSoftmax CRT BoDA"""  # its ALGORITHMS
DOMAINBED = """ERM Fish IRM GroupDRO Mixup MLDG CORAL MMD DANN CDANN MTL SagNet VREx RSC SD Fishr
    EQRM URM ERM-plus-plus"""
LACKING = """ARM ANDMask SANDMask IGA SelfReg TRM IB-ERM IB-IRM CAD CondCAD Transfer CausIRL RDM
    ADRMX"""


@pytest.mark.parametrize("page", overview.PAGES, ids=lambda page: page.name)
def test_a_page_has_what_is_made_for_it(page):
    text = page.read_text(encoding="utf-8")
    assert overview.PLACE.search(text)
    assert overview.filled(text) == text, "type: python docs/hooks/overview.py"


def test_every_method_and_data_set_has_its_place():
    methods, datasets = overview.methods_table(), overview.datasets_table()
    for kind in overview.TYPED:
        for entry in reference.entries(kind):
            assert methods.count(f"`{entry.name}`") >= 1
    for entry in reference.entries("datasets"):
        assert datasets.count(f"\n| `{entry.name}` | {entry.summary} |") == 1
    assert "| `pacs-mlt` " in datasets
    assert "| 4 | 7 | 7,891 | 700 | 1,400 |" in datasets
    assert "| 3 | 10 | 1,078 | 750 | 1,500 |" in datasets  # counted in the images themselves
    assert "misbehave" not in methods  # which the tests install


def test_a_part_is_filled_wherever_it_stands():
    row = "| <!-- made: number-of-stages -->?<!-- end --> stages |\n"
    filled = overview.filled(f"{row}<!-- made: methods -->x<!-- end -->")
    stages = len(reference.entries("stages"))
    assert filled.startswith(f"| <!-- made: number-of-stages -->{stages}<!-- end --> stages |\n")
    assert "<!-- made: methods -->\n\n| family |" in filled
    assert filled.endswith("|\n\n<!-- end -->")
    assert overview.filled(filled) == filled


def test_a_board_is_printed_anew():
    command = "ltbench leaderboard leaderboards/b.jsonl"
    page = f"a\n```console\n$ {command}\nold\n\nold\n```\n```\nc\n```\n"
    filled = overview.with_boards(page, lambda line: f"\nof {line}\n\n")
    assert filled == f"a\n```console\n$ {command}\nof {command}\n```\n```\nc\n```\n"


def test_what_the_comparison_says_is_here_is_here():
    names = {entry.name for kind in KINDS for entry in reference.entries(kind)}
    said = {name.lower() for name in (MDLT + " " + DOMAINBED).split()}
    assert said - names == set()
    assert {name.lower() for name in LACKING.split()} & names == set()
    assert len(MDLT.split()) == 21
    assert len(DOMAINBED.split()) + len(LACKING.split()) + 1 == 34  # CausIRL is two
