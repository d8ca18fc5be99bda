"""DANN and CDANN: which player moves, and in which direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_domains.cdann import CDANN
from ltbench_domains.dann import DANN


def snapshot(module):
    return [p.detach().clone() for p in module.parameters()]


def moved(module, before):
    return [not torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True)]


@pytest.mark.parametrize("cls", [DANN, CDANN])
class TestBothPlayers:
    def test_take_turns(self, tiny, cls):
        model = tiny.ready(tiny.algorithm(cls, d_steps=2))
        turns = []
        for step in range(6):
            model.before_step(step, tiny.training)
            discriminator, features = snapshot(model.discriminator), snapshot(model.backbone)
            classifier = snapshot(model.classifier)
            model.step(tiny.batch(seed=step))
            discriminates = any(moved(model.discriminator, discriminator))
            turns.append("d" if discriminates else "f")
            assert any(moved(model.backbone, features)) != discriminates
            assert any(moved(model.classifier, classifier)) != discriminates
        assert turns == ["d", "d", "f", "d", "d", "f"]

    def test_go_down_their_own_objective(self, tiny, cls):
        """Each parameter's move is −0.1 times the finite difference of its player's objective."""
        batch, model = tiny.batch(), tiny.ready(tiny.algorithm(cls, weight=0.7))

        def of_discriminator():
            return float(model.domain_loss(model.features(batch.x), batch).detach())

        def of_features():
            logits = model.predict(batch.x)
            risk = float(model.risks(logits, batch).mean().detach())
            return risk - 0.7 * of_discriminator()

        for step, objective, parameter in [
            (0, of_discriminator, list(model.discriminator.parameters())[-2]),
            (1, of_features, model.backbone.linear.weight),
            (1, of_features, model.classifier.weight),
        ]:
            expected = []
            places = [(0, 0), (1, 2), (2, 3)]
            for i, j in places:
                values = []
                for sign in (1, -1):
                    with torch.no_grad():
                        parameter[i, j] += sign * 1e-6
                        values.append(objective())
                        parameter[i, j] -= sign * 1e-6
                expected.append(-0.1 * (values[0] - values[1]) / 2e-6)
            state = {k: v.clone() for k, v in model.state_dict().items()}
            before = parameter.detach().clone()
            model.before_step(step, tiny.training)
            model.step(batch)
            ours = [float((parameter - before)[i, j].detach()) for i, j in places]
            assert ours == pytest.approx(expected, abs=1e-8)
            model.load_state_dict(state)

    def test_a_batch_of_a_single_class_is_finite(self, tiny, cls):
        model = tiny.ready(tiny.algorithm(cls))
        for step in range(2):
            model.before_step(step, tiny.training)
            losses = model.step(tiny.batch(single_class=True))
            assert all(torch.isfinite(value) for value in losses.values())

    def test_beta1_is_for_adam_alone(self, tiny, cls):
        model = tiny.ready(tiny.algorithm(cls), tiny.adam)
        betas = {o.param_groups[0]["betas"] for o in model.optimizers.values()}
        assert betas == {(0.5, 0.9)}
        tiny.ready(tiny.algorithm(cls), tiny.sgd)


def test_dann_has_the_cross_entropy_of_the_domains(tiny, cross_entropies):
    batch, model = tiny.batch(), tiny.algorithm(DANN)
    features = model.features(batch.x)
    expected = cross_entropies(model.discriminator(features).detach(), batch.d).mean()
    assert float(model.domain_loss(features, batch).detach()) == pytest.approx(expected, abs=1e-9)


def test_cdann_conditions_on_the_class_and_balances_it(tiny, cross_entropies):
    batch, model = tiny.batch(), tiny.algorithm(CDANN)
    features = model.features(batch.x)
    embedding = model.discriminator.embedding.weight.detach()
    inner = model.discriminator.discriminator
    nll = cross_entropies(inner(features + embedding[batch.y]).detach(), batch.d)
    y = batch.y.numpy()
    expected = np.mean([nll[y == c].mean() for c in np.unique(y)])
    assert float(model.domain_loss(features, batch).detach()) == pytest.approx(expected, abs=1e-9)


def test_the_discriminators_step_spares_the_class_embedding_of_absent_classes(tiny):
    model = tiny.ready(tiny.algorithm(CDANN))
    before = model.discriminator.embedding.weight.detach().clone()
    model.before_step(0, tiny.training)
    model.step(tiny.batch(single_class=True))
    changed = (model.discriminator.embedding.weight != before).any(1)
    assert changed.tolist() == [False, False, True, False, False]
