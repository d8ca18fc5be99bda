"""The images of each class, of any part."""

from __future__ import annotations

import numpy as np
import pytest
from ltbench_figures.distribution import draw_distribution

from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.look import style

FACTS = {
    "domains": ["d"],
    "classes": ["rare", "common", "absent"],
    "counts": {
        "train": np.array([[5, 200, 0]]),
        "val": np.array([[20, 21, 22]]),
        "test": np.array([[50, 51, 52]]),
    },
    "shots": {"many": 100, "few": 20, "many_inclusive": False, "few_inclusive": True},
}


@pytest.mark.parametrize(
    ("part", "counts", "words"),
    [
        ("train", [200, 5, 0], "training images"),
        ("val", [21, 20, 22], "validation images"),
        ("test", [51, 50, 52], "test images"),
    ],
)
def test_classes_are_sorted_by_training_images_whatever_is_drawn(part, counts, words):
    with style():
        data = FigureData.of_dataset("its", FACTS)
        figure, frame = draw_distribution(data, Choices(part=part))
    assert frame["class"].tolist() == ["common", "rare", "absent"]
    assert frame["shots"].tolist() == ["many", "few", "zero"]
    drawn = np.concatenate([np.asarray(c.get_offsets()) for c in figure.axes[0].collections])
    heights = drawn[np.argsort(drawn[:, 0]), 1]
    assert heights[:2].tolist() == counts[:2]
    assert heights[2] == counts[2] or 0 < heights[2] < 1  # a class without images stands below one
    assert figure.get_supylabel() == words
    assert f"{sum(counts):,} images" in figure.axes[0].get_title()


def test_shots_of_an_unseen_domain_are_by_the_images_of_its_classes_in_the_others():
    counts = {part: np.array([[5, 200, 0], [0, 0, 0]]) for part in ("train", "val")}
    facts = {**FACTS, "domains": ["d", "new"], "shot_counts": np.array([[5, 200, 0], [5, 200, 0]]),
             "counts": {**counts, "test": np.array([[0, 0, 0], [50, 51, 52]])}}  # fmt: skip
    with style():
        figure, frame = draw_distribution(FigureData.of_dataset("its", facts), Choices(part="test"))
    of = frame[frame["domain"] == "new"].set_index("class")["shots"]
    assert of.to_dict() == {"rare": "few", "common": "many", "absent": "zero"}
    assert "shots of unseen domains by those of all others" in " ".join(
        figure.get_suptitle().split()
    )
