"""Three hundred domains: tables, figures and results stay of a size that can be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.show import show
from ltbench.errors import DataError
from ltbench.evaluation import tested
from ltbench.evaluation.tested import results_of_test
from ltbench.plugins.predictions import Predictions
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import draw as draw_kind
from ltbench.report.trials import Trials
from ltbench.results.documents import read_confusion
from ltbench.results.frame import load_runs
from ltbench.results.scheme import scheme_of, untrained_domains

NAMES = tuple(f"location-{d}" for d in range(70))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    train = np.random.default_rng(0).integers(0, 40, (len(NAMES), 3))
    write_run(root, domains=NAMES, classes=3, train=train, per_class=2)
    return root


def test_show_has_a_line_for_the_domains_with_the_lowest_scores(many: Path) -> None:
    (folder,) = many.glob("*/*/*/seed-0")
    said = CliRunner().invoke(show, [str(folder)]).output
    lines = [line.split()[0] for line in said.splitlines() if line.startswith("location-")]
    assert len(lines) == len(set(lines)) == 12
    assert "Of 70 domains the 12 with the lowest score." in said
    scores = json.loads((folder / "result.json").read_text())["domains"]
    lowest = sorted(NAMES, key=lambda name: scores[name]["macro_f1"])[:12]
    assert max(scores[n]["macro_f1"] for n in lines) == max(scores[n]["macro_f1"] for n in lowest)


def test_the_heat_map_shows_sixty_and_writes_all(many: Path) -> None:
    figure, frame = draw_kind("heatmap", FigureData(load_runs(many), tuning=Trials(())), Choices())
    assert len(figure.axes[0].get_yticks()) == 60
    assert "of the 60 of 70 domains with most test images" in " ".join(
        figure.get_suptitle().split()
    )
    assert frame["domain"].nunique() == 70


def test_the_distribution_shows_the_largest_and_writes_all(many: Path) -> None:
    figure, frame = draw_kind(
        "distribution", FigureData(load_runs(many), tuning=Trials(())), Choices()
    )
    titles = [axis.get_title().partition(":")[0] for axis in figure.axes if axis.get_title()]
    titles = [f"location-{title.removeprefix('…')}" for title in titles]  # shortened
    sizes = frame.groupby("domain")["train"].sum().sort_values(ascending=False)
    assert len(titles) == 12
    assert sizes[titles].min() >= sizes.iloc[11]
    assert frame["domain"].nunique() == 70


def answers(domains: int = 3, classes: int = 5, images: int = 40) -> Any:
    rng = np.random.default_rng(1)
    d, y, guess = (rng.integers(n, size=images) for n in (domains, classes, classes))
    return d, y, guess


def made(classes: int = 5) -> dict[str, Any]:
    d, y, guess = answers(classes=classes)
    found = Predictions(
        y=y,
        d=d,
        prediction=guess,
        confidence=np.full(len(y), 0.5),
        nll=np.full(len(y), 0.7),
        counts=np.ones((3, classes), dtype=np.int64),
        many=100,
        few=20,
    )
    return results_of_test(found, ("a", "b", "c"), {})


def test_a_large_matrix_is_written_by_what_is_not_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made()["confusion"]
    monkeypatch.setattr(tested, "MOST_CELLS", 74)
    sparse = made()["confusion"]
    assert set(sparse["a"]) == {"class", "prediction", "images"}
    read = []
    for number, confusion in enumerate((whole, sparse)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps({"confusion": confusion}))
        read.append(read_confusion(folder, ["a", "b", "c"], 5))
    assert np.array_equal(*read)
    d, y, guess = answers()
    wanted = np.zeros((3, 5, 5), dtype=int)
    for one in zip(d, y, guess, strict=True):
        wanted[one] += 1
    assert np.array_equal(read[0], wanted)


@pytest.mark.parametrize(
    "matrix",
    [
        {},
        {"class": [0], "prediction": [0]},
        {"class": [0, 1], "prediction": [0], "images": [1]},
        {"class": [5], "prediction": [0], "images": [1]},
        {"class": [-1], "prediction": [0], "images": [1]},
        {"class": [0], "prediction": [0], "images": [-1]},
        {"class": [0.5], "prediction": [0], "images": [1]},
        {"class": [True], "prediction": [0], "images": [1]},
        {"class": [2**70], "prediction": [0], "images": [1]},
        {"class": "0", "prediction": [0], "images": [1]},
    ],
)
def test_a_matrix_of_somebody_else_is_judged(matrix: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"confusion": {"a": matrix}}))
    with pytest.raises(DataError, match="does not hold a matrix for each domain"):
        read_confusion(tmp_path, ["a"], 5)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"train": [[1], [0], [0]], "test": [[1], [2], [0]]}, "seen domains and unseen b"),
        ({"train": [[1], [0], [0]], "test": [[1], [2], [1]]}, "seen domains and unseen b, c"),
        ({"train": [[1], [1], [1]], "test": [[1], [2], [1]]}, "seen domains"),
        ({"train": [[1]], "test": [[1]]}, "seen domains"),
        ({"train": 3}, "seen domains"),
        ({"train": [["x"]] * 3, "test": [[1]] * 3}, "seen domains"),
    ],
)
def test_domains_that_test_without_training_are_named(counts: Any, words: str) -> None:
    names = ["a", "b", "c"]
    assert scheme_of({}, names, untrained_domains(names, counts)).evaluation == words
