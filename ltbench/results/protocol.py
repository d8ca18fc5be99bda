"""A protocol: every setting of training that is not the algorithm's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import HParams, hparam

SELECTION = {"f1": "macro_f1_average", "accuracy": "accuracy_average", "last": "step"}
"""What is highest at the model that each choice of ``select`` takes: a validation metric, or the
step itself, so that the last model is taken and no validation images are needed."""


class Protocol(HParams):
    """How a run trains, validates and chooses its model.

    The defaults are those of the MDLT benchmark (Yang et al., "On multi-domain long-tailed
    recognition, imbalanced domain generalization and beyond", ECCV 2022, arXiv:2203.09513).
    """

    name: str = hparam("", help="the protocol's name in the data set's facts")
    steps: int = hparam(5001, low=1, help="optimisation steps of a stage")
    batch_per_domain: int = hparam(24, low=1, help="images per domain in a batch")
    optimizer: str = hparam("adam", choices=("adam", "adamw", "sgd"))
    lr: float = hparam(5e-5, low=1e-12, high=1e3, help="learning rate")
    momentum: float = hparam(0.9, low=0.0, high=1.0, help="of SGD")
    weight_decay: float = hparam(0.0, low=0.0)
    schedule: str = hparam("constant", choices=("constant", "step", "cosine"))
    decay_at: tuple[float, ...] = hparam((), help="shares of the steps at which the rate drops")
    decay: float = hparam(0.1, low=0.0, high=1.0, help="factor of each drop")
    warmup: float = hparam(0.0, low=0.0, high=1.0, help="share of the steps with a rising rate")
    eval_every: int = hparam(100, low=1, help="steps between evaluations on validation")
    select: str = hparam("f1", choices=tuple(SELECTION), help="what chooses the model")
    augmentation: str = hparam("none", help="see ltbench.data.augmentation")
    freeze_bn: bool = hparam(False, help="keep batch normalisation's statistics as they are")
    max_loss: float = hparam(1e8, low=0.0, help="a mean loss above this counts as diverged")
    image_size: int = hparam(0, low=0, high=4096, help="side in pixels; 0 is the data set's own")

    @property
    def selection_metric(self) -> str:
        """The name of what is highest at the chosen model: a validation metric, or ``step``."""
        return SELECTION[self.select]

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name, the image size only where it is not the data set's own.

        A run's identity is made of these, and the size came later than the first runs.
        """
        settings = super().as_dict()
        if not self.image_size:
            del settings["image_size"]
        return settings

    def sized(self, facts: Facts) -> Facts:
        """Return the facts with the image size that the network sees under this protocol."""
        return dataclasses.replace(facts, size=self.image_size) if self.image_size else facts

    def lr_factor(self, step: int, steps: int) -> float:
        """Return the factor on the learning rate at ``step`` (from 0) of ``steps``."""
        done = step / steps
        if done < self.warmup:
            return min(1.0, (step + 1) / (self.warmup * steps))
        if self.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * (done - self.warmup) / (1 - self.warmup)))
        if self.schedule == "step":
            return float(self.decay ** sum(done >= share for share in self.decay_at))
        return 1.0


def protocol_settings(facts: Facts, name: str | None) -> dict[str, object]:
    """Return the settings of a data set's protocol, its backbone among them.

    Args:
        facts: of the data set.
        name: which protocol; ``None`` is the first.

    Raises:
        UsageError: the data set has no protocol of that name.
    """
    chosen = name or next(iter(facts.protocols))
    if chosen not in facts.protocols:
        near = suggestion(chosen, known_protocols(facts))
        raise UsageError(f"data set '{facts.name}' has no protocol '{chosen}'{near}")
    return {"name": chosen, **facts.protocols[chosen]}


def epochs_to_steps(settings: Mapping[str, object], images: int, domains: int) -> dict[str, object]:
    """Return the settings with ``epochs`` and ``eval_epochs`` turned into steps.

    An epoch takes as many steps as it takes batches to hold every training image once. Steps that
    are given beside the epochs count.

    Args:
        settings: of a protocol.
        images: training images.
        domains: domains with training images.
    """
    left = dict(settings)
    per_domain = left.get("batch_per_domain", Protocol.from_options({}, "").batch_per_domain)
    an_epoch = max(1, math.ceil(images / (int(str(per_domain)) * domains)))
    for epochs, steps in (("epochs", "steps"), ("eval_epochs", "eval_every")):
        if epochs in left:
            number = int(str(left.pop(epochs)))
            left.setdefault(steps, number * an_epoch)
    return left


def known_protocols(facts: Facts) -> Iterable[str]:
    """Return the names of a data set's protocols."""
    return facts.protocols.keys()
