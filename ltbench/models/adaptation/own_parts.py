"""Which parts of a network itself are trained, where it is given none."""

from __future__ import annotations

from torch import nn


def is_bias(module: nn.Module, name: str) -> bool:
    """Return whether a parameter is a bias, those of normalisations included.

    BitFit (Ben Zaken et al., "BitFit: simple parameter-efficient fine-tuning for transformer-based
    masked language-models", ACL 2022, arXiv:2106.10199).
    """
    return name == "bias" or name.endswith("_bias")


def of_normalisation(module: nn.Module, name: str) -> bool:
    """Return whether a parameter is the weight or bias of a normalisation.

    Of any kind: layer normalisation in transformers, batch normalisation in most others, whose
    statistics stay as they are (Frankle et al., "Training BatchNorm and only BatchNorm", ICLR 2021,
    arXiv:2003.00152; for transformers Basu et al., "Strong baselines for parameter efficient
    few-shot fine-tuning", AAAI 2024, arXiv:2304.01917).
    """
    return "norm" in type(module).__name__.lower()
