"""Registers the algorithms of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl

ALGORITHMS = {
    "resamp": ("resamp:ReSamp", "Class-balanced sampling within each domain"),
    "reweight": ("reweight:ReWeight", "Cross-entropy with weights 1/n of each pair"),
    "sqrt-reweight": ("sqrt_reweight:SqrtReWeight", "Cross-entropy with weights 1/√n of each pair"),
    "weighted-softmax": (
        "weighted_softmax:WeightedSoftmax",
        "Cross-entropy with weights 1/n of the pooled classes",
    ),
    "focal": ("focal:Focal", "Focal loss"),
    "cbloss": ("cbloss:CBLoss", "Class-balanced loss: weights by the effective number of images"),
    "ldam": ("ldam:LDAM", "Margins that grow as classes get rarer; DRW as an option"),
    "bsoftmax": ("bsoftmax:BSoftmax", "Balanced softmax: logits shifted by the log counts"),
    "equalization": (
        "equalization:Equalization",
        "Softmax equalization: tail classes are spared as negatives",
    ),
    "logit-adjust": ("logit_adjust:LogitAdjust", "Logits shifted by τ times the log prior"),
    "vs-loss": ("vs_loss:VSLoss", "Vector scaling: logits scaled and shifted by class frequency"),
    "input-mixup": ("input_mixup:InputMixup", "Mixup of images within each domain"),
    "cuda": ("cuda:CUDA", "Curriculum of augmentation: learnt classes are augmented more strongly"),
    "bcl": ("bcl:BCL", "Balanced contrastive learning with class prototypes"),
    "gpaco": ("gpaco:GPaCo", "Contrast with keys and class centres in one softmax; PaCo too"),
    "proco": ("proco:ProCo", "Contrast with von Mises–Fisher distributions of the classes"),
    "glmc": ("glmc:GLMC", "Consistency of mixup and CutMix with a class-balanced batch"),
    "balpoe": ("balpoe:BalPoE", "Balanced product of experts with different biases"),
    "cmo": ("cmo:CMO", "Patches of rare classes' images, pasted on images as they come"),
    "mdcs": ("mdcs:MDCS", "Three diverse experts, each of which teaches itself a strong view"),
    "ncl": ("ncl:NCL", "Networks that learn from each other, on all and on hard classes"),
    "sade": ("sade:SADE", "Three experts, weighted by how stable the test images' predictions are"),
}


@hookimpl
def ltbench_algorithms(register: Register) -> None:
    """Register the long-tail algorithms."""
    for name, (target, summary) in ALGORITHMS.items():
        register(name, f"ltbench_longtail.{target}", summary=summary)
