"""Which methods are compared seed by seed: what their runs wrote down decides."""

from __future__ import annotations

import json
from pathlib import Path
from zlib import crc32

import pytest
from scipy import stats
from synthetic_runs import write_run

from ltbench.report.analysis import analysis_sections
from ltbench.report.leaderboard import leaderboard_report, load_content
from ltbench.report.render import FORMATS
from ltbench.report.section import Report

SEEDS = 4


def write_log(folder: Path, *lines: tuple[str, int, float]) -> None:
    entries = [
        {"stage": stage, "step": step, "losses": {"total": loss}, "val": {"accuracy": loss / 4},
         "seconds": float(crc32(folder.name.encode()) % 97)}
        for stage, step, loss in lines
    ]  # fmt: skip
    (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """ERM, cRT on it, and an algorithm of its own."""
    for seed in range(SEEDS):
        first = [("erm", 25, 2.0 + seed), ("erm", 50, 1.5 + seed)]
        options = {"seed": seed, "arrays": False}
        write_log(write_run(tmp_path, algo="erm", skill=0.6, **options), *first)  # type: ignore[arg-type]
        staged = write_run(tmp_path, algo="erm", stages=("crt",), skill=0.7, **options)  # type: ignore[arg-type]
        write_log(staged, *first, ("crt", 25, 0.5))
        other = write_run(tmp_path, algo="boda", skill=0.65, **options)  # type: ignore[arg-type]
        write_log(other, ("boda", 25, 2.0 + seed), ("boda", 50, 1.5 + seed))
    return tmp_path


def paired(root: Path) -> list[str]:
    return [row.label for row in load_content(root).boards[0].rows if row.paired]


def test_a_method_is_paired_with_its_own_first_stage(runs: Path) -> None:
    assert paired(runs) == ["erm+crt"]
    found = {label: [] for label in ("erm", "erm+crt")}  # type: dict[str, list[float]]
    for path in sorted(runs.rglob("result.json")):
        result = json.loads(path.read_text())
        found.get(result["label"], []).append(result["test"]["accuracy_worst"])
    rows = {row.label: row for row in load_content(runs).boards[0].rows}
    theirs = stats.ttest_rel(found["erm+crt"], found["erm"])
    assert rows["erm+crt"].comparisons["accuracy_worst"].p == pytest.approx(theirs.pvalue)


def log(runs: Path, method: str, seed: int) -> Path:
    return next(runs.glob(f"*/{method}/*/seed-{seed}/log.jsonl"))


def test_another_first_stage_is_not(runs: Path) -> None:
    path = log(runs, "erm+crt", 2)
    path.write_text(path.read_text().replace('"total": 4.0', '"total": 4.001'))
    assert paired(runs) == []


@pytest.mark.parametrize("damage", ["", "{}\n", "[[[", '{"stage": "erm", "step": []}\n'])
def test_without_a_log_nothing_is_known(runs: Path, damage: str) -> None:
    log(runs, "erm+crt", 1).write_text(damage)
    assert paired(runs) == []


def test_other_seeds_are_not(runs: Path) -> None:
    (log(runs, "erm+crt", 3).parent / "result.json").unlink()
    assert paired(runs) == []


def test_other_hyper_parameters_are_not(tmp_path: Path) -> None:
    for seed in range(SEEDS):
        for hparams, stages in (({}, ()), ({"a": 1}, ("crt",))):
            folder = write_run(tmp_path, hparams=hparams, stages=stages, seed=seed, arrays=False)
            write_log(folder, ("erm", 25, 2.0))
    assert paired(tmp_path) == []


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_so(runs: Path, name: str) -> None:
    content = load_content(runs)
    text = FORMATS[name](leaderboard_report(content))
    if name == "json":
        rows = json.loads(text)["tables"][0]["rows"]
        marks = {row["label"]: row["comparisons"] for row in rows}
        assert marks["erm+crt"]["accuracy_average"]["paired"] is True
        assert marks["boda"]["accuracy_average"]["paired"] is False
    elif name == "csv":
        head, *lines = text.splitlines()
        assert head.endswith(",paired")
        assert [line.endswith("True") for line in lines].count(True) == 1
    else:
        assert "(paired)" in text
        assert "the same stage 1" in " ".join(text.split())
    analysis = FORMATS[name](Report(tuple(analysis_sections(content, resamples=0))))
    assert "paired" in analysis


def test_two_methods_alone_are_analysed_by_their_differences(runs: Path) -> None:
    board = load_content(runs, algos=["erm,erm+crt"]).boards[0]
    assert {test.test for test in board.analysis.omnibus.values()} == {"paired"}
    content = load_content(runs, algos=["erm,erm+crt"])
    text, explained = (
        " ".join(FORMATS["markdown"](leaderboard_report(content, explain=explain)).split())
        for explain in (False, True)
    )
    assert "ANOVA: do the methods differ at all? (of differences seed by seed;" in text
    assert "paired F(1, 3.0)" in explained
    assert "there is no other method to analyse" in text
