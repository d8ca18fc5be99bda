"""Averages of weights against the same averages in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltbench.testing import build_algorithm, build_modifier, train_info

STEPS = 20


class Walk:
    """A modifier of a model whose weights walk at random, and where these have been."""

    def __init__(self, text: str, steps: int = STEPS) -> None:
        self.model = build_algorithm("erm", train_info(steps=steps))
        self.modifier = build_modifier(text, self.model)
        self.generator = torch.Generator().manual_seed(0)
        self.path = [self.here()]

    def here(self) -> np.ndarray:
        return self.model.classifier.weight.detach().double().numpy().copy()

    def go(self, steps: int) -> None:
        for step in range(len(self.path), len(self.path) + steps):
            with torch.no_grad():
                weight = self.model.classifier.weight
                weight += torch.randn(weight.shape, generator=self.generator)
            self.path.append(self.here())
            self.modifier.after_step(step)

    @property
    def average(self) -> np.ndarray | None:
        found = self.modifier.weights()
        return None if found is None else found["classifier.weight"].double().numpy()


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_ema_is_the_recursion(decay):
    walk = Walk(f"ema[decay={decay}]")
    walk.go(STEPS)
    expected = walk.path[0]
    for t, weights in enumerate(walk.path[1:], 1):
        d = min(decay, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * weights
    assert np.allclose(walk.average, expected, atol=1e-5)


def test_without_decay_it_is_the_weights_to_the_bit():
    walk = Walk("ema[decay=0]")
    walk.go(7)
    for name, value in walk.modifier.trained().items():
        assert walk.modifier.weights()[name].equal(value)


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ("start=0.5,cycle=4", [10, 14, 18]),
        ("start=0,cycle=10", [0, 10, 20]),
        ("start=0.75,cycle=1", [15, 16, 17, 18, 19, 20]),
        ("start=1,cycle=1", [19, 20]),
    ],
)
def test_swa_is_the_mean_at_the_ends_of_cycles(options, taken):
    walk = Walk(f"swa[{options}]")
    walk.go(STEPS)
    assert np.allclose(walk.average, np.mean([walk.path[step] for step in taken], 0), atol=1e-5)


def test_before_its_start_swa_gives_nothing():
    walk = Walk("swa[start=0.5]")
    walk.go(9)
    assert walk.average is None
    walk.go(1)
    assert walk.average is not None


def test_a_cycle_is_an_epoch_or_a_tenth_of_what_is_left():
    long = Walk("swa", steps=10_000)
    assert long.modifier.cycle == long.model.train_info.steps_per_epoch
    assert Walk("swa[start=0.5]", steps=60).modifier.cycle == 3
    assert Walk("swa").modifier.cycle == 1


@pytest.mark.parametrize(
    ("options", "factors"),
    [
        ("schedule=constant,lr=0.5", [0.9, 0.9, 0.5, 0.5, 0.5, 0.5]),
        ("schedule=protocol", [0.9] * 6),
        # (1 − t)·α1 + t·α2 with t = 1/2, 1, 1/2, 1
        ("schedule=cyclical,lr=0.5,low=0.1", [0.9, 0.9, 0.3, 0.1, 0.3, 0.1]),
    ],
)
def test_the_rate_of_swa(options, factors):
    walk = Walk(f"swa[start=0.5,cycle=2,{options}]", steps=4)
    assert walk.modifier.start == 2
    assert [walk.modifier.rate(step, 0.9) for step in range(6)] == pytest.approx(factors)


@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (3, 0.2), (1, 0.8)])
def test_lookahead_is_the_algorithm(k, alpha):
    walk = Walk(f"lookahead[k={k},alpha={alpha}]")
    slow = fast = walk.path[0]
    generator = torch.Generator().manual_seed(0)
    for step in range(1, STEPS + 1):
        walk.go(1)
        fast = fast + torch.randn(fast.shape, generator=generator).double().numpy()
        if step % k == 0:
            slow = slow + alpha * (fast - slow)
            fast = slow
        assert np.allclose(walk.here(), fast, atol=1e-4)
        assert np.allclose(walk.average, slow, atol=1e-4)
