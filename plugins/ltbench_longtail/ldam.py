"""Label-distribution-aware margin loss."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.api import Algorithm, Backbone, Batch, HParams, TrainInfo, Training, hparam
from ltbench_longtail.classifiers import CosineClassifier, ScaledClassifier
from ltbench_longtail.weighting import effective_weights, weighted_risks

DRW_BETA = 0.9999  # of Cao et al.'s code


class LDAMHParams(HParams):
    """Hyper-parameters of LDAM."""

    max_m: float = hparam(
        0.5, low=0.0, search=(0.1, 0.8), log=True, help="margin of a domain's rarest class"
    )
    s: float = hparam(30.0, low=1e-6, search=(10.0, 30.0), help="scale of the logits")
    drw: bool = hparam(False, help="class-balanced weights from drw_start on")
    drw_start: float = hparam(0.8, low=0.0, high=1.0, help="share of the steps without them")
    normalized: bool = hparam(False, help="the paper's cosine classifier")
    start: float = hparam(
        1.0,
        low=0.0,
        before=0.0,
        help="length of the cosine classifier's weight vectors at the start; 0 is a normal draw",
    )

    def as_dict(self) -> dict[str, Any]:
        """Return the hyper-parameters; of a linear classifier without ``start``."""
        found = super().as_dict()
        return found if self.normalized else {k: v for k, v in found.items() if k != "start"}


class LDAM(Algorithm):
    """LDAM (Cao et al., "Label-distribution-aware margin loss", NeurIPS 2019).

    The loss of an image of the pair (d, y) is the cross-entropy on s·(z − Δ), where Δ is 0 but for
    the true class, Δ_y = C / n[d, y]^¼ (arXiv:1906.07413). C makes the margin of the domain's
    rarest class ``max_m``.

    With ``drw`` (deferred re-weighting, algorithm 1) the last part of training weighs images by the
    inverse effective number of their pair; the paper switches after 160 of 200 epochs. With
    ``normalized`` z is the cosine between features and class weights, as in the paper, and the
    weights start with length 1, as in the authors' code; the MDLT benchmark, whose numbers the
    defaults follow, has a linear classifier.

    The scale is a part of the classifier: what the network believes is softmax(s·z), so s·z are its
    logits in evaluation too, and the reported loss and calibration are those of what was trained.
    """

    HParams = LDAMHParams
    hparams: LDAMHParams
    honours = frozenset({"label_smoothing"})
    margins: Tensor
    weights: Tensor

    def __init__(self, backbone: Backbone, train_info: TrainInfo, hparams: LDAMHParams) -> None:
        super().__init__(backbone, train_info, hparams)
        of_pairs = margins(train_info.counts, self.hparams.max_m)
        self.register_buffer("margins", of_pairs, persistent=False)
        weights = effective_weights(train_info.counts, DRW_BETA)
        self.register_buffer("weights", weights, persistent=False)
        self.reweighting = False

    def make_classifier(self) -> nn.Module:
        """Return the scaled classifier, linear or of cosines."""
        plain = cast(nn.Linear | CosineClassifier, super().make_classifier())
        if self.hparams.normalized:
            classes = self.train_info.num_classes
            plain = CosineClassifier(self.num_features, classes, self.hparams.start)
        return ScaledClassifier(plain, self.hparams.s)

    def before_step(self, step: int, training: Training) -> None:
        """Switch the weights on when it is time."""
        start = round(self.hparams.drw_start * self.train_info.steps)
        self.reweighting = self.hparams.drw and step >= start

    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean loss of each domain, weighted once re-weighting is on.

        Args:
            logits: s·z, (N, C).
            batch: the images' classes and domains.
        """
        true = F.one_hot(batch.y, logits.shape[1]).to(logits.dtype)
        margin = self.hparams.s * self.margins[batch.d, batch.y][:, None]
        nll = self.cross_entropy(logits - margin * true, batch.y)
        if self.reweighting:
            return weighted_risks(nll, self.weights[batch.d, batch.y], batch)
        return batch.per_domain(nll).mean(1)


def margins(counts: Tensor, max_m: float) -> Tensor:
    """Return Δ = C / n^¼ with the largest margin of each domain at ``max_m``, (D, C) float32.

    Args:
        counts: training images per domain and class, (D, C); absent classes get no margin.
        max_m: margin of the rarest class present in a domain.
    """
    present = counts > 0
    raw = (counts.double().clamp(min=1) ** -0.25).where(present, 0.0)
    largest = raw.amax(1, keepdim=True).clamp(min=torch.finfo(raw.dtype).tiny)
    return (max_m * raw / largest).float()
