"""τ-normalised classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ltbench.api import Algorithm, HParams, TrainInfo, Training, hparam
from ltbench_stages.untrained import UntrainedStage


class TauNormHParams(HParams):
    """Hyper-parameters of the τ-normalised classifier."""

    lowest: float = hparam(0.0, low=0.0, help="least τ tried; equal bounds fix τ")
    highest: float = hparam(2.0, low=0.0, help="largest τ tried")
    points: int = hparam(21, low=1, help="values of τ tried")
    select: str = hparam(
        "f1", choices=("f1", "accuracy"), help="domain-average metric on validation that chooses τ"
    )


class TauNorm(UntrainedStage):
    """τ-normalised classifier (Kang et al., ICLR 2020, arXiv:1910.09217, section 4).

    Logits w_c·f / ‖w_c‖^τ with the class weights w and features f of the model chosen before,
    without bias. τ is the value among ``points`` equally spaced ones in ``lowest`` … ``highest``
    with the best average over domains of macro-F1 (or accuracy) on the validation images, the
    smallest where several are best. Nothing is trained.
    """

    HParams = TauNormHParams
    hparams: TauNormHParams
    classifier: nn.Linear
    tau: Tensor

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: TauNormHParams) -> None:
        super().__init__(base, train_info, hparams)
        weight = base.class_weights()
        self.classifier = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.classifier.requires_grad_(False)
        self.register_buffer("tau", torch.zeros(()))

    @classmethod
    def uses_validation(cls, hparams: Any) -> str:
        """Return that τ is chosen by validation images."""
        return "chooses"

    def before_step(self, step: int, training: Training) -> None:
        """Choose τ on the validation images and scale the classifier."""
        weight = self.base.class_weights().detach()
        found = training.extract_features("val")
        y, d = found.y.cpu(), found.d.cpu()
        taus = torch.linspace(self.hparams.lowest, self.hparams.highest, self.hparams.points)
        scores = [
            domain_average(
                (found.features @ normalised(weight, tau).T).argmax(1).cpu(),
                y,
                d,
                weight.shape[0],
                self.hparams.select,
            )
            for tau in taus.tolist()
        ]
        best = taus[scores.index(max(scores))]
        self.tau.copy_(best)
        self.classifier.weight.copy_(normalised(weight, float(best)))


def normalised(weight: Tensor, tau: float) -> Tensor:
    """Return w_c / ‖w_c‖^τ for weights (C, F); a weight of length 0 stays 0."""
    norms = weight.norm(dim=1, keepdim=True)
    return weight / norms.where(norms > 0, 1.0) ** tau


def domain_average(prediction: Tensor, y: Tensor, d: Tensor, classes: int, metric: str) -> float:
    """Return the mean over domains of accuracy or of macro-F1 over the classes there.

    Args:
        prediction: predicted classes, (N,), on the CPU as the others.
        y: true classes, (N,).
        d: domains, (N,).
        classes: number of classes.
        metric: ``accuracy`` or ``f1``.
    """
    values = []
    for domain in sorted(set(d.tolist())):
        true, guess = y[d == domain], prediction[d == domain]
        hits = torch.bincount(true[true == guess], minlength=classes).double()
        images = torch.bincount(true, minlength=classes)
        if metric == "accuracy":
            values.append(float(hits.sum() / len(true)))
            continue
        guesses = torch.bincount(guess, minlength=classes)
        f1 = (2 * hits / (images + guesses).clamp(min=1))[images > 0]
        values.append(float(f1.mean()))
    return sum(values) / len(values)
