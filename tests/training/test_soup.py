"""Soups: means of weights, the greedy choice, and the statistics of batch normalisation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ltbench.results.folder import RunFolder
from ltbench.training.checkpoint import clone_state
from ltbench.training.context import open_context
from ltbench.training.soup import (
    SoupModel,
    average,
    difference_of,
    greedy,
    same_weights,
    state_sha256,
)


def state(*values: float, count: int = 3) -> dict[str, torch.Tensor]:
    return {"weight": torch.tensor(values), "steps": torch.tensor(count)}


def test_weights_are_the_mean_and_counters_those_of_the_first():
    found = average([state(1.0, 2.0), state(2.0, 4.0, count=9), state(6.0, 0.0)])
    assert found["weight"].tolist() == [3.0, 2.0]
    assert found["weight"].dtype == torch.float32
    assert found["steps"] == 3


def test_the_mean_of_one_model_taken_often_is_that_model():
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        one = {"weight": values.to(dtype)}
        assert same_weights(average([one] * 7), one), dtype


def test_models_of_other_tensors_have_no_mean():
    other = state(1.0, 2.0, 3.0)
    assert difference_of(state(1.0), other).startswith("'weight' is float32 (1,) in one")
    assert difference_of(state(1.0), {}) == "'steps' is in one of them only"
    with pytest.raises(ValueError, match="'weight'"):
        average([state(1.0), other])
    with pytest.raises(ValueError, match="no models"):
        average([])


def test_the_digest_tells_models_apart():
    same = state_sha256({"steps": torch.tensor(3), "weight": torch.tensor((1.0,))})
    assert state_sha256(state(1.0)) == same
    others = (state(2.0), state(1.0, count=4), {"weight": torch.tensor((1.0,))})
    assert len({same, *map(state_sha256, others)}) == 4
    half = {"weight": torch.tensor((1.0,), dtype=torch.bfloat16)}
    assert len(state_sha256(half)) == 64


def test_greedy_leaves_out_what_harms():
    values = [0.0, 0.2, 4.0, -0.2]

    def score(members):
        return -abs(sum(values[i] for i in members) / len(members))

    trials = greedy(4, score)
    assert [trial.kept for trial in trials] == [True, False, False, False]
    # Wortsman et al. 2022, algorithm 1, by hand: the second lowers the score of the first alone.
    assert [round(trial.value, 3) for trial in trials] == [0.0, -0.1, -2.0, -0.1]
    values[:] = [1.0, -1.0, 9.0, 0.0]
    trials = greedy(4, score)
    assert [trial.kept for trial in trials] == [True, True, False, True], "a tie is taken"


def test_greedy_takes_the_first_and_nothing_without_a_score():
    trials = greedy(3, lambda members: math.nan)
    assert [trial.kept for trial in trials] == [True, False, False]


@pytest.fixture
def soup(make_job, tmp_path):
    def soup(algo="erm", **settings) -> SoupModel:
        job = make_job(algo, **{"backbone": "resnet32", **settings})
        folder = RunFolder(job.folder)
        return SoupModel(open_context(job, folder, lambda _: None, lambda: False))

    return soup


def shaken(model: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        key: value + 0.1 * torch.rand(value.shape, generator=generator)
        if value.is_floating_point()
        else value
        for key, value in clone_state(model).items()
    }


def layers(model: torch.nn.Module) -> list[torch.nn.BatchNorm2d]:
    return [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_statistics_are_those_of_training_images(soup, monkeypatch):
    made = soup(augmentation="none", batch_per_domain=8)
    states = [shaken(made.model, seed) for seed in range(2)]
    seen = []
    first = layers(made.model)[0]
    first.register_forward_pre_hook(lambda _, x: seen.append(x[0].clone()))
    made.load(states, reestimate=True)
    split = made.context.split
    batches = math.ceil((split.part == split.part[split.rows("train")[0]]).sum() / 16)
    assert len(seen) == batches
    expected = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    assert torch.allclose(first.running_mean, expected, atol=1e-5)
    assert first.num_batches_tracked == batches
    assert first.momentum == 0.1, "as it was"
    assert not made.model.training
    averaged = average(states)
    now = made.state()
    for key, value in averaged.items():
        if "running" not in key and "num_batches" not in key:
            assert now[key].equal(value), key


def test_statistics_can_be_averaged_and_frozen_ones_always_are(soup):
    made = soup()
    states = [shaken(made.model, seed) for seed in range(2)]
    made.load(states, reestimate=False)
    assert same_weights(made.state(), average(states))
    frozen = soup(freeze_bn=True)
    assert (made.estimates, frozen.estimates) == (True, False)
    frozen.load(states, reestimate=True)
    assert same_weights(frozen.state(), average(states))


def test_of_a_frozen_base_nothing_is_estimated(soup):
    made = soup("erm+crt")
    assert not made.estimates
    states = [shaken(made.model, seed) for seed in range(2)]
    made.load(states, reestimate=True)
    assert same_weights(made.state(), average(states))


def test_a_soup_of_one_model_is_that_model(soup):
    made = soup()
    one = shaken(made.model, 0)
    made.load([one, clone_state_of(one)], reestimate=True)
    assert same_weights(made.state(), one)


def test_the_same_soup_has_the_same_statistics(soup):
    made = soup(augmentation="crop-flip")
    states = [shaken(made.model, seed) for seed in range(2)]
    made.load(states, reestimate=True)
    first = made.state()
    made.load([states[0]], reestimate=True)
    made.load(states, reestimate=True)
    assert same_weights(made.state(), first)
    assert np.isfinite(made.validate()["loss"])


def clone_state_of(one: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in one.items()}
