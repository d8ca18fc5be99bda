"""What metrics declare decides how they are sorted, tested, printed and worded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ltbench_figures.convergence import draw_convergence
from synthetic_runs import write_run

from ltbench import hookimpl
from ltbench.evaluation.measures import declared_measures
from ltbench.plugins.builtin import MEASURES
from ltbench.plugins.manager import Plugins, get_plugins
from ltbench.plugins.measure import Measure, find_base, parse_measures
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.leaderboard import load_content, render
from ltbench.report.look import style
from ltbench.report.metrics import metric
from ltbench.report.selection import split_tables
from ltbench.report.verdict import verdict
from ltbench.results.frame import load_runs

BRIER = {"better": "lower", "unit": "", "head": "Brier", "words": "Brier score"}


def add(folder: Path, values: dict[str, float], metrics: object) -> None:
    """Give a run further metrics, and what it declares about them."""
    result = json.loads((folder / "result.json").read_text())
    result["test"] |= values
    if metrics is not None:
        result["metrics"] = metrics
    (folder / "result.json").write_text(json.dumps(result))


def write_brier(root: Path, declared: object) -> None:
    for a, (algo, mean) in enumerate((("erm", 0.5), ("boda", 0.2), ("focal", 0.8))):
        for seed in range(4):
            folder = write_run(root, algo=algo, seed=seed, arrays=False)
            value = mean + 0.01 * seed + 0.003 * a
            add(folder, {"brier_average": value, "brier_worst": value + 0.1}, declared)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_brier(root, {"brier": BRIER, **MEASURES})
    return root


def test_a_metric_of_which_less_is_better_is_sorted_marked_and_printed_so(runs: Path) -> None:
    board = load_content(runs, metrics=["brier_average", "accuracy_average"]).boards[0]
    assert [row.label for row in board.rows] == ["boda", "erm", "focal"]
    text = render(runs, metrics=["brier_average", "accuracy_average"])
    table, differences = text.split("minus erm")
    best = next(line for line in table.splitlines() if line.startswith("boda"))
    assert best.split()[2] == "1"
    assert "0.218 ±" in best
    assert "−0.297 ▲" in next(x for x in differences.splitlines() if x.startswith("boda"))
    assert "+0.306 ▼" in next(x for x in differences.splitlines() if x.startswith("focal"))
    assert "% unless a loss or Brier score" in text
    assert re.search(r"^Brier average +\d+\.\d\d  2, ", text, flags=re.MULTILINE)
    long = render(runs, metrics=["brier_average"], explain=True)
    assert "Domain-average Brier score: Welch" in long
    assert verdict(board)[0] == (
        "The lowest domain-average Brier score is that of boda: 0.218 ±0.021."
    )
    assert 'aria-sort="ascending"' in render(runs, format="html", metrics=["brier_average"])
    measures = json.loads(render(runs, format="json", metrics=["brier_average"]))["tables"][0]
    assert measures["measures"] == {"brier_average": BRIER}


def test_ranks_across_data_sets_follow_the_direction_of_each(tmp_path: Path) -> None:
    for d in range(3):
        for algo, value in (("erm", 0.5), ("boda", 0.2)):
            folder = write_run(tmp_path, algo=algo, dataset=f"data-{d}", arrays=False)
            add(folder, {"brier_average": value}, {"brier": BRIER})
    summary = load_content(tmp_path, metrics=["brier_average"]).summary
    assert summary is not None
    assert summary.result.mean_ranks.to_dict() == {"boda": 1, "erm": 2}


def test_a_metric_that_nobody_declares_is_printed_plainly_and_the_table_says_so(
    tmp_path: Path,
) -> None:
    write_brier(tmp_path, None)
    text = " ".join(render(tmp_path, metrics=["brier_average"]).split())
    assert "No run says what brier_average means: more is taken for better" in text
    assert "0.821 ±" in text
    board = load_content(tmp_path, metrics=["brier_average"]).boards[0]
    assert board.rows[0].label == "focal"
    assert "No run says" not in render(tmp_path)


def test_runs_of_older_versions_know_the_metrics_of_the_core(tmp_path: Path) -> None:
    write_run(tmp_path, arrays=False)
    table = split_tables(load_runs(tmp_path))[0]
    for name, lower, percent in (
        ("loss_worst", True, False), ("ece", True, True), ("accuracy_few", False, True),
        ("macro_f1_average", False, True), ("f1_worst_class", False, True),
    ):  # fmt: skip
        found = table.metric(name)
        assert (found.smaller_is_better, found.in_percent) == (lower, percent), name
    assert table.metric("accuracy_worst_class").words == "worst-class accuracy"
    assert table.metric("lossy").declared is None


def test_runs_that_disagree_are_told_of_and_the_most_count(tmp_path: Path) -> None:
    for seed, better in enumerate(("lower", "higher", "lower")):
        folder = write_run(tmp_path, seed=seed, arrays=False)
        add(folder, {"brier": 0.3}, {"brier": {**BRIER, "better": better, "head": f"B{seed}"}})
    text = " ".join(render(tmp_path, metrics=["brier"]).split())
    assert "The runs disagree about Brier score (direction or unit)" in text
    assert "as most of them say, less is better" in text
    assert "disagree" not in render(tmp_path, metrics=["accuracy"])


def test_other_words_for_the_same_numbers_are_no_disagreement(tmp_path: Path) -> None:
    for seed in range(2):
        folder = write_run(tmp_path, seed=seed, arrays=False)
        add(folder, {"brier": 0.3}, {"brier": {**BRIER, "head": f"B{seed}"}})
    assert "disagree" not in render(tmp_path, metrics=["brier"])


@pytest.mark.parametrize(
    "hostile",
    [
        [], "x", 3, {"brier": 1}, {"brier": []}, {"brier": {"better": "sideways"}},
        {"brier": {"better": ["lower"]}}, {"brier": {"better": "lower", "unit": 4}},
        {"brier": {"better": "lower", "unit": "\x1b[31m"}},
        {"brier": {"better": "lower", "words": "w" * 1000}}, {"brier": {"unit": "%"}},
        {"\x1b": BRIER}, {"b" * 1000: BRIER},
    ],
)  # fmt: skip
def test_hostile_declarations_are_passed_over(tmp_path: Path, hostile: Any) -> None:
    assert parse_measures(hostile) == {}
    folder = write_run(tmp_path, arrays=False)
    add(folder, {"brier": 0.3}, hostile)
    text = render(tmp_path, metrics=["brier"])
    assert "No run says what brier means" in text
    assert "\x1b" not in text


def test_a_declaration_keeps_what_it_knows_of_a_later_version() -> None:
    assert parse_measures({"brier": {**BRIER, "colour": "red"}}) == {"brier": BRIER}
    assert len(parse_measures({f"m{i}": BRIER for i in range(10_000)})) == 200


def test_the_longest_base_counts_and_ends_before_an_underscore() -> None:
    bases = ("accuracy", "accuracy_odd")
    assert find_base("accuracy_odd_worst", bases) == "accuracy_odd"
    assert find_base("accuracy_worst", bases) == "accuracy"
    assert find_base("accuracyx", bases) is None
    assert metric("nll_average", {}).head == ("nll", "average")


def registered(**declared: Any) -> Plugins:
    class Module:
        @hookimpl
        def ltbench_metrics(self, register: Any) -> None:
            register("my-score", lambda p: {}, summary="x", **declared)

    plugins = Plugins()
    plugins.add("mine", Module(), "mine", "1")
    return plugins


def test_registration_takes_one_declaration_or_one_for_each_base() -> None:
    one = registered(better="lower", unit="nats")["metrics"].get("my-score")
    assert one.measures == {"my_score": Measure("lower", "nats")}
    several = registered(bases={"a": {"better": "higher"}, "b": BRIER})["metrics"].get("my-score")
    assert set(several.measures) == {"a", "b"}
    assert registered()["metrics"].get("my-score").measures == {}


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"better": "up"}, "better is 'up', neither 'higher' nor 'lower'"),
        ({"unit": "%"}, "better"),
        ({"better": "lower", "head": "h" * 99}, "head is no text of at most 24"),
        ({"better": "lower", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_declaration_makes_a_broken_plugin(declared: dict[str, Any], says: str) -> None:
    (problem,) = registered(**declared).problems()
    assert "metric 'my-score'" in problem
    assert says in problem


def test_only_metrics_declare() -> None:
    class Module:
        @hookimpl
        def ltbench_observers(self, register: Any) -> None:
            register("o", object, summary="x", better="lower")

    plugins = Plugins()
    plugins.add("mine", Module(), "mine", "1")
    assert "only a metric" in plugins.problems()[0]


def test_every_value_of_the_core_is_declared_and_written() -> None:
    names = ["accuracy_zero", "f1_worst_class", "ece", "loss_average", "macro_f1", "unknown"]
    names += [f"accuracy_{shot}_pooled" for shot in ("many", "medium", "few", "zero")]
    names += ["accuracy_worst_tenth", "f1_few", "adjusted_accuracy", "adaptive_ece"]
    for name in ("balanced_accuracy", "gmean", "hmean", "top5_accuracy", "brier_score"):
        names += [name, f"{name}_average"]
    names += ["macro_auroc_worst", "macro_auprc_worst"]
    written = declared_measures(names)
    assert written == {base: MEASURES[base] for base in sorted(MEASURES)}
    assert parse_measures(written) == written
    for entry in get_plugins()["metrics"]:
        assert entry.measures, entry.name


def test_validation_curves_follow_the_declaration(tmp_path: Path) -> None:
    folder = write_run(tmp_path, arrays=False)
    add(folder, {"brier": 0.3}, {"brier": {**BRIER, "unit": "points"}})
    line = {"stage": "erm", "step": 25, "losses": {"total": 1.0}, "val": {"brier": 0.25}}
    (folder / "log.jsonl").write_text(json.dumps(line))
    with style():
        figure, _ = draw_convergence(FigureData(load_runs(tmp_path)), Choices(metric="brier"))
    assert figure.axes[1].get_ylabel() == "validation\npooled Brier score, points"
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.25]
