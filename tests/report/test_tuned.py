"""Tuned, hand-set and default rows are told apart in every format, with the budget."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from ltbench_figures.sensitivity import sweeps
from ltbench_tables.ablation import ablation
from synthetic_runs import write_run
from tuned_runs import BUDGET, LABEL, write_tuned

from ltbench.report.grid import results_grid
from ltbench.report.leaderboard import FORMATS, load_content, render
from ltbench.report.provenance import run_commands
from ltbench.report.selection import select_runs, split_tables
from ltbench.results.frame import load_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tuned")
    for seed in range(3):
        write_run(root, seed=seed, skill=0.5, arrays=False)
        write_tuned(root, seed=seed)
        for alpha, label in ((0.001, "brl"), (0.03, "brl[alpha=0.03]")):
            write_run(root, algo="brl", seed=seed, hparams={"alpha": alpha, "cb": True},
                      label=label, arrays=False)  # fmt: skip
    return root


def test_a_tuned_row_is_not_the_row_with_the_same_values_set_by_hand(runs: Path) -> None:
    rows = {
        row["label"]: row for row in json.loads(render(runs, format="json"))["tables"][0]["rows"]
    }
    assert rows.keys() == {"erm", "brl", "brl[alpha=0.03]", LABEL}
    assert all(row["done"] == row["started"] == 3 for row in rows.values())
    assert {label: row["settings"] for label, row in rows.items()} == {
        "erm": "default", "brl": "default", "brl[alpha=0.03]": "set by hand",
        LABEL: "tuned: 16 trials",
    }  # fmt: skip
    assert rows[LABEL]["tuned"]["trials"] == 16
    assert rows["brl"]["tuned"] == {}


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"csv"}))
def test_every_format_shows_the_budget_and_says_what_it_means(runs: Path, name: str) -> None:
    text = " ".join(render(runs, format=name, metrics=["accuracy_average"]).split())
    assert "tuned: 16 trials" in text
    assert "scored best on validation images" in text
    if name in ("markdown", "latex", "html"):
        assert "set by hand" in text
        assert "default" in text


def test_csv_has_the_budget_in_columns(runs: Path) -> None:
    rows = {r["method"]: r for r in csv.DictReader(io.StringIO(render(runs, format="csv")))}
    assert [rows[LABEL][f"tuned_{key}"] for key in ("search", "trials", "seed")] == [
        "random", "16", "0",
    ]  # fmt: skip
    assert rows[LABEL]["settings"] == "tuned"
    assert rows["erm"]["tuned_trials"] == ""
    assert rows["brl[alpha=0.03]"]["settings"] == "set by hand"


def test_the_terminal_keeps_its_width(runs: Path) -> None:
    board = load_content(runs).boards[0]
    assert results_grid(board).head[:2] == ("method", "settings")
    text = render(runs, metrics=["accuracy_average", "accuracy_worst", "macro_f1_average"])
    head = next(line for line in text.splitlines() if line.startswith("method"))
    assert head.split()[:2] == ["method", "k/N"]
    assert max(map(len, text.splitlines())) <= 118


def test_without_tuning_nothing_is_said_of_it(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path, seed=seed, arrays=False)
        write_run(tmp_path, algo="boda", seed=seed, arrays=False)
    for name in ("terminal", "markdown", "latex", "html"):
        assert "tuned" not in render(tmp_path, format=name)


def test_filters_find_tuned_rows_by_algorithm_and_by_label(runs: Path) -> None:
    everything = load_runs(runs)
    assert set(select_runs(everything, ["brl"]).table["label"]) == {
        "brl", "brl[alpha=0.03]", LABEL,
    }  # fmt: skip
    assert set(select_runs(everything, [LABEL]).table["label"]) == {LABEL}


def test_the_commands_tune_first_and_then_run_the_best(runs: Path) -> None:
    by_hand, tune, best = run_commands(load_content(runs).boards[0])
    assert "tuned" not in by_hand + tune + best
    assert "--algo 'brl[alpha=0.03]'" in by_hand
    assert by_hand.startswith("ltbench run ")
    assert tune.startswith("ltbench tune --algo brl --dataset digits-mini-mlt ")
    assert tune.endswith("--search hparams --trials 16 --sampler random --seed 0")
    assert best.startswith("ltbench run --hparams best --algo brl ")
    assert best.endswith("--seeds 3")


def test_what_was_fixed_while_tuning_stands_in_the_command(tmp_path: Path) -> None:
    write_tuned(tmp_path, seed=0, budget={**BUDGET, "fixed": {"brl.cb": True}})
    tune, best = run_commands(load_content(tmp_path).boards[0])
    assert "--algo 'brl[cb=true]'" in tune
    assert best.endswith("--seeds 1")


def test_sensitivity_and_ablation_count_no_value_twice(runs: Path) -> None:
    table = split_tables(select_runs(load_runs(runs), ["brl"]))[0]
    assert set(sweeps(table)["n"]) == {3}
    assert ablation(table).frame["n"].max() == 3


def test_a_budget_that_makes_no_sense_does_no_harm(tmp_path: Path) -> None:
    for seed, budget in enumerate(
        ({"trials": "\x1b[31m", "search": ["x"], "fixed": 3}, {"seed": {}})
    ):
        write_tuned(tmp_path, seed=seed, budget=budget)
    for name in FORMATS:
        assert "\x1b" not in render(tmp_path, format=name)
    run_commands(load_content(tmp_path).boards[0])
