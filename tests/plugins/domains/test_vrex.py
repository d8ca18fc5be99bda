from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.vrex import VREx


@pytest.mark.parametrize(("step", "weight"), [(0, 1), (499, 1), (500, 10), (4000, 10)])
def test_total_is_the_mean_plus_the_weighted_variance(tiny, cross_entropies, step, weight):
    batch, model = tiny.batch(), tiny.ready(tiny.algorithm(VREx), step=step)
    nll = cross_entropies(model.predict(batch.x).detach(), batch.y).reshape(3, 6).mean(1)
    expected = nll.mean() + weight * np.mean((nll - nll.mean()) ** 2)
    assert float(model.loss(batch)["total"].detach()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("step", [0, 1000])
def test_without_weight_it_is_erm(tiny, step):
    batch, model = tiny.batch(), tiny.ready(tiny.algorithm(VREx, weight=0), step=step)
    torch.testing.assert_close(model.loss(batch)["total"], tiny.algorithm(ERM).loss(batch))


def test_the_optimiser_starts_anew_at_the_switch(tiny):
    model = tiny.ready(tiny.algorithm(VREx), tiny.adam, step=499)
    first = model.optimizers["main"]
    model.before_step(500, tiny.training)
    assert model.optimizers["main"] is not first
