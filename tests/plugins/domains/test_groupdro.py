from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.groupdro import GroupDRO

from ltbench.api import UsageError


def test_without_steps_of_the_weights_it_is_erm(tiny):
    batch = tiny.batch()
    ours = tiny.algorithm(GroupDRO, eta=0).loss(batch)
    torch.testing.assert_close(ours, tiny.algorithm(ERM).loss(batch))


def test_weights_follow_the_exponentiated_gradient(tiny, cross_entropies):
    model = tiny.algorithm(GroupDRO, eta=0.5)
    q = np.full(3, 1 / 3)
    for seed in range(4):
        batch = tiny.batch(seed=seed)
        risks = cross_entropies(model.predict(batch.x).detach(), batch.y).reshape(3, 6).mean(1)
        q = q * np.exp(0.5 * risks)
        q /= q.sum()
        assert float(model.loss(batch).detach()) == pytest.approx(q @ risks, abs=1e-6)
        np.testing.assert_allclose(model.log_q.exp(), q, atol=1e-6)


def test_pairs_absent_from_the_batch_keep_their_odds(tiny, cross_entropies):
    model, batch = tiny.algorithm(GroupDRO, eta=0.5, groups="pair"), tiny.batch()
    nll = cross_entropies(model.predict(batch.x).detach(), batch.y)
    present = (tiny.counts > 0).numpy()
    q = present / present.sum()
    risks = np.zeros((3, 5))
    drawn = np.zeros((3, 5), dtype=bool)
    for d, c in zip(batch.d.numpy(), batch.y.numpy(), strict=True):
        risks[d, c] = nll[(batch.d.numpy() == d) & (batch.y.numpy() == c)].mean()
        drawn[d, c] = True
    q = q * np.exp(0.5 * risks)
    q /= q.sum()
    expected = (q * risks)[drawn].sum() / q[drawn].sum()
    assert float(model.loss(batch).detach()) == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(model.log_q.exp().view(3, 5), q, atol=1e-6)


def test_a_pair_without_training_images_never_has_weight(tiny):
    model = tiny.algorithm(GroupDRO, groups="pair", eta=0.1)
    for seed in range(3):
        model.loss(tiny.batch(seed=seed))
    q = model.log_q.exp().view(3, 5)
    assert torch.equal(q == 0, tiny.counts == 0)


def test_weights_are_checkpointed(tiny):
    model = tiny.algorithm(GroupDRO)
    model.loss(tiny.batch())
    other = tiny.algorithm(GroupDRO)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.log_q, model.log_q)


def test_the_worst_domain_counts_most(tiny):
    model, batch = tiny.algorithm(GroupDRO, eta=5), tiny.batch()
    risks = model.risks(model.predict(batch.x), batch)
    model.loss(batch)
    assert int(model.log_q.argmax()) == int(risks.argmax())


@pytest.mark.parametrize("groups", ["domain", "pair"])
def test_one_domain_and_one_class_are_enough(tiny, groups):
    model = tiny.algorithm(GroupDRO, domains=1, groups=groups)
    batch = tiny.batch(domains=1, single_class=True)
    torch.testing.assert_close(
        model.loss(batch), tiny.algorithm(ERM, domains=1).loss(batch), rtol=1e-5, atol=1e-6
    )


def test_pairs_and_a_loss_per_domain_are_refused():
    with pytest.raises(UsageError, match="one risk per domain"):
        GroupDRO.HParams.from_options({"groups": "pair", "loss": "bsoftmax"}, "groupdro")
