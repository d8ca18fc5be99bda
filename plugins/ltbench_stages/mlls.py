"""Correction for a shifted distribution of the classes, estimated on the test images by EM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ltbench.api import (
    Algorithm,
    Estimate,
    HParams,
    LogitPass,
    Logits,
    Source,
    TrainInfo,
    Training,
    Unlabelled,
    fitted_source,
    hparam,
    kept_logits,
    mlls,
)
from ltbench_stages.untrained import UntrainedStage

_LEAST_SHARE = 1e-12
_BATCH = 256


class MLLSHParams(HParams):
    """Hyper-parameters of the correction."""

    source: str = hparam(
        "validation",
        choices=("validation", "training", "uniform"),
        help="what the logits stand for: fitted on validation, or the softmax is p(y | x) under "
        "the training images' classes, or under equally many of each",
    )


class MLLS(UntrainedStage):
    """Correction for a shifted prior by maximum likelihood (Saerens et al., 2002).

    Saerens, Latinne & Decaestecker, Neural Computation 14 (2002), equations 2.4 and 2.9; with
    calibrated probabilities Alexandari, Kundaje & Shrikumar, ICML 2020, arXiv:1901.06852. Before
    the test, the distribution q of the classes is estimated from all test images together, without
    their classes: q begins as π, and EM repeats

        r_ic = p_ic q_c/π_c / Σ_k p_ik q_k/π_k,   q_c = mean_i r_ic

    until three steps raise the likelihood of all images by less than .01 nats.

    The test's logits are log p_c + log q_c − log π_c: :func:`ltbench.stats.label_shift.mlls` of
    ``--correct mlls``, as a method. p is the softmax of z/T + b, with T and a bias of each class
    fitted on validation images that are weighted to have all classes equally (bias-corrected
    temperature scaling), which π then is. Where a class has no validation image that cannot be,
    and p is what the training images' distribution gave, which the run says; ``source`` has that,
    or a uniform π, from the beginning.

    Nothing is trained. The run is transductive: an answer depends on which images are tested
    together. The model that is kept, and its validation scores, are those before the test, with
    q = π.
    """

    HParams = MLLSHParams
    hparams: MLLSHParams
    temperature: Tensor
    bias: Tensor
    log_prior_of_source: Tensor
    shift: Tensor

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: MLLSHParams) -> None:
        super().__init__(base, train_info, hparams)
        self.classifier = nn.Identity()  # the base's own answers
        classes = train_info.num_classes
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("bias", torch.zeros(classes))
        self.register_buffer("log_prior_of_source", self._assumed_prior().log().float())
        self.register_buffer("shift", torch.zeros(classes), persistent=False)

    def _assumed_prior(self) -> Tensor:
        """Return the distribution that logits stand for unless validation tells, (C,) float64."""
        counts = self.train_info.counts.sum(0).double().clamp(min=1)
        found: Tensor = torch.ones_like(counts) if self.hparams.source == "uniform" else counts
        return found / found.sum()

    @classmethod
    def uses_validation(cls, hparams: Any) -> str:
        """Return that probabilities are calibrated on validation images, where they are."""
        return "chooses" if hparams.source == "validation" else ""

    def before_step(self, step: int, training: Training) -> None:
        """Fit temperature and biases on validation images, where these are what is asked for."""
        if self.hparams.source != "validation":
            return
        shape = self.train_info.num_domains, self.train_info.num_classes
        try:
            source = fitted_source(as_kept(training.extract_logits("val")), shape)
        except ValueError as problem:
            training.say(
                f"mlls: {problem}, so its logits are taken to stand for the distribution of the "
                "training images"
            )
            return
        assert source.bias is not None
        self.temperature.fill_(source.temperature)
        self.bias.copy_(torch.from_numpy(source.bias))
        self.log_prior_of_source.copy_(torch.from_numpy(np.log(source.prior)))

    @classmethod
    def test_augmentations(cls, hparams: Any) -> tuple[str, ...]:
        """Return that test images are seen as the test sees them."""
        return ("none",)

    @torch.no_grad()
    def before_test(self, test: Unlabelled) -> Mapping[str, Any]:
        """Estimate the classes' distribution and return it."""
        z = torch.cat([self.base.predict(x).float().cpu() for (x,) in test.views(_BATCH)]).numpy()
        none = np.zeros(len(z), np.int64)
        source = Source(
            np.exp(self.log_prior_of_source.cpu().double().numpy()),
            float(self.temperature),
            self.bias.cpu().double().numpy(),
        )
        logits = kept_logits(z, none, none, np.full(len(z), ""))
        found: Estimate = mlls(logits, source, np.full(len(z), 1 / len(z)))
        shares = np.maximum(found.prior, _LEAST_SHARE)
        shift = torch.from_numpy(np.log(shares)) - self.log_prior_of_source.cpu()
        self.shift.copy_(shift.float())
        return {"prior": shares.tolist(), "steps": found.steps}

    def predict(self, x: Tensor) -> Tensor:
        """Return the corrected logits (N, C) of images; before the test, with q = π."""
        return self.base.predict(x) / self.temperature + self.bias + self.shift


def as_kept(found: LogitPass) -> Logits:
    """Return logits with classes and domains as runs keep them."""
    z, y, d = (t.cpu().numpy() for t in (found.logits.float(), found.y, found.d))
    return kept_logits(z, y, d, np.full(len(y), ""))
