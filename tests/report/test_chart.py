"""Pictures of curves whose numbers leave no room between them, or more than there is."""

from __future__ import annotations

import pytest

from ltbench.report.chart import Curve, draw


@pytest.mark.parametrize(
    "values",
    [(1e299, 1e299), (0.0, 5e-324), (-9e299, 9e299), (5e-324, 9e299), (1e16, 1e16 + 2)],
)
def test_any_two_numbers_can_be_drawn(values: tuple[float, float]) -> None:
    low, high = values
    for points in ([(low, 1.0), (high, 2.0)], [(1.0, low), (2.0, high)], [(low, low)]):
        lines = draw([Curve("loss", [points])], borders=[(low, "crt"), (high, "lws")])
        assert len(lines) > 12
