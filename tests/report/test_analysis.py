"""The tables of the full analysis."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from synthetic_runs import write_run

from ltbench.report.analysis import analysis_sections, groups_by_metric
from ltbench.report.leaderboard import load_content
from ltbench.report.render import FORMATS
from ltbench.report.section import Report, Section


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for algo, skill in (("erm", 0.5), ("boda", 0.7), ("focal", 0.5)):
        for seed in range(4):
            write_run(root, algo=algo, seed=seed, skill=skill, per_class=5)
    return root


def sections(root: Path, **options: object) -> dict[str, Section]:
    found = analysis_sections(load_content(root), **options)  # type: ignore[arg-type]
    return {section.title.split(" — ")[0]: section for section in found}


def test_every_analysis_is_there(runs: Path) -> None:
    found = sections(runs, resamples=50, power=0.02)
    assert set(found) >= {
        "Means over seeds", "Analysis of variance (ANOVA) over methods", "Assumptions",
        "All pairs, domain-average accuracy", "All pairs, worst-domain macro-F1", "Against erm",
        "Over test images", "Seeds for 2.0 points of domain-average accuracy",
    }  # fmt: skip
    assert len(found["All pairs, worst-domain accuracy"].frame) == 3
    assert len(found["Over test images"].frame) == 4 * 3


def test_the_classical_analysis_is_scipys_on_the_run_folders(runs: Path) -> None:
    frame = sections(runs, resamples=0)["Analysis of variance (ANOVA) over methods"].frame
    by_label: dict[str, list[float]] = {}
    for path in sorted(runs.rglob("result.json")):
        result = json.loads(path.read_text())
        by_label.setdefault(result["label"], []).append(result["test"]["macro_f1_worst"])
    theirs = stats.f_oneway(*by_label.values())
    row = frame.set_index("metric").loc["macro_f1_worst"]
    assert (row["classical_statistic"], row["classical_p"]) == pytest.approx(
        (theirs.statistic, theirs.pvalue)
    )
    assert (row["classical_df1"], row["classical_df2"]) == (2, 9)
    assert len(frame) == 8


def test_metrics_that_carry_no_claim_are_analysed_as_those_that_do(tmp_path: Path) -> None:
    write_methods(tmp_path, ("erm", 5), ("erm+crt", 5), ("boda", 5), ("focal", 2))
    (board,) = load_content(tmp_path).boards
    groups = groups_by_metric(board)
    assert groups["accuracy_many"].families == groups["accuracy_average"].families
    assert set(groups["accuracy_many"].families or ()) == {"erm", "boda", "focal"}
    variance = sections(tmp_path, resamples=0)["Analysis of variance (ANOVA) over methods"]
    assert set(variance.frame["welch_left_out"]) == {("focal",)}
    assert set(variance.frame["welch_methods"]) == {3}
    assert any("focal where seeds all agree, are fewer than two, or two where others have more"
               in note for note in variance.notes)  # fmt: skip


def write_methods(root: Path, *counts: tuple[str, int]) -> None:
    for method, seeds in counts:
        algo, *stages = method.split("+")
        for seed in range(seeds):
            write_run(root, algo=algo, stages=stages, seed=seed, label=method, arrays=False)


def test_of_many_methods_all_metrics_are_drawn_as_often(tmp_path: Path) -> None:
    write_methods(tmp_path, *((f"m{i}", 2) for i in range(31)))
    frame = sections(tmp_path, resamples=0)["Analysis of variance (ANOVA) over methods"].frame
    chances = frame["welch_p_calibrated"].dropna() * 2_000
    np.testing.assert_allclose(chances, chances.round(), atol=1e-6)


def test_bootstrap_starts_from_the_printed_scores(runs: Path) -> None:
    found = sections(runs, resamples=50)
    images = found["Over test images"].frame.set_index(["metric", "label"])["mean"]
    means = found["Means over seeds"].frame.set_index(["metric", "method"])["mean"]
    for key in images.index:
        assert images[key] == pytest.approx(means[key]), key


def test_runs_without_predictions_or_with_other_images_are_left_out(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, seed=seed, per_class=3)
    paths = sorted(tmp_path.rglob("predictions.npz"))
    paths[0].unlink()
    arrays = dict(np.load(paths[2]))
    np.savez(paths[2], **{**arrays, "class": arrays["class"][::-1]})
    notes = " ".join(sections(tmp_path, resamples=20)["Over test images"].notes)
    assert "is missing" in notes
    assert "other test images" in notes
    for path in paths[1:]:
        path.unlink()
    section = sections(tmp_path, resamples=20)["Over test images"]
    assert section.frame.empty
    assert section.notes[0].startswith("No bootstrap: ")


def test_one_seed_and_one_method_say_what_is_missing(tmp_path: Path) -> None:
    write_run(tmp_path, per_class=2)
    found = sections(tmp_path, resamples=0, power=0.01)
    variance = found["Analysis of variance (ANOVA) over methods"]
    assert variance.frame["welch_p"].isna().all()
    assert any("at least two methods" in note for note in variance.notes)
    assert "two seeds" in found["All pairs, domain-average accuracy"].notes[0]
    assert "unknown" in found["Seeds for 1.0 points of domain-average accuracy"].notes[0]


def test_differences_are_in_the_unit_of_their_own_metric(runs: Path) -> None:
    content = load_content(runs, metrics=["loss", "accuracy_average"])
    found = {s.title.split(" — ")[0]: s for s in analysis_sections(content, resamples=0)}
    against = found["Against erm"]
    for (_, line), row in zip(against.frame.iterrows(), against.grid.body, strict=True):
        metric = content.boards[0].table.metric(line["metric"])
        assert metric.number(line["difference"], sign=True) in row
        assert metric.number(line["low"], sign=True) in row
    assert "for each difference in points (but of loss) alone" in against.notes[0]
    assert found["All pairs, pooled loss"].notes[0].startswith("Differences with 95 %")
    assert found["All pairs, domain-average accuracy"].notes[0].startswith("Differences in points")


def test_groups_are_in_the_order_of_the_table(runs: Path) -> None:
    board = load_content(runs).boards[0]
    groups = groups_by_metric(board)["accuracy_average"]
    assert list(groups.names) == [row.label for row in board.rows]
    assert list(groups.means) == sorted(groups.means, reverse=True)


def test_data_sets_have_mean_ranks_with_intervals(tmp_path: Path) -> None:
    for d in range(3):
        for algo, skill in (("erm", 0.4), ("boda", 0.8)):
            write_run(tmp_path, algo=algo, skill=skill, dataset=f"data-{d}", arrays=False)
    frame = sections(tmp_path, resamples=0)["Across data sets, domain-average accuracy"].frame
    assert frame["method"].tolist() == ["boda", "erm"]
    assert frame["mean_rank"].tolist() == [1, 2]
    half = 1.960 * np.sqrt(2 * 3 / (6 * 3)) / 2
    np.testing.assert_allclose(frame["high"] - frame["mean_rank"], half, rtol=1e-3)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(runs: Path, name: str) -> None:
    text = FORMATS[name](Report(tuple(analysis_sections(load_content(runs), resamples=10))))
    assert "macro_f1_worst" in text.replace("\\", "")
    if name == "json":
        rows = {section["title"].split(" — ")[0]: section["rows"] for section in json.loads(text)}
        assert rows["Against erm"][0]["label"] in {"boda", "focal"}
    if name == "terminal":
        assert max(map(len, text.splitlines())) <= 118
