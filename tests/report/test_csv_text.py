"""CSV that a spreadsheet may open, and rows of LaTeX that are no options."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from ltbench.report.csv_text import csv_text
from ltbench.report.latex import latex
from ltbench.report.section import Column, Grid, Report, Section


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1"])
def test_names_are_never_computed(name):
    frame = pd.DataFrame({"class": [name, "moth"], "value": [-0.5, 2.0], "n": [-1, 3]})
    read = pd.read_csv(io.StringIO(csv_text(frame)), keep_default_na=False)
    assert read["class"].tolist() == [f"'{name}", "moth"]
    assert read["value"].tolist() == [-0.5, 2.0]
    assert read["n"].tolist() == [-1, 3]


def test_what_is_no_formula_stays_to_the_letter():
    frame = pd.DataFrame({"a": ["erm", "boda[weight=0.5]", "", None], "b": [1.5, None, 3.0, -4.0]})
    assert csv_text(frame) == frame.to_csv(index=False, lineterminator="\n")


def test_a_name_in_brackets_is_no_option_of_the_line_before():
    grid = Grid((Column("method", text=True), Column("acc")), (("[5pt]", "1"), ("*", "2")))
    text = latex(Report((Section("t", grids=(grid,)),)))
    assert r"{}[5pt] & 1 \\" in text
    assert r"{}* & 2 \\" in text
