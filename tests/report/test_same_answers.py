"""Methods whose runs came to the same are named: a row that is another's is no evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_runs import write_run

from ltbench.report.leaderboard import load_content, render
from ltbench.report.same_answers import same_labels

NOTE = "have the same scores to the last digit at every seed that they share"


def set_scores(folder: Path, scores: dict[str, float]) -> None:
    path = folder / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps({**result, "test": {**result["test"], **scores}}))


def copy_scores(of: Path, to: Path) -> None:
    set_scores(to, json.loads((of / "result.json").read_text())["test"])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four methods: ``fishr`` is ``erm``, ``swad`` is at one of two seeds, ``boda`` never."""
    for seed in range(3):
        erm = write_run(tmp_path, algo="erm", seed=seed, arrays=False)
        set_scores(erm, {"loss": 1 + seed / 7})
        for algo, same in (("fishr", True), ("miro", seed == 0), ("boda", False)):
            if algo == "fishr" and seed == 2:
                continue
            other = write_run(tmp_path, algo=algo, seed=seed, arrays=False)
            copy_scores(erm, other)
            set_scores(other, {"loss": 1 + seed / 7 + (0 if same else 1e-15)})
    return tmp_path


def test_equal_at_every_shared_seed_is_said(runs):
    (board,) = load_content(runs).boards
    assert [sorted(labels) for labels in same_labels(board)] == [["erm", "fishr"]]
    for format in ("terminal", "markdown", "html", "json"):
        text = " ".join(render(runs, format=format).split())
        assert f"erm, fishr {NOTE}" in text or f"fishr, erm {NOTE}" in text
    assert NOTE not in render(runs, algos=["erm", "boda", "miro"])


def test_other_seeds_tell_nothing(tmp_path):
    erm = write_run(tmp_path, algo="erm", seed=0, arrays=False)
    set_scores(erm, {"loss": 1.5})
    copy_scores(erm, write_run(tmp_path, algo="fishr", seed=1, arrays=False))
    assert NOTE not in render(tmp_path)


def test_two_that_differ_are_not_equal_for_agreeing_with_a_third(tmp_path):
    """``erm`` lacks the seed at which ``swad`` and ``miro`` are not the same."""
    erm = write_run(tmp_path, algo="erm", seed=0, arrays=False)
    set_scores(erm, {"loss": 1.5})
    for algo, seed in (("swad", 0), ("swad", 1), ("miro", 0), ("miro", 1)):
        run = write_run(tmp_path, algo=algo, seed=seed, arrays=False)
        copy_scores(erm, run)
        set_scores(run, {"loss": 2.5 if (algo, seed) == ("miro", 1) else 1.5})
    (board,) = load_content(tmp_path).boards
    (labels,) = same_labels(board)
    assert not {"swad", "miro"} <= set(labels)
    assert len(labels) == 2


@pytest.mark.parametrize("loss", [None, float("nan")])
def test_accuracies_alone_may_be_equal_by_chance(tmp_path, loss):
    erm = write_run(tmp_path, algo="erm", seed=0, arrays=False)
    other = write_run(tmp_path, algo="fishr", seed=0, arrays=False)
    copy_scores(erm, other)
    for folder in (erm, other):
        result = json.loads((folder / "result.json").read_text())
        del result["test"]["loss"]
        (folder / "result.json").write_text(json.dumps(result))
        if loss is not None:
            set_scores(folder, {"loss": loss})
    assert NOTE not in " ".join(render(tmp_path).split())


def test_several_groups_are_apart(tmp_path):
    for group, algos in enumerate((("erm", "fishr", "vrex"), ("boda", "brl"))):
        first = None
        for algo in algos:
            one = write_run(tmp_path, algo=algo, seed=0, arrays=False)
            first = first or one
            copy_scores(first, one)
            set_scores(one, {"loss": 1.0 + group})
    (board,) = load_content(tmp_path).boards
    found = sorted(sorted(labels) for labels in same_labels(board))
    assert found == [["boda", "brl"], ["erm", "fishr", "vrex"]]
