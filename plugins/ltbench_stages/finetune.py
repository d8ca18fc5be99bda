"""Fine-tuning of the whole network from a probed classifier."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ltbench.api import Algorithm, Stage, StageHParams, TrainInfo


class FineTune(Stage):
    """Fine-tuning after a probe (Kumar et al., "Fine-tuning can distort pretrained features …").

    ICLR 2022, arXiv:2202.10054, section 3.4, LP-FT. Network and classifier of the stage before are
    trained on together with cross-entropy, from where that left them. After ``linear-probe``, on
    which it stands by itself, the features move less than they do under a random classifier, and
    runs of all settings and seeds begin at the same weights, so that these can be averaged.
    """

    HParams = StageHParams
    hparams: StageHParams
    frozen = False
    default_base = "linear-probe"

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: Any) -> None:
        super().__init__(base, train_info, hparams)
        del self._modules["classifier"]  # the base's is the one that is trained

    @property
    def classifier(self) -> nn.Module:  # type: ignore[override]
        """The classifier of ``base``."""
        return self.base.classifier

    def predict(self, x: Tensor) -> Tensor:
        """Return the logits (N, C) of images, as the stage before computes them."""
        return self.base.predict(x)

    def class_weights(self) -> Tensor:
        """Return the weight vectors (C, F) by which the stage before answers."""
        return self.base.class_weights()

    def class_bias(self) -> Tensor | None:
        """Return the bias (C,) by which the stage before answers."""
        return self.base.class_bias()
