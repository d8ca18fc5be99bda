"""The command ``ltbench stats``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.stats import stats
from ltbench.errors import UsageError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("runs")
    for algo in ("erm", "boda"):
        for seed in range(3):
            write_run(root, algo=algo, seed=seed, per_class=2)
    return str(root)


def call(*arguments: str) -> str:
    result = CliRunner().invoke(stats, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_prints_all_tables(runs: str) -> None:
    stdout = call(runs, "--resamples", "20", "--power", "2.5")
    for title in ("Means", "Analysis of variance", "Assumptions", "All pairs", "Against erm",
                  "Over test images", "Seeds for 2.5 points"):  # fmt: skip
        assert title in stdout


def test_bootstrap_can_be_left_out_and_power_takes_a_metrics_own_unit(runs: str) -> None:
    titles = [
        section["title"]
        for section in json.loads(
            call(runs, "--resamples", "0", "--format", "json", "--metrics", "loss,accuracy_worst",
                 "--power", "0.1")
        )
    ]  # fmt: skip
    assert not any(title.startswith("Over test images") for title in titles)
    assert any(title.startswith("Seeds for 0.100 nats of pooled loss") for title in titles)


def test_writes_a_file(runs: str, tmp_path: Path) -> None:
    call(runs, "--resamples", "0", "-o", str(tmp_path / "all.md"))
    assert (tmp_path / "all.md").read_text().startswith("### digits-mini-mlt")


def test_no_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There are no runs"):
        call(str(tmp_path))


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six data sets, a method that is better, one that is alike and one that lacks a data set."""
    root = tmp_path_factory.mktemp("six")
    for dataset in range(6):
        for algo, skill in (("erm", 0.5), ("boda", 0.8), ("focal", 0.501), ("ldam", 0.5)):
            if algo == "ldam" and dataset == 0:
                continue
            for seed in range(2):
                folder = write_run(root, algo=algo, seed=seed, skill=skill, per_class=60,
                                   dataset=f"data-{dataset}", arrays=False)  # fmt: skip
                result = json.loads((folder / "result.json").read_text())
                result["test"]["loss"] = 1 - skill + 0.001 * seed
                (folder / "result.json").write_text(json.dumps(result))
    return str(root)


def pairs(root: str, *arguments: str) -> tuple[dict[str, dict[str, object]], str]:
    sections = json.loads(call(root, "--resamples", "0", "--format", "json", *arguments))
    found = next(s for s in sections if s["title"].startswith("Pairs across data sets"))
    return {row["method"]: row for row in found["rows"]}, " ".join(found["notes"])


def test_pairs_across_data_sets_may_be_practically_equal(six: str) -> None:
    rows, notes = pairs(six, "--rope", "3")
    assert set(rows) == {"boda", "focal"}
    assert rows["boda"]["verdict"] == "better"
    assert rows["focal"]["verdict"] == "practically equal"
    assert rows["focal"]["rope"] == pytest.approx(0.03)
    assert "within ±3.0 points" in notes
    scores = {(path.parts[-5], path.parts[-4]): [] for path in Path(six).rglob("result.json")}  # type: dict[tuple[str, str], list[float]]
    for path in Path(six).rglob("result.json"):
        value = json.loads(path.read_text())["test"]["accuracy_average"]
        scores[path.parts[-5], path.parts[-4]].append(value)
    means = [sum(scores[f"data-{d}", "boda"]) / 2 - sum(scores[f"data-{d}", "erm"]) / 2
             for d in range(6)]  # fmt: skip
    assert rows["boda"]["difference"] == pytest.approx(sum(means) / 6)
    assert rows["boda"]["low"] < rows["boda"]["difference"] < rows["boda"]["high"]  # type: ignore[operator]
    assert rows["boda"]["improvement"] == 1


def test_the_region_is_a_point_unless_told_otherwise(six: str) -> None:
    rows, notes = pairs(six)
    assert rows["boda"]["rope"] == pytest.approx(0.01)
    assert "within ±1.0 points (--rope)" in notes
    narrow, _ = pairs(six, "--rope", "0")
    assert narrow["focal"]["equal"] == 0


def test_a_loss_has_no_region_of_its_own_and_less_is_better(six: str) -> None:
    rows, notes = pairs(six, "--metrics", "loss")
    assert rows["boda"]["worse"] is None
    assert "say with --rope" in notes
    rows, _ = pairs(six, "--metrics", "loss", "--rope", "0.001")
    assert rows["boda"]["difference"] < 0  # type: ignore[operator]
    assert rows["boda"]["verdict"] == "better"


def test_another_reference_and_none(six: str) -> None:
    rows, _ = pairs(six, "--reference", "boda")
    assert rows["erm"]["verdict"] == "worse"
    _, notes = pairs(six, "--reference", "ldam")
    assert "It takes a reference" in notes


@pytest.mark.parametrize("name", ["terminal", "markdown", "csv", "html", "latex"])
def test_every_format_shows_the_pairs(six: str, name: str) -> None:
    text = call(six, "--resamples", "0", "--format", name)
    assert "Pairs across data sets" in text
    assert "practically" in text or "equal" in text


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "x"])
@pytest.mark.parametrize("option", ["--rope", "--power"])
def test_points_are_a_number(runs: str, option: str, value: str) -> None:
    result = CliRunner().invoke(stats, [runs, option, value])
    assert result.exit_code == 2
    assert option in result.output


def test_few_data_sets_say_what_is_missing(tmp_path: Path) -> None:
    for dataset in range(4):
        for algo in ("erm", "boda"):
            write_run(tmp_path, algo=algo, dataset=f"data-{dataset}", arrays=False)
    rows, notes = pairs(str(tmp_path))
    assert rows["boda"]["low"] is None
    assert rows["boda"]["equal"] is not None
    assert "No verdict on 4 data sets" in notes
    assert "no interval where a method has one seed" in notes
    _, notes = pairs(str(tmp_path), "--dataset", "data-0,data-1")
    assert "takes 3 data sets or more, and there are 2" in notes
