"""A protocol: every setting of training that is not the algorithm's."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import HParams, hparam

SELECTION = {"f1": "macro_f1_average", "accuracy": "accuracy_average"}
"""The validation metric behind each choice of ``select``."""


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
    select: str = hparam("f1", choices=("f1", "accuracy"), help="what chooses the model")
    augmentation: str = hparam("none", help="see ltbench.data.augmentation")
    freeze_bn: bool = hparam(False, help="keep batch normalisation's statistics as they are")
    max_loss: float = hparam(1e8, low=0.0, help="a mean loss above this counts as diverged")

    @property
    def selection_metric(self) -> str:
        """The name of the validation metric that chooses the model."""
        return SELECTION[self.select]

    def lr_factor(self, step: int, steps: int) -> float:
        """Return the factor on the learning rate at ``step`` (from 0) of ``steps``."""
        done = step / steps
        if done < self.warmup:
            return (step + 1) / (self.warmup * steps)
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


def known_protocols(facts: Facts) -> Iterable[str]:
    """Return the names of a data set's protocols."""
    return facts.protocols.keys()
