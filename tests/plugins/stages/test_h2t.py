"""Head-to-tail fusion against the authors' few lines, unrolled by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltbench.testing import build_algorithm, build_stage, random_batch_for, take_steps, train_info

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


def stage_and_batch(options=""):
    base = build_algorithm("erm", train_info(COUNTS)).eval()
    stage = build_stage(f"h2t[{options}]", base)
    return stage, base, random_batch_for(stage, seed=2)


def test_the_loss_is_that_of_features_of_which_some_are_the_second_batchs():
    stage, base, batch = stage_and_batch("share=0.3")
    assert stage.sampling == "class-balanced"
    assert stage.second_sampling == "uniform"
    stage.generator.manual_seed(5)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(5)).numpy()
    with torch.no_grad():
        own, other = (base.features(x).double().numpy() for x in (batch.x, batch.second.x))
        found = float(stage.loss(batch))
    fused = own.copy()
    for place in range(32):
        if order[place] < 9:  # ⌊.3 · 32⌋ of the 32 features
            fused[:, place] = other[:, place]
    assert (fused != own).any(0).sum() <= 9
    w, b = (t.detach().double().numpy() for t in (stage.classifier.weight, stage.classifier.bias))
    z = fused @ w.T + b
    losses = np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), batch.y]
    assert found == pytest.approx(
        np.mean([losses[batch.d == d].mean() for d in range(3)]), rel=1e-5
    )


def test_without_a_share_the_second_batch_does_not_matter():
    stage, base, batch = stage_and_batch("share=0")
    with torch.no_grad():
        own = base.features(batch.x)
        assert stage.fused(own, own + 1).equal(own)
        expected = stage.risks(base.predict(batch.x), batch).mean()  # from the chosen classifier
        torch.testing.assert_close(stage.loss(batch), expected)


def test_a_share_of_one_takes_all_of_the_second_batch():
    stage, base, batch = stage_and_batch("share=1")
    with torch.no_grad():
        own = base.features(batch.x)
        assert stage.fused(own, own + 1).equal(own + 1)


def test_the_network_stays_and_answers_are_of_unfused_features():
    stage, base, batch = stage_and_batch("share=0.5")
    before = base.features(batch.x)
    take_steps(stage, [batch] * 3)
    stage.eval()
    assert base.features(batch.x).equal(before)
    torch.testing.assert_close(stage.predict(batch.x), stage.classifier(before))
