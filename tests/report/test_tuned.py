"""Tuned, hand-set and default rows are told apart in every format, with the budget."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ltbench_figures.sensitivity import sweeps
from ltbench_tables.ablation import ablation
from synthetic_runs import write_run
from tuned_runs import BUDGET, LABEL, write_tuned, write_tuned_rate

from ltbench.report import report_page
from ltbench.report.across_pairs import pairs_section
from ltbench.report.grid import results_grid
from ltbench.report.leaderboard import FORMATS, load_content, render
from ltbench.report.page_figures import Wish
from ltbench.report.provenance import run_commands
from ltbench.report.run_page import Documents, as_text
from ltbench.report.selection import select_runs, split_tables
from ltbench.report.trials import Trials
from ltbench.results.frame import load_runs
from ltbench.results.index import read_runs
from ltbench.testing.synthetic_runs import write_study


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
    assert best.startswith(
        "ltbench run --hparams 'best[trials=16,sampler=random,seed=0]' --algo brl "
    )
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


FAIR = {"erm": 0.0021, "boda": 0.001}
RATE = "erm (tuned: 16 trials of hparams+lr+weight_decay; lr=0.0021)"


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods whose learning rates were tuned, of which one kept the protocol's."""
    root = tmp_path_factory.mktemp("fair")
    for (algo, lr), seed in itertools.product(FAIR.items(), range(3)):
        write_tuned_rate(root, algo=algo, seed=seed, lr=lr)
    return root


def test_rows_of_other_learning_rates_stand_in_the_table_they_were_tuned_from(fair: Path) -> None:
    (table,) = json.loads(render(fair, format="json"))["tables"]
    rows = {row["label"]: row for row in table["rows"]}
    assert rows.keys() == {RATE, "boda (tuned: 16 trials of hparams+lr+weight_decay)"}
    assert rows[RATE]["settings"] == "tuned: 16 trials of hparams, lr, weight_decay; lr=0.0021"
    assert rows[RATE]["tuned"]["found"] == {"lr": 0.0021}
    assert table["budgets"] == {"16 trials of hparams, lr, weight_decay": list(rows)}
    assert table["reference"] == RATE, "the tuned row of the reference's algorithm"


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"csv"}))
def test_every_format_shows_what_was_found_and_that_budgets_were_the_same(
    fair: Path, name: str
) -> None:
    text = " ".join(render(fair, format=name, metrics=["accuracy_average"]).split())
    for words in ("lr=0.0021", "16 trials of hparams", "Every row had the same budget: 16 trials"):
        assert words in text.replace("\\_", "_")


def test_what_tuning_found_on_each_data_set_is_one_method_across_them(tmp_path: Path) -> None:
    for i, algo, seed in itertools.product(range(3), FAIR, range(3)):
        write_tuned_rate(tmp_path, algo=algo, seed=seed, lr=0.002 + i / 1e4, dataset=f"data-{i}")
    content = load_content(tmp_path)
    assert content.summary is not None
    label = "boda (tuned: 16 trials of hparams+lr+weight_decay)"
    assert set(content.summary.result.ranks.index) == {label, label.replace("boda", "erm")}
    assert not content.summary.result.incomplete
    pairs = pairs_section(content, content.summary, None)
    assert pairs.frame["method"].tolist() == [label], "the reference is a tuned one"


def test_two_searches_of_one_budget_stay_apart_across_data_sets(tmp_path: Path) -> None:
    for i, seed in itertools.product(range(2), range(3)):
        for lr in (0.002, 0.003):
            write_tuned_rate(tmp_path, algo="erm", seed=seed, lr=lr, dataset=f"data-{i}")
        write_run(tmp_path, algo="boda", seed=seed, arrays=False, dataset=f"data-{i}")
    content = load_content(tmp_path)
    assert content.summary is not None
    words = "erm (tuned: 16 trials of hparams+lr+weight_decay; lr="
    assert set(content.summary.result.ranks.index) == {"boda", f"{words}0.002)", f"{words}0.003)"}


def test_csv_says_what_was_searched_and_found(fair: Path, runs: Path) -> None:
    rows = {r["method"]: r for r in csv.DictReader(io.StringIO(render(fair, format="csv")))}
    assert rows[RATE]["tuned_axes"] == "hparams lr weight_decay"
    assert rows[RATE]["tuned_found"] == "lr=0.0021"
    assert "tuned_axes" not in render(runs, format="csv"), "as older versions wrote it"


def test_rows_of_different_budgets_are_said_to_be_so(fair: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    shutil.copytree(fair, root)
    for seed in range(3):
        write_tuned_rate(root, algo="brl", seed=seed, lr=0.005, trials=99)
        write_run(root, algo="focal", seed=seed, arrays=False)
    (table,) = json.loads(render(root, format="json"))["tables"]
    (note,) = (note for note in table["notes"] if note.startswith("Rows had different budgets"))
    assert "16 trials of hparams, lr, weight_decay (" in note
    assert "99 trials of hparams, lr, weight_decay (brl (tuned: 99 trials" in note
    assert "no search (focal)" in note
    assert set(table["budgets"]) == {
        "no search",
        "16 trials of hparams, lr, weight_decay",
        "99 trials of hparams, lr, weight_decay",
    }


def test_a_default_row_is_the_reference_before_a_tuned_one(fair: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    shutil.copytree(fair, root)
    for seed in range(3):
        write_run(root, seed=seed, arrays=False)
    assert load_content(root).boards[0].reference == "erm"
    assert load_content(fair, reference="boda").boards[0].reference.startswith("boda (tuned")
    assert load_content(fair, reference="brl").boards[0].reference is None


def test_the_commands_tell_the_search_where_it_started(fair: Path) -> None:
    board = load_content(fair).boards[0]
    commands = [line for line in run_commands(board) if "--algo erm" in line]
    assert len(commands) == 2
    for line in commands:
        words = shlex.split(line)
        assert words[words.index("--search") + 1] == "hparams,lr=0.001,weight_decay=0.0"
        assert not {"--lr", "--weight-decay"} & set(words)
        assert words[words.index("--steps") + 1] == "300"
    assert "erm (tuned: 16 trials of hparams+lr+weight_decay; lr=0.0021) on digits" in page_of(fair)


def page_of(root: Path) -> str:
    """Return what `ltbench show` says of the run whose rate was tuned."""
    path = next(p for p in root.rglob("spec.json") if "0.0021" in p.read_text()).parent
    (record,) = read_runs(path)
    spec = json.loads((path / "spec.json").read_text())
    text = as_text(record, Documents(spec, {}, {}), str(path))
    assert "tuned      16 trials of hparams, lr, weight_decay; lr=0.0021" in text
    return " ".join(text.split())


def test_the_page_draws_the_budget_where_something_was_tuned(fair: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    shutil.copytree(fair, root)
    write_study(root, algo="erm", classes=4, per_class=4)
    content = load_content(root)
    digits = Trials((root,)).frame["protocol_hash"].iloc[0]
    board = replace(content.boards[0], table=replace(content.boards[0].table, protocol_hash=digits))
    for one, drawn in ((board, True), (content.boards[0], False)):
        output = tmp_path / "page.html"
        report_page.write_report(replace(content, boards=(one,)), output, title="Page", command="")
        assert ("Best scores against the number of trials" in output.read_text()) == drawn
    assert (
        f"figures budget --protocol {digits[:8]}"
        in Wish(digits, "budget", "", board.table.runs, tuning=Trials((root,))).command
    )
