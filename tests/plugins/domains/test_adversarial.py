"""DANN and CDANN: which player moves, and in which direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_domains.cdann import CDANN
from ltbench_domains.dann import DANN

from ltbench.results.protocol import Protocol
from ltbench.testing import SmallTraining, build_algorithm, random_batch, train_info
from ltbench.training.optimizers import optimizer_maker


@pytest.mark.parametrize("cls", [DANN, CDANN])
class TestBothPlayers:
    def test_go_down_their_own_objectives_one_after_the_other(self, tiny, cls):
        """A move is −0.1 times the finite difference of the player's objective at its turn."""
        model = tiny.ready(tiny.algorithm(cls, weight=0.7, d_steps=2, width=24))
        batch = tiny.batch()

        def of_discriminator():
            return float(model.domain_loss(model.features(batch.x), batch).detach())

        def of_features():
            logits = model.predict(batch.x)
            risk = float(model.risks(logits, batch).mean().detach())
            return risk - 0.7 * of_discriminator()

        def descend(module, objective):
            """Take one step of plain descent by finite differences, in place."""
            slopes = []
            for parameter in module.parameters():
                slope = torch.zeros_like(parameter)
                for place in np.ndindex(*parameter.shape):
                    values = []
                    for sign in (1, -1):
                        with torch.no_grad():
                            parameter[place] += sign * 1e-6
                            values.append(objective())
                            parameter[place] -= sign * 1e-6
                    slope[place] = (values[0] - values[1]) / 2e-6
                slopes.append(slope)
            return slopes

        def apply(module, slopes):
            with torch.no_grad():
                for parameter, slope in zip(module.parameters(), slopes, strict=True):
                    parameter.sub_(0.1 * slope)

        start = {k: v.clone() for k, v in model.state_dict().items()}
        model.before_step(0, tiny.training)
        model.step(batch)
        ours = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(start)
        given = model.features(batch.x).detach()  # which the discriminator does not change
        for _ in range(2):
            slopes = descend(
                model.discriminator, lambda: float(model.domain_loss(given, batch).detach())
            )
            apply(model.discriminator, slopes)
        players = (model.backbone, model.classifier)
        slopes = [descend(player, of_features) for player in players]
        for player, of_player in zip(players, slopes, strict=True):
            apply(player, of_player)
        for key, value in model.state_dict().items():
            torch.testing.assert_close(ours[key], value, atol=1e-6, rtol=0, msg=key)

    def test_a_batch_of_a_single_class_is_finite(self, tiny, cls):
        model = tiny.ready(tiny.algorithm(cls))
        for step in range(2):
            model.before_step(step, tiny.training)
            losses = model.step(tiny.batch(single_class=True))
            assert all(torch.isfinite(value) for value in losses.values())

    @pytest.mark.parametrize(("d_steps", "turns"), [(1, "FDFDFDF"), (2, "DFDDFDD"), (3, "DDFDDDF")])
    def test_alternating_moves_one_player_a_step_as_the_benchmark_does(
        self, tiny, cls, d_steps, turns
    ):
        """Of (count % (1 + d_steps)) < d_steps, with the count from 1, is the discriminator.

        The turns are those that the class says.
        """
        model = tiny.ready(tiny.algorithm(cls, alternate=True, d_steps=d_steps))
        moved = []
        for step in range(7):
            before = {k: v.clone() for k, v in model.state_dict().items()}
            model.before_step(step, tiny.training)
            model.step(tiny.batch(seed=step))
            after = model.state_dict()
            changed = {k.partition(".")[0] for k, v in after.items() if not v.equal(before[k])}
            moved.append("D" if changed == {"discriminator"} else "F")
            assert changed in ({"discriminator"}, {"backbone", "classifier"})
        expected = ["D" if count % (1 + d_steps) < d_steps else "F" for count in range(1, 8)]
        assert moved == expected == list(turns)

    def test_alternating_moves_as_far_as_the_same_player_would_alone(self, tiny, cls):
        batch = tiny.batch()
        model = tiny.ready(tiny.algorithm(cls, alternate=True, weight=0.7))
        start = {k: v.clone() for k, v in model.state_dict().items()}
        objective = model.risks(model.predict(batch.x), batch).mean()
        objective = objective - 0.7 * model.domain_loss(model.features(batch.x), batch)
        model.zero_grad()
        objective.backward()
        slopes = {k: p.grad.clone() for k, p in model.named_parameters()}
        model.before_step(0, tiny.training)
        model.step(batch)
        for key, value in model.state_dict().items():
            moves = key.startswith(("backbone", "classifier"))
            expected = start[key] - 0.1 * slopes[key] if moves else start[key]
            torch.testing.assert_close(value, expected, msg=key)

    def test_beta1_is_for_adam_alone(self, tiny, cls):
        model = tiny.ready(tiny.algorithm(cls), tiny.adam)
        betas = {o.param_groups[0]["betas"] for o in model.optimizers.values()}
        assert betas == {(0.5, 0.9)}
        tiny.ready(tiny.algorithm(cls), tiny.sgd)

    @pytest.mark.parametrize(
        ("name", "betas"), [("adamw", (0.3, 0.9)), ("adan", (0.3, 0.9, 0.99)), ("sgd", None)]
    )
    def test_it_takes_its_steps_by_any_optimiser(self, cls, name, betas):
        """Adan has a third beta, which stays its own."""
        model = build_algorithm(f"{cls.__name__.lower()}[beta1=0.3]", train_info())
        model.optimizers = model.configure_optimizers(optimizer_maker(Protocol(optimizer=name)))
        found = {o.param_groups[0].get("betas") for o in model.optimizers.values()}
        assert found == {betas}
        model.before_step(0, SmallTraining(model, random_batch(model.train_info)))
        losses = model.step(random_batch(model.train_info))
        assert all(torch.isfinite(value) for value in losses.values())


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
