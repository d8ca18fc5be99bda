"""Parameters and multiply-adds."""

from __future__ import annotations

import pytest

from ltbench.evaluation.cost import multiply_adds, parameter_count
from ltbench.testing import build_algorithm, train_info

CONVOLUTION = 5 * 5 * 8 * 3 * 3 * 3  # outputs × channels × kernel × inputs
PARAMETERS = 8 * 27 + 8 + 2 * 8 + 32 * 5 + 5


@pytest.mark.parametrize(
    ("name", "macs", "parameters"),
    [
        ("erm", CONVOLUTION + 32 * 5, PARAMETERS),
        ("balpoe[scale=0]", 3 * (CONVOLUTION + 32 * 5), 3 * PARAMETERS),
        ("balpoe", 3 * (CONVOLUTION + 32 * 5), 3 * (PARAMETERS - 5)),  # cosines have no bias
        ("balpoe[shared=true]", CONVOLUTION + 3 * 32 * 5, PARAMETERS + 2 * 32 * 5 - 5),
    ],
)
def test_costs_by_hand(name: str, macs: int, parameters: int) -> None:
    model = build_algorithm(name, train_info())
    assert multiply_adds(model) == macs
    assert parameter_count(model) == parameters
    assert model.training
