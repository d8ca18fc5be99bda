"""Self-supervised aggregation of diverse experts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.api import (
    STRONG_VIEW,
    Backbone,
    Batch,
    HParams,
    Losses,
    TrainInfo,
    Unlabelled,
    hparam,
)
from ltbench_longtail.experts import Experts
from ltbench_longtail.logit_adjust import log_prior_shift

EXPERTS = 3


class SADEHParams(HParams):
    """Hyper-parameters of the self-supervised aggregation of diverse experts."""

    tau: float = hparam(
        2.0, low=0.0, search=(0.5, 4.0), help="λ of the third expert; with 0 it is the second"
    )
    shared: bool = hparam(False, help="one backbone for all experts: cheaper, less diverse")
    scale: float = hparam(30.0, low=0.0, help="of the cosine classifiers; 0 is linear ones")
    aggregate: bool = hparam(
        True, help="learn the experts' weights on the test images, without their labels"
    )
    augmentation: str = hparam(
        STRONG_VIEW, names="augmentations", help="of both views of the test images"
    )
    passes: int = hparam(5, low=1, help="over the test images, at most")
    lr: float = hparam(0.1, low=0.0, help="of learning the experts' weights")
    batch: int = hparam(128, low=1, help="test images in a step of that")
    floor: float = hparam(
        0.05, low=0.0, high=1.0, search=(0.0, 0.1), help="no pass follows once a weight is below it"
    )


class SADE(Experts):
    """SADE (Zhang et al., "Self-supervised aggregation of diverse experts", NeurIPS 2022).

    Three experts (arXiv:2107.09249, eq. 1–3) are trained by the cross-entropy on z_1, on
    z_2 + log π and on z_3 + log π − λ·log π̄, which prefer the frequent, no and the rare classes. π
    is the prior of the image's own domain and π̄ the same with its order reversed: the most frequent
    class has the share of the rarest. The loss is the sum over experts.

    The prediction is a weighted mean of the experts' logits. In training and validation, and so
    where the model is chosen, the weights are alike. Before the test they are learnt on the test
    images without their labels: of two augmented views of each image, the weights w = softmax(v)
    maximise the cosine similarity of the predictions softmax(Σ w_e·z_e) (eq. 4), by SGD on v with
    Nesterov momentum .9 and weight decay 5·10⁻⁴, for at most 5 passes over the images; a weight
    below .05 ends it after its pass. This makes the run transductive, and the result and every
    table say so; ``aggregate=false`` leaves the weights alike. Nothing else changes, and the
    chosen model is kept with equal weights.

    Values are those of the authors' code for CIFAR-100-LT; they take the learning rate of the
    training, .1 there, .025 on ImageNet-LT, .01 on Places-LT and .2 on iNaturalist, for ``lr``.
    Their views are those of MoCo v2, with a crop as in training on CIFAR; here ``augmentation``.
    Classes absent from a domain are left out of the sums of the second and third expert, where the
    code adds 10⁻⁹ to π; of classes with as many images the one that comes first counts as rarer,
    as in the code. In the paper experts share the first blocks of one network; here each
    is a whole backbone, as in ``balpoe``, and ``shared`` gives all of them one.
    """

    HParams = SADEHParams
    hparams: SADEHParams
    honours = frozenset({"label_smoothing", "mixed_labels"})

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: SADEHParams) -> None:
        super().__init__(
            backbone,
            train_info,
            hparams,
            shifts=expert_shifts(train_info.counts, hparams.tau),
            shared=hparams.shared,
            scale=hparams.scale,
        )

    def loss(self, batch: Batch) -> Losses:
        """Return the sum over experts of the mean over domains of the adjusted risks."""
        return self.expert_risks(self.expert_logits(batch.x), batch).mean(1).sum()

    @classmethod
    def test_augmentations(cls, hparams: SADEHParams) -> tuple[str, ...]:
        """Return those of the two views of the test images; none without aggregation."""
        return (hparams.augmentation,) * 2 if hparams.aggregate else ()

    def before_test(self, test: Unlabelled) -> dict[str, Any]:
        """Learn the experts' weights on the test images, and return them."""
        v = torch.full((EXPERTS,), 1 / EXPERTS, device=self.counts.device, requires_grad=True)
        optimizer = torch.optim.SGD(
            [v], lr=self.hparams.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
        )
        for _ in range(self.hparams.passes):
            for views in test.views(self.hparams.batch):
                with torch.no_grad():
                    first, second = (self.expert_logits(x) for x in views)
                optimizer.zero_grad()
                (-stability(v.softmax(0), first, second)).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if float(v.detach().softmax(0).min()) < self.hparams.floor:
                break
        self.classifier.shares = v.detach().softmax(0)
        return {"experts": self.classifier.shares.tolist()}


def stability(weights: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return the mean cosine similarity of the predictions of two views, a scalar.

    Args:
        weights: of the experts, (experts,).
        first: the experts' logits of one view, (experts, N, C).
        second: of the other.
    """
    one, other = (torch.tensordot(weights, z, 1).softmax(1) for z in (first, second))
    return F.cosine_similarity(one, other, dim=1, eps=1e-6).mean()


def expert_shifts(counts: Tensor, tau: float) -> Tensor:
    """Return 0, log π and log π − τ·log π̄, (3, D, C) float32; −inf at absent classes.

    Args:
        counts: images per class, (D, C).
        tau: the factor τ.
    """
    balanced = log_prior_shift(counts, 1.0)
    inverse = (balanced - tau * reversed_prior(counts).log()).float()
    return torch.stack([torch.zeros(counts.shape), balanced, inverse])


def reversed_prior(counts: Tensor) -> Tensor:
    """Return the priors of each domain with their order reversed, (D, C) float64.

    The class of rank r from the rarest gets the share of the class of rank r from the most
    frequent. Classes that a domain lacks have no rank, and the value 1.

    Args:
        counts: images per class, (D, C).
    """
    found = torch.ones(counts.shape, dtype=torch.float64)
    for row, out in zip(counts, found, strict=True):
        present = row.nonzero().flatten()
        rising = present[row[present].argsort(stable=True)]
        out[rising] = row[rising.flip(0)].double() / row.sum()
    return found
