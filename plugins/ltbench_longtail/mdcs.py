"""More diverse experts with consistency self-distillation."""

from __future__ import annotations

import torch
from torch import Tensor

from ltbench.api import STRONG_VIEW, Backbone, Batch, HParams, TrainInfo, Training, hparam
from ltbench_longtail.experts import Experts


class MDCSHParams(HParams):
    """Hyper-parameters of diverse experts with self-distillation."""

    many: float = hparam(
        -0.5, low=-5.0, high=5.0, search=(-1.0, 0.0), help="λ of the expert of frequent classes"
    )
    medium: float = hparam(
        1.0, low=-5.0, high=5.0, search=(0.5, 1.5), help="λ of the expert of all classes alike"
    )
    few: float = hparam(
        2.5, low=-5.0, high=5.0, search=(1.5, 3.0), help="λ of the expert of rare classes"
    )
    weight: float = hparam(
        0.6, low=0.0, search=(0.1, 2.0), log=True, help="of the self-distillation"
    )
    warmup: float = hparam(
        0.05, low=0.0, high=1.0, help="share of the steps in which that weight rises from 0"
    )
    strong: str = hparam(
        STRONG_VIEW, names="augmentations", help="of the second view, which learns from the first"
    )
    shared: bool = hparam(False, help="one backbone for all experts: cheaper, less diverse")
    scale: float = hparam(30.0, low=0.0, help="of the cosine classifiers; 0 is linear ones")


class MDCS(Experts):
    """MDCS (Zhao et al., "More diverse experts with consistency self-distillation", ICCV 2023).

    Three experts (arXiv:2308.09922) are trained by the cross-entropy on s_e = z_e + λ_e·log n[d, ·]
    with λ −½, 1 and 2½ (diversity loss), on two views of each image, the protocol's and a strong
    one. In each expert the strong view learns from the other (consistency self-distillation):

        Σ_e [mean of CE(s_e) over both views + w(t)·mean over S_e of KL(softmax s_e ‖ softmax s_e')]

    where s_e are of the first view, held fixed, s_e' of the strong one, and S_e the images of which
    the first view is classified rightly (confident instance sampling). w rises to .6 in the first
    20 of 400 epochs, here a share of the steps. The prediction is the mean of the logits.

    The formula and all values are those of the authors' code, which has one loss for all data sets.
    A class absent from a domain is left out of the sum where λ > 0, and else counts as having one
    image, for its logit would be raised without bound. In the paper experts share the first blocks
    of one network; here each is a whole backbone, as in ``balpoe``.
    """

    HParams = MDCSHParams
    hparams: MDCSHParams
    honours = frozenset({"label_smoothing"})
    views = 2

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: MDCSHParams) -> None:
        powers = (hparams.many, hparams.medium, hparams.few)
        super().__init__(
            backbone,
            train_info,
            hparams,
            shifts=torch.stack([count_shift(train_info.counts, power) for power in powers]),
            shared=hparams.shared,
            scale=hparams.scale,
        )
        self.share = 1.0

    @classmethod
    def view_augmentations(cls, hparams: MDCSHParams) -> tuple[str, ...]:
        """Return those of the protocol for the first view, and strong ones for the second."""
        return "protocol", hparams.strong

    def before_step(self, step: int, training: Training) -> None:
        """Set the share of the self-distillation's weight that this step has."""
        rising = self.hparams.warmup * self.train_info.steps
        self.share = min(step / rising, 1.0) if rising else 1.0

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the diversity loss and the self-distillation with their weighted sum."""
        both = self.expert_logits(torch.cat([batch.views[0], batch.views[-1]]))
        weak, strong = both.chunk(2, dim=1)
        risks = (self.expert_risks(weak, batch) + self.expert_risks(strong, batch)) / 2
        diverse = risks.mean(1).sum()
        shifts = self.shifts[:, batch.d]
        distilled = distillation(weak.detach() + shifts, strong + shifts, batch.y)
        total = diverse + self.hparams.weight * self.share * distilled
        return {"total": total, "diverse": diverse, "distillation": distilled}


def count_shift(counts: Tensor, power: float) -> Tensor:
    """Return λ·log n, at absent classes −inf where λ > 0 and 0 elsewhere, (D, C) float32.

    Args:
        counts: images per class, (D, C).
        power: the factor λ.
    """
    shift = power * counts.clamp(min=1).float().log()
    return shift.masked_fill(counts == 0, -torch.inf) if power > 0 else shift


def distillation(teacher: Tensor, student: Tensor, y: Tensor) -> Tensor:
    """Return the sum over experts of the mean KL(teacher ‖ student) where the teacher is right.

    An expert that is right nowhere adds nothing.

    Args:
        teacher: logits of every expert, (experts, N, C), without a gradient; −inf where a class has
            no share.
        student: the same of the other view.
        y: classes, (N,).
    """
    possible = teacher != -torch.inf
    log_p, log_q = (z.log_softmax(2).where(possible, 0.0) for z in (teacher, student))
    divergence = (log_p.exp() * possible * (log_p - log_q)).sum(2)
    right = (teacher.argmax(2) == y).float()
    return ((divergence * right).sum(1) / right.sum(1).clamp(min=1)).sum()
