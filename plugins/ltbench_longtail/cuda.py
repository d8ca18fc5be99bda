"""A curriculum of data augmentation: classes that are learnt are augmented more strongly."""

from __future__ import annotations

import torch
from ltbench_augmentations.strength import MOST, strengthened
from ltbench_domains.composition import WithLoss, WithLossHParams
from torch import Tensor

from ltbench.api import Backbone, TrainInfo, Training, hparam


class CUDAHParams(WithLossHParams):
    """Hyper-parameters of CUDA."""

    p: float = hparam(
        0.5, low=0.0, high=1.0, search=(0.3, 0.9), help="share of the images that are augmented"
    )
    threshold: float = hparam(
        0.6, low=0.0, high=1.0, search=(0.4, 0.8), help="γ: share of right answers to be learnt"
    )
    samples: int = hparam(10, low=1, high=1000, help="T: images of a class a strength, times s + 1")
    strict: bool = hparam(False, help="more than γ must be right, as in the authors' code")
    every: int = hparam(1, low=1, high=1000, help="epochs from one look at the classes to the next")


class CUDA(WithLoss):
    """CUDA (Ahn et al., "Curriculum of data augmentation for long-tailed recognition", ICLR 2023).

    arXiv:2302.05499, algorithm 1. Each class c has a strength L_c, 0 at first. At the beginning of
    an epoch the network is asked about T·(s + 1) training images of the class for every strength s
    from 0 to L_c, augmented with it. Where at least γ·T·(s + 1) of the answers are right for each
    s, L_c grows by one, up to 10; else it falls by one. In training an image of class c is
    augmented with strength L_c with probability p: behind the protocol's augmentations it passes
    through L_c of 22 operations, drawn with replacement, each at L_c thirtieths of its range. The
    loss is the cross-entropy, or any algorithm's that is one on logits: ``cuda[loss=bsoftmax]``.

    γ = .6, T = 10 and p = .5 are the authors' for CIFAR-100-LT, and so are the operations and their
    ranges (sumyeongahn/CUDA_LTR), shifts in pixels among them. All of this was read off their code,
    of which the published rows are; it asks for more than the share γ, as ``strict=true`` does
    here. A class is one over all domains.
    """

    HParams = CUDAHParams
    hparams: CUDAHParams
    strength: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: CUDAHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        classes = torch.zeros(train_info.num_classes, dtype=torch.int64)
        self.register_buffer("strength", classes)
        self._greatest: int | None = None  # of the strengths, where the host knows it

    def before_step(self, step: int, training: Training) -> None:
        """At the beginning of an epoch, see which classes are learnt at their strength."""
        super().before_step(step, training)
        if step % (self.hparams.every * self.train_info.steps_per_epoch) == 0:
            self._look(training)
            self._greatest = None
        if self._greatest is None:  # after a look, or where a run goes on
            self._greatest = int(self.strength.max())

    def augment_by_class(
        self, x: Tensor, y: Tensor, d: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the images, a share of them augmented with the strength of their class."""
        chosen = torch.rand(len(y), generator=generator, device=y.device) < self.hparams.p
        strengths = torch.where(chosen, self.strength[y], 0)
        rounds = MOST if self._greatest is None else self._greatest
        return strengthened(x, strengths, rounds, generator)

    def _look(self, training: Training) -> None:
        """Raise the strengths of classes that are learnt and lower the others'."""
        y, _ = training.train_labels()
        places, strengths = self._sample(y.cpu(), self.strength.tolist())
        if not len(places):
            return
        places, strengths = places.to(y.device), strengths.to(y.device)

        def change(x: Tensor, which: Tensor) -> Tensor:
            return strengthened(x, strengths[which], int(strengths[which].max()), self.generator)

        logits = training.predict_augmented(places, change, self.generator)
        right = (logits.argmax(1) == y[places]).float()
        shape = (len(self.strength), MOST + 1)
        cell = y[places] * shape[1] + strengths
        asked = torch.bincount(cell, minlength=shape[0] * shape[1]).view(shape)
        found = torch.bincount(cell, right, minlength=shape[0] * shape[1]).view(shape)
        wanted = self.hparams.threshold * asked
        slack = 1e-4  # 6 of 10 are no fewer than .6 · 10, whatever a float makes of it
        enough = found > wanted + slack if self.hparams.strict else found >= wanted - slack
        learnt, known = (enough | (asked == 0)).all(1), asked.any(1)
        self.strength += torch.where(learnt, 1, -1) * known
        self.strength.clamp_(0, MOST)

    def _sample(self, y: Tensor, strength: list[int]) -> tuple[Tensor, Tensor]:
        """Draw images of every class, with replacement.

        Args:
            y: classes of all training images, (N,), on the host.
            strength: of each class.

        Returns:
            The images' places, and the strengths that they are augmented with, (n,) each.
        """
        generator = torch.Generator().manual_seed(self.generator.initial_seed() ^ 1)
        places, strengths = [], []
        for number, greatest in enumerate(strength):
            own = (y == number).nonzero().squeeze(1)
            if not len(own):
                continue
            each = torch.arange(greatest + 1)
            asked = each.repeat_interleave(self.hparams.samples * (each + 1))
            drawn = torch.randint(len(own), (len(asked),), generator=generator)
            places.append(own[drawn])
            strengths.append(asked)
        empty = torch.zeros(0, dtype=torch.int64)
        return torch.cat([empty, *places]), torch.cat([empty, *strengths])
