"""The setting ``grad_clip`` bounds the gradient of every step, whoever takes it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ltbench.results.protocol import Protocol
from ltbench.training.loop import optimizer_maker
from ltbench.training.run import execute


@pytest.mark.parametrize(
    ("limit", "gradient", "moved"),
    [
        (1.0, [3.0, 4.0], [0.6, 0.8]),  # of norm 5, so a fifth is taken
        (10.0, [3.0, 4.0], [3.0, 4.0]),  # within the limit
        (0.0, [30.0, 40.0], [30.0, 40.0]),  # no limit
    ],
)
def test_a_step_is_as_long_as_the_limit_allows(limit, gradient, moved):
    protocol = Protocol(optimizer="sgd", lr=1.0, momentum=0.0, grad_clip=limit)
    one, other = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = optimizer_maker(protocol)([one, other])
    one.grad, other.grad = (torch.tensor([value]) for value in gradient)
    optimizer.step()
    assert torch.cat([-one, -other]).tolist() == pytest.approx(moved, rel=1e-4)


@pytest.mark.parametrize("algo", ["erm", "mldg", "fish", "dann"])
def test_it_holds_for_algorithms_that_own_their_optimisation(make_job, algo):
    """Steps of next to no length leave a network where one without a learning rate stays."""

    def loss(folder: str, **settings: float) -> float:
        job = make_job(algo, folder=folder, optimizer="sgd", momentum=0.0, **settings)
        return execute(job, lambda _: None, lambda: False)["val"]["loss"]

    still, bound = loss("still", lr=1e-12), loss("bound", lr=0.5, grad_clip=1e-9)
    assert bound == pytest.approx(still, abs=1e-6)
    assert loss("free", lr=0.5) != pytest.approx(still, abs=1e-3)
