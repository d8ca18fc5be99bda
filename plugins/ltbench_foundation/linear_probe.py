"""Logistic regression on the features of a network as it is."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import nn

from ltbench.api import HParams, Training, hparam
from ltbench_foundation.untrained import UntrainedAlgorithm

logger = logging.getLogger(__name__)

_ITERATIONS = 1000  # as in the CLIP paper


class LinearProbeHParams(HParams):
    """Hyper-parameters of the linear probe."""

    c: float = hparam(
        0.316,
        low=1e-6,
        high=1e6,
        search=(1e-6, 1e6),
        log=True,
        help="inverse of the strength of the L2 penalty, scikit-learn's C",
    )
    balanced: bool = hparam(
        False, help="weigh images by the inverse of their class's share of the training images"
    )


class LinearProbe(UntrainedAlgorithm):
    """Linear probe (Radford et al., ICML 2021, arXiv:2103.00020, section 3.2 and appendix A.3).

    Multinomial logistic regression by scikit-learn's L-BFGS, at most 1,000 iterations, with an L2
    penalty on the weights, on the features of all training images, not augmented, of the network as
    it is. ``c`` is 0.316 in the example of CLIP's code; the paper chooses it on validation images
    among 96 values from 1e-6 to 1e6, which ``ltbench tune`` does here. The network learns nothing,
    so the row tells how far its features are linearly separable.

    A class without training images gets no weights, and the least bias less log N, of N images.
    """

    HParams = LinearProbeHParams
    hparams: LinearProbeHParams
    classifier: nn.Linear

    def make_classifier(self) -> nn.Module:
        """Return a linear classifier, whose weights are no start but the outcome."""
        return super().make_classifier()

    def before_step(self, step: int, training: Training) -> None:
        """Fit the classifier."""
        found = training.extract_features("train")
        features, y = found.features.cpu().numpy(), found.y.cpu().numpy()
        with threadpool_limits(torch.get_num_threads()):
            weight, bias = fitted(features, y, self.train_info.num_classes, self.hparams)
        self.classifier.weight.copy_(torch.from_numpy(weight))
        self.classifier.bias.copy_(torch.from_numpy(bias))


def fitted(
    features: NDArray[np.float32], y: NDArray[np.int64], classes: int, hparams: LinearProbeHParams
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights (C, F) and biases (C,) of the regression.

    Args:
        features: (N, F).
        y: classes, (N,), of which some may be absent.
        classes: how many there are.
        hparams: its penalty, and how images weigh.
    """
    from sklearn.linear_model import LogisticRegression

    present = np.unique(y)
    weight, bias = np.zeros((classes, features.shape[1])), np.zeros(classes)
    if len(present) > 1:
        model = LogisticRegression(
            C=hparams.c,
            max_iter=_ITERATIONS,
            class_weight="balanced" if hparams.balanced else None,
        )
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model.fit(features, y)
        for one in said:
            logger.info("the linear probe: %s", str(one.message).partition("\n")[0])
        coefficients, intercepts = model.coef_, model.intercept_
        if len(present) == 2:  # of two classes it keeps the difference
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        weight[present], bias[present] = coefficients, intercepts
    absent = np.setdiff1d(np.arange(classes), present)
    bias[absent] = bias[present].min() - np.log(len(y))
    return weight, bias
