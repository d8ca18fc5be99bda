"""Panels of very different ranges show all that is in them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import draw
from ltbench.report.look import style


@pytest.mark.parametrize("sizes", [(5, 40_000), (40_000, 5), (1, 3, 900, 2)])
def test_the_largest_class_of_every_domain_is_within_the_axis(sizes: tuple[int, ...]) -> None:
    counts = np.array([[most, max(1, most // 10), 0] for most in sizes])
    facts = {
        "domains": [f"d{i}" for i in range(len(sizes))],
        "classes": ["a", "b", "c"],
        "counts": {"train": counts, "val": counts, "test": counts},
        "shots": {"many": 100, "few": 20},
    }
    with style():
        figure, frame = draw("distribution", FigureData.of_dataset("made-up", facts), Choices())
    panels = [axis for axis in figure.axes if axis.get_visible()]
    assert len(panels) == len(sizes)
    for panel in panels:
        low, high = panel.get_ylim()
        for marks in panel.collections:
            assert isinstance(marks, PathCollection)
            heights = np.asarray(marks.get_offsets())[:, 1]
            assert ((low < heights) & (heights < high)).all()
    assert frame["train"].max() == max(sizes)
