"""The second stage of MiSLAS: label-aware smoothing."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ltbench.api import Algorithm, Batch, StageHParams, TrainInfo, hparam
from ltbench_stages.classifier import classifier_from
from ltbench_stages.retrained import SHIFT_BN, Retrained


class MiSLASHParams(StageHParams):
    """Hyper-parameters of label-aware smoothing."""

    head: float = hparam(
        0.4, low=0.0, high=1.0, search=(0.1, 0.5), help="smoothing of a domain's largest class"
    )
    rare: float = hparam(
        0.1, low=0.0, high=1.0, search=(0.0, 0.2), help="smoothing of its smallest class"
    )
    shift_bn: bool = hparam(True, help=SHIFT_BN)
    classifier_lr: float = hparam(
        1.0, low=1e-9, later=True, help="factor on the classifier's rate; the scales have the whole"
    )

    def rates(self) -> dict[str, float]:
        """Return the factors on the learning rates."""
        return {**super().rates(), "classifier_lr": self.classifier_lr}


class MiSLAS(Retrained):
    """MiSLAS (Zhong et al., "Improving calibration for long-tailed", CVPR 2021).

    The first stage trains with mixup (``mislas`` alone stands on ``input-mixup``; any algorithm
    will do). Then the features are frozen, batches are class-balanced, and the loss is the
    cross-entropy with smoothed targets q_y = 1 − ε_y and q_c = ε_y / (C − 1) for c ≠ y, where

        ε_y = ε_K + (ε_1 − ε_K)·sin(π/2·(n_y − n_K) / (n_1 − n_K))

    with the counts of the image's own domain, n_1 of its largest and n_K of its smallest class
    (arXiv:2104.00466, the concave form): the network is over-confident on frequent classes. Logits
    are s_c·(w_c·f + b_c); w starts from the weights chosen before (the paper's r = 1) and s from 1.
    Batch normalisation, where the backbone has any, goes on to adapt its running statistics. On
    CIFAR-100-LT the authors train 10 epochs with a cosine, and the classifier at a fifth of the
    rate that the scales have (.05 of it on ImageNet-LT); their protocols set that.
    """

    HParams = MiSLASHParams
    hparams: MiSLASHParams
    default_base = "input-mixup"
    sampling = "class-balanced"
    smoothing: Tensor

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: MiSLASHParams) -> None:
        super().__init__(base, train_info, hparams)
        self.classifier = classifier_from(base)
        self.scales = nn.Parameter(torch.ones(train_info.num_classes))
        smoothing = smoothing_factors(train_info.counts, self.hparams.head, self.hparams.rare)
        self.register_buffer("smoothing", smoothing, persistent=False)

    def predict(self, x: Tensor) -> Tensor:
        """Return the scaled logits (N, C) of images."""
        return self.scales * super().predict(x)

    def class_weights(self) -> Tensor:
        """Return s_c·w_c, (C, F), by which it answers."""
        return self.scales[:, None] * super().class_weights()

    def class_bias(self) -> Tensor | None:
        """Return s_c·b_c, (C,)."""
        bias = super().class_bias()
        return None if bias is None else self.scales * bias

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean smoothed cross-entropy of each domain."""
        nll = -logits.log_softmax(1)
        true = nll.gather(1, batch.y[:, None]).squeeze(1)
        others = (nll.sum(1) - true) / max(1, logits.shape[1] - 1)
        epsilon = self.smoothing[batch.d, batch.y]
        return batch.per_domain((1 - epsilon) * true + epsilon * others).mean(1)


def smoothing_factors(counts: Tensor, head: float, rare: float) -> Tensor:
    """Return ε of each domain and class, (D, C) float32.

    Args:
        counts: training images per domain and class, (D, C).
        head: ε of a domain's largest class.
        rare: ε of the smallest class that it has; where all are of one size, of all.
    """
    n = counts.double()
    largest = n.amax(1, keepdim=True)
    smallest = n.where(n > 0, torch.inf).amin(1, keepdim=True).clamp(max=largest)
    place = ((n - smallest) / (largest - smallest).clamp(min=1)).clamp(min=0)
    return (rare + (head - rare) * torch.sin(math.pi / 2 * place)).float()
