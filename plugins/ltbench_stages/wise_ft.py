"""WiSE-FT: weights between those that training began from and those that it chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ltbench.api import Algorithm, HParams, TrainInfo, Training, UsageError, hparam
from ltbench_stages.tau_norm import domain_average
from ltbench_stages.untrained import UntrainedStage

CHOSEN = -1.0
"""What stands for the share that does best on validation images."""
SHARES = tuple(number / 10 for number in range(11))
"""The shares that are tried then."""
_BASE = "base."


class WiSEFTHParams(HParams):
    """Hyper-parameters of WiSE-FT."""

    alpha: float = hparam(
        CHOSEN,
        low=CHOSEN,
        high=1.0,
        search=(0.0, 1.0),
        help="share of the chosen weights beside those of the start; -1 tries eleven from 0 to 1",
    )
    select: str = hparam(
        "f1", choices=("f1", "accuracy"), help="domain-average metric on validation that chooses"
    )
    head: str = hparam("mixed", choices=("mixed", "chosen"), help="chosen mixes the network alone")
    batch_norm: str = hparam(
        "mixed",
        choices=("mixed", "estimated"),
        help="statistics: as the weights, or of training images anew",
    )

    def __post_init__(self) -> None:
        if CHOSEN < self.alpha < 0:
            raise UsageError(
                f"wise-ft[alpha={self.alpha:g}] is out of range: give a share of 0 to 1, or leave "
                "it out to have validation choose"
            )


class WiSEFT(UntrainedStage):
    """WiSE-FT (Wortsman et al., CVPR 2022, arXiv:2109.01903, section 3, equation 1).

    The weights are (1 − α)·θ_start + α·θ_chosen: those that the training began from, pretrained
    or drawn from the seed, and those that the stage before chose. All entries of the model's state
    are so mixed, statistics of batch normalisation among them, as in the authors' code;
    ``batch_norm=estimated`` estimates these from training images with the mixed weights. Whole
    numbers, counters, are the chosen model's. α = 1 is the chosen model, bit for bit. α is the one
    of 0, .1, …, 1 that does best on validation, the largest where several do, unless it is given;
    where nothing is known the paper recommends .5.

    The paper starts from zero-shot CLIP, whose classifier are the features of the classes' names,
    so that both ends classify. Where the start's classifier is random the mixture of classifiers is
    the chosen one, shrunk and with noise; ``head=chosen`` mixes the network of the features alone
    and leaves classifiers, scales and the rest as they are. Where the whole start is random there
    is no reason for any mixture.
    """

    HParams = WiSEFTHParams
    hparams: WiSEFTHParams
    alpha: Tensor

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: WiSEFTHParams) -> None:
        super().__init__(base, train_info, hparams)
        self.classifier = nn.Identity()  # the base's own answers
        self.register_buffer("alpha", torch.ones(()))

    @classmethod
    def uses_validation(cls, hparams: Any) -> str:
        """Return that the share is chosen by validation images, where it is."""
        return "chooses" if hparams.alpha == CHOSEN else ""

    def predict(self, x: Tensor) -> Tensor:
        """Return the logits (N, C) of images."""
        return self.base.predict(x)

    def before_step(self, step: int, training: Training) -> None:
        """Mix the weights, by the best of several shares where there are several."""
        state = training.initial_state()
        chosen = {name: value.clone() for name, value in self.base.state_dict().items()}
        start = {name: state[_BASE + name].to(value.device) for name, value in chosen.items()}
        if self.hparams.head == "chosen":
            start |= {name: chosen[name] for name in self.names_beside_backbone()}
        if self.hparams.alpha != CHOSEN:
            self.mix(start, chosen, self.hparams.alpha, training)
            return
        scores = []
        for share in SHARES:
            self.mix(start, chosen, share, training)
            scores.append((self.score(training), share))
        best = max(scores)[1]
        training.say(f"wise-ft takes the share {best:g} of the chosen weights")
        self.mix(start, chosen, best, training)

    def names_beside_backbone(self) -> list[str]:
        """Return the entries of the base's state that are not of the network that makes features.

        They are what answers by the features: classifiers of all stages, scales, and whatever else
        a method has. With another method's loss the network may stand in the state twice.
        """
        network = {id(t) for t in self.backbone.state_dict(keep_vars=True).values()}
        everything = self.base.state_dict(keep_vars=True).items()
        return [name for name, tensor in everything if id(tensor) not in network]

    def score(self, training: Training) -> float:
        """Return the domain average of the metric on the validation images."""
        found, classes = training.extract_logits("val"), self.train_info.num_classes
        answers, y, d = (t.cpu() for t in (found.logits.argmax(1), found.y, found.d))
        return domain_average(answers, y, d, classes, self.hparams.select)

    @torch.no_grad()
    def mix(
        self,
        start: Mapping[str, Tensor],
        chosen: Mapping[str, Tensor],
        share: float,
        training: Training,
    ) -> None:
        """Give the model the weights between two states.

        Args:
            start, chosen: the two, by the names of ``base``.
            share: of the chosen one, 0…1.
            training: estimates statistics of batch normalisation.
        """
        self.alpha.fill_(share)
        for name, place in self.base.state_dict().items():
            first, last = start[name], chosen[name]
            if share == 1 or not last.is_floating_point() or torch.equal(first, last):
                place.copy_(last)
            else:
                place.copy_((1 - share) * first + share * last)
        if share < 1 and self.hparams.batch_norm == "estimated":
            training.estimate_batch_norm()
