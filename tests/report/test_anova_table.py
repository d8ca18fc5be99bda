"""The analysis of variance of a leaderboard: a small table, by its name, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from synthetic_runs import write_run

from ltbench.report.leaderboard import FORMATS, leaderboard_report, load_content, render
from ltbench.report.metrics import DECLARED_METRICS
from ltbench.report.render import terminal
from ltbench.report.section import explained_share

ROWS = ("acc average", "acc worst", "F1 average", "F1 worst")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for algo, skill in (("erm", 0.5), ("boda", 0.75), ("bsoftmax", 0.7), ("brl", 0.55)):
        for seed in range(5):
            write_run(root, algo=algo, seed=seed, skill=skill)
    return root


def words(text: str) -> int:
    return len(re.findall(r"\w+", text))


@pytest.mark.parametrize("width", [60, 80, 118])
def test_four_analyses_are_one_small_table(runs: Path, width: int) -> None:
    text = terminal(leaderboard_report(load_content(runs)), width)
    caption, table = re.search(r"(ANOVA:.*?)\n(metric .*?)\n\n", text, re.DOTALL).groups()
    assert " ".join(caption.split()) == (
        "ANOVA: do the methods differ at all? (Welch; p calibrated for few seeds, Holm over these "
        "4 metrics; it does not say which differ)"
    )
    head, rule, *rows = table.splitlines()
    assert head.split() == ["metric", "F", "df", "p", "ω²", "differ"]
    assert set(rule) == {"-", " "}
    assert [row[:11].strip() for row in rows] == list(ROWS)
    assert "not all methods are equal" not in text
    assert max(map(len, text.splitlines())) <= width


def test_notes_are_half_as_long_and_explained_on_request(runs: Path) -> None:
    content = load_content(runs, resamples=50)
    (short,) = leaderboard_report(content).sections
    (long,) = leaderboard_report(content, explain=True).sections
    assert words(" ".join(short.notes)) <= words(" ".join(long.notes)) / 2
    assert not short.findings
    assert [sentence.split(": Welch's F(3, ")[0] for sentence in long.findings] == [
        "Domain-average accuracy", "Worst-domain accuracy", "Domain-average macro-F1",
        "Worst-domain macro-F1",
    ]  # fmt: skip
    said = " ".join(short.notes)
    for what in (
        "± covers other seeds; tests cover other seeds and other test images",
        "rank: places open on acc average, by tests of all pairs (5 % family-wise)",
        "a shared letter means not told apart, not equal",
        "▲ better, ▼ worse than erm: Welch's t, p after Holm over all 12 comparisons, only where "
        "ANOVA finds a difference. No mark: not shown, not equal.",
    ):
        assert what in said
    assert short.grids == long.grids


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"csv", "json"}))
def test_every_format_for_readers_says_anova(runs: Path, name: str) -> None:
    text = render(runs, format=name)
    assert text.count("ANOVA: do the methods differ at all?") == 1
    for row in ROWS:
        assert row in text
    assert "does not suppose equal variances" not in text
    assert "does not suppose equal variances" in render(runs, format=name, explain=True)


def test_csv_and_json_carry_the_analysis(runs: Path) -> None:
    omnibus = json.loads(render(runs, format="json"))["tables"][0]["omnibus"]
    rows = list(csv.DictReader(io.StringIO(render(runs, format="csv"))))
    assert omnibus.keys() == set(DECLARED_METRICS)
    columns = {"f": "statistic", "df1": "df1", "df2": "df2", "p": "p", "p_holm": "p_holm",
               "p_calibrated": "p_calibrated", "omega_squared": "omega_squared"}  # fmt: skip
    for row in rows:
        for metric, test in omnibus.items():
            for column, key in columns.items():
                assert float(row[f"{metric}_anova_{column}"]) == pytest.approx(test[key])
            assert row[f"{metric}_anova_claimed"] == str(test["claimed"])
    assert omnibus["accuracy_average"]["claimed"] is True


def test_what_is_not_shown_is_not_called_equal(tmp_path: Path) -> None:
    for seed in range(3):
        for algo in ("erm", "same"):
            write_run(tmp_path, algo=algo, skill=0.5, seed=seed, arrays=False)
    text = render(tmp_path, metrics=["accuracy_average"])
    assert re.search(r"^acc average +\S+ +1, \S+ +\S+ +\S+ +not shown$", text, re.MULTILINE)
    assert "few seeds; it does not say which differ)" in text
    assert "p after Holm" not in text


def test_where_there_is_none_one_line_says_why(tmp_path: Path) -> None:
    for algo in ("erm", "boda"):
        write_run(tmp_path, algo=algo, arrays=False)
    text = render(tmp_path)
    assert text.count("ANOVA") == 1
    assert "- No ANOVA: it needs at least two methods with two seeds or more" in text
    for seed in range(1, 3):
        for algo in ("erm", "boda"):
            path = write_run(tmp_path, algo=algo, seed=seed, arrays=False) / "result.json"
            document = json.loads(path.read_text())
            document["test"]["macro_f1_worst"] = None
            path.write_text(json.dumps(document))
    text = render(tmp_path)
    assert "- No ANOVA of F1 worst: it needs" in text
    assert re.search(r"^F1 worst +— +— +— +— +—$", text, flags=re.MULTILINE)


def test_shares_of_variance_have_no_zero_before_the_point() -> None:
    assert [explained_share(x) for x in (0.814, 0.0, 1.0, float("nan"))] == [
        ".81",
        ".00",
        "1.00",
        "—",
    ]
