"""The table of unseen domains: `ltbench tables unseen`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from unseen_runs import DOMAINS, write_unseen

from ltbench.cli.tables import tables
from ltbench.report.figure_data import FigureData
from ltbench.report.leaderboard import load_content
from ltbench.report.unseen_table import Unseen, UnseenHParams
from ltbench.results.frame import load_runs
from ltbench.testing import write_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_unseen(root)
    return root


@pytest.mark.parametrize("format", ["markdown", "latex"])
def test_the_table_of_unseen_domains(runs: Path, format: str) -> None:
    found = CliRunner().invoke(tables, ["unseen", str(runs), "--format", format])
    assert found.exit_code == 0, found.output
    board = load_content(runs).boards[0]
    separator = " | " if format == "markdown" else " & "
    assert separator.join(["method", "k/N", *DOMAINS, "mean"]) in found.stdout
    for row in board.rows:
        mean = 100 * row.cells["accuracy_average"].mean
        line = next(line for line in found.stdout.splitlines() if row.label in line)
        assert f"{mean:.1f}" in line.strip("| ").split(separator.strip())[-1]
    assert "mean over unseen domains" in found.stdout


def test_the_table_of_unseen_domains_for_programs(runs: Path) -> None:
    words = ["unseen", str(runs), "--metric", "macro_f1_average", "--format", "json"]
    (found,) = json.loads(CliRunner().invoke(tables, words).stdout)
    board = load_content(runs, metrics=["macro_f1_average"]).boards[0]
    for line, row in zip(found["rows"], board.rows, strict=True):
        assert line["method"] == row.label
        for name, cell in row.cells.items():
            assert line[name] == pytest.approx(cell.mean)
            assert line[f"{name}_half_width"] == pytest.approx(cell.half_width)


def test_the_table_of_unseen_domains_is_sorted_on_a_page_by_its_numbers(runs: Path) -> None:
    (section,) = Unseen(UnseenHParams()).sections(FigureData(load_runs(runs)))
    (grid,) = section.grids
    for cells, row in zip(grid.body, load_content(runs).boards[0].rows, strict=True):
        assert cells[1].value == str(row.done)
        assert float(cells[-1].value) == pytest.approx(row.cells["accuracy_average"].mean)


def test_one_unseen_domain_is_a_table_without_a_mean(tmp_path: Path) -> None:
    write_unseen(tmp_path, {"erm": 0.5}, domains=("mnist",))
    found = CliRunner().invoke(tables, ["unseen", str(tmp_path)])
    assert found.exit_code == 0, found.output
    assert "no run is done with mnist-m unseen, optdigits unseen" in " ".join(found.stdout.split())


def test_without_unseen_domains_there_is_no_such_table(tmp_path: Path) -> None:
    write_run(tmp_path, arrays=False)
    found = CliRunner().invoke(tables, ["unseen", str(tmp_path)])
    assert "No runs here leave one domain out" in str(found.exception or found.output)
