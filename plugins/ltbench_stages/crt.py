"""Classifier re-training."""

from __future__ import annotations

from ltbench_stages.retrained import Retrained, RetrainedHParams


class CRT(Retrained):
    """Classifier re-training (Kang et al., ICLR 2020, arXiv:1910.09217, section 4.1).

    The features are frozen and a fresh linear classifier is trained on them with cross-entropy on
    class-balanced batches, for as many steps as the stage before. These are the ``_{r,c}`` rows of
    the MDLT benchmark. The authors train 10 epochs, with batch normalisation in training mode;
    long-tail protocols set both (``steps``, ``shift_bn``).
    """

    HParams = RetrainedHParams
    hparams: RetrainedHParams

    default_base = "erm"
    sampling = "class-balanced"
