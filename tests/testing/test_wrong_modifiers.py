"""Modifiers that are wrong in one way each are found, by the point that asks for it."""

from __future__ import annotations

import pytest
import torch

from ltbench.api import HParams, Modifier, hparam


class Sound(Modifier):
    """Mean of the weights (Polyak and Juditsky, 1992)."""

    def __init__(self, model, hparams):
        super().__init__(model, hparams)
        self.count = 0
        self.mean = {name: p.detach().clone() for name, p in self.trained().items()}

    @torch.no_grad()
    def after_step(self, step):
        self.count += 1
        for name, parameter in self.trained().items():
            self.mean[name].lerp_(parameter, 1 / self.count)

    def weights(self):
        return self.mean

    def state_dict(self):
        return {"count": self.count, "mean": self.mean}

    def load_state_dict(self, state):
        self.count = state["count"]
        for name, value in self.mean.items():
            value.copy_(state["mean"][name])


class Forgets(Sound):
    """Forgets how many weights there were (2026)."""

    def state_dict(self):
        return {"count": 1, "mean": self.mean}


class Invents(Sound):
    """Gives weights that nobody has (2026)."""

    def weights(self):
        return {**self.mean, "second head": torch.zeros(3)}


class Reshapes(Sound):
    """Gives weights of another shape (2026)."""

    def weights(self):
        return {name: value.flatten() for name, value in self.mean.items()}


class Divides(Sound):
    """Divides by nothing (2026)."""

    def weights(self):
        return {name: value / 0 for name, value in self.mean.items()}


class Moves(Sound):
    """Changes the weights in training where it is asked for others (2026)."""

    def weights(self):
        with torch.no_grad():
            for parameter in self.trained().values():
                parameter.mul_(0.5)
        return self.mean


class Stands(Modifier):
    """Takes no step (2026)."""

    def step(self, batch, take):
        return {"total": torch.zeros(())}


class Attached(Modifier):
    """Returns losses with their graphs (2026)."""

    def step(self, batch, take):
        losses = self.model.named_losses(batch)
        self.model.minimize(losses["total"])
        return losses


class Hasty(Modifier):
    """Takes a step at every batch, whatever belongs to one (2026)."""

    def step(self, batch, take):
        self.model.optimizers["main"].zero_grad()
        losses = self.model.named_losses(batch)
        self.model.to_differentiate(losses["total"]).backward()
        self.model.optimizers["main"].step()
        return {name: value.detach() for name, value in losses.items()}


class Unscaled(Modifier):
    """Steps down the gradients of a scaled loss as if they were the loss's (2026)."""

    def step(self, batch, take):
        self.model.optimizers["main"].zero_grad()
        losses = self.model.named_losses(batch)
        self.model.to_differentiate(losses["total"]).backward()
        if not self.model.accumulating:
            self.model.optimizers["main"].step()
        return {name: value.detach() for name, value in losses.items()}


class Needy(Modifier):
    """Needs what nobody can declare (2026)."""

    needs = frozenset({"second_order"})


class Waits(Sound):
    """Reads the weights back after every step (2026)."""

    def after_step(self, step):
        super().after_step(step)
        float(self.mean["classifier.bias"].sum())


class UnboundedHParams(HParams):
    """Of what has no bounds."""

    decay: float = hparam(0.9)


class Unbounded(Sound):
    """Has a number without a bound (2026)."""

    HParams = UnboundedHParams


class NoSource(Sound):
    """Does something."""


@pytest.mark.parametrize(
    ("wrong", "point", "says"),
    [
        (Forgets, "state", "once it has gone on from its state"),
        (Forgets, "resume", "broken off twice and resumed, differs"),
        (Invents, "weights", "'second head', which is not trained"),
        (Reshapes, "weights", "has the shape"),
        (Divides, "weights", "is not finite"),
        (Moves, "weights", "changes the weights in training"),
        (Stands, "moves", "no parameter moves"),
        (Attached, "moves", "is not detached"),
        (Hasty, "accumulate", "moves the weights already"),
        (Unscaled, "fp16", "learns something else where the loss is scaled"),
        (Needy, "needs", "needs 'second_order'"),
        (Waits, "device", "makes the host wait"),
        (Unbounded, "bounds", "'decay' has no bound"),
        (NoSource, "source", "names no source"),
        (dict, "base", "no subclass of Modifier"),
    ],
)
def test_the_kit_finds_wrong_modifiers(ask, wrong, point, says):
    result = ask("modifiers", wrong, point)[point]
    assert result.status == "failed", result
    assert says in result.cause


def test_a_sound_one_passes(ask):
    failed = [r for r in ask("modifiers", Sound).values() if r.status == "failed"]
    assert not failed
