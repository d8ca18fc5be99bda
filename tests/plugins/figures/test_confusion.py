"""The confusion matrix: confused classes stand together, and its numbers are those of the runs."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ltbench_figures.seriation import seriation
from synthetic_runs import write_run

from ltbench.errors import UsageError
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import draw
from ltbench.report.look import style
from ltbench.results.documents import read_confusion
from ltbench.results.frame import Runs, load_runs


def planted(groups: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix whose classes are confused within groups alone, and the groups."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(groups), each))
    counts = np.where(group[:, None] == group, rng.integers(1, 6, (len(group),) * 2), 0)
    counts[np.diag_indices(len(group))] = 60
    return counts, group


@pytest.mark.parametrize(("groups", "each"), [(2, 5), (13, 5), (69, 5)])
def test_confused_classes_stand_together(groups: int, each: int) -> None:
    counts, group = planted(groups, each)
    found = seriation(counts)
    assert sorted(found.order) == list(range(groups * each))
    changes = np.count_nonzero(np.diff(group[found.order]))
    assert changes == groups - 1
    assert (found.gaps[np.diff(group[found.order]) != 0] > 0.99).all()


def test_neighbours_of_a_chain_are_those_of_the_chain() -> None:
    chain = np.random.default_rng(3).permutation(9)
    counts = np.diag(np.full(9, 50))
    for a, b in itertools.pairwise(chain):
        counts[a, b] = counts[b, a] = 10
    order = seriation(counts).order.tolist()
    pairs = {frozenset(pair) for pair in itertools.pairwise(chain.tolist())}
    kept = sum(frozenset(pair) in pairs for pair in itertools.pairwise(order))
    assert kept >= 7


def test_groups_are_as_many_as_asked_and_none_is_small() -> None:
    counts, _ = planted(69, 5)
    groups = seriation(counts).groups(24, 8)
    assert len(groups) == 24
    assert min(map(len, groups)) >= 8
    assert max(map(len, groups)) <= 40
    assert np.concatenate(groups).tolist() == seriation(counts).order.tolist()


def test_classes_without_images_or_errors_have_a_place() -> None:
    assert seriation(np.zeros((4, 4), int)).order.tolist() == [0, 1, 2, 3]
    assert seriation(np.diag([3, 0, 2])).order.tolist() == [0, 1, 2]
    assert seriation(np.array([[2]])).order.tolist() == [0]


def drawn(runs: Runs, **choices: object):
    with style():
        figure, frame = draw("confusion", FigureData(runs), Choices(**choices))  # type: ignore[arg-type]
        figure.canvas.draw()
    return figure, frame


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        write_run(root, seed=seed, per_class=6, skill=0.6)
    write_run(root, algo="boda", per_class=6)
    return root


def of_erm(root: Path) -> Runs:
    runs = load_runs(root)
    return runs.where((runs.table["label"] == "erm").to_numpy())


def test_counts_and_shares_are_those_of_the_runs(root: Path) -> None:
    runs = of_erm(root)
    domains = ["mnist", "mnist-m", "optdigits"]
    matrices = [read_confusion(Path(p), domains, 10) for p in runs.table["path"]]
    for choices, expected in (
        ({}, sum(matrices).sum(0)),
        ({"seed": 1}, matrices[list(runs.table["seed"]).index(1)].sum(0)),
        ({"domain": "mnist-m"}, sum(matrices)[1]),
    ):
        figure, frame = drawn(runs, **choices)
        cells = np.zeros((10, 10))
        names = [f"class {c}" for c in range(10)]
        for row in frame.itertuples(index=False):
            y, guess = names.index(row[1]), names.index(row.prediction)
            cells[y, guess] = row.images
            assert row.share == pytest.approx(row.images / expected[y].sum())
        assert (cells == expected).all()
        texts = {text.get_text() for text in figure.axes[0].texts}
        assert {int(re.sub(r".*\n", "", t)) for t in texts} == set(expected[expected > 0])
        assert all("%" in text for text in texts)
        rows = frame.drop_duplicates("place").sort_values("place")["class"].tolist()
        assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == rows


def test_many_classes_stand_in_labelled_groups(tmp_path: Path) -> None:
    write_run(tmp_path, classes=345, domains=("a", "b"), per_class=2, dataset="big", arrays=False)
    figure, frame = drawn(load_runs(tmp_path))
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert 5 <= len(labels) <= 24
    assert sum(int(re.search(r"\((\d+)\)", label)[1]) for label in labels) == 345  # type: ignore[index]
    assert not figure.axes[0].texts
    assert isinstance(frame, pd.DataFrame)


def test_an_unseen_domain_is_the_test(tmp_path: Path) -> None:
    write_run(tmp_path, options={"unseen": "optdigits"}, per_class=5)
    _, frame = drawn(load_runs(tmp_path))
    assert frame["images"].sum() == 50


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [({"domain": "mnist-n"}, "did you mean 'mnist-m'"), ({"seed": 7}, "seed 7 is done")],
)
def test_what_is_not_there_is_said(root: Path, choices: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        drawn(of_erm(root), **choices)
    with pytest.raises(UsageError, match="choose with --algo"):
        drawn(load_runs(root))
