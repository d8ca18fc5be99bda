"""Deep feature reweighting: a new head on validation images balanced over groups."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ltbench.api import Algorithm, HParams, TrainInfo, Training, hparam
from ltbench_stages.untrained import UntrainedStage

Array = NDArray[Any]
Heads = tuple[Array, Array]
"""Weights (C, F) and biases (C,)."""

STRENGTHS = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
"""Values of C that are tried, as in the authors' code."""
NEVER = -100.0
"""The logit of a class that no validation image has."""
_MOST_ITERATIONS = 1000


class DFRHParams(HParams):
    """Hyper-parameters of deep feature reweighting."""

    c: float = hparam(
        0.0, low=0.0, help="inverse strength C of the penalty; 0 chooses it on half of the images"
    )
    draws: int = hparam(20, low=1, help="balanced draws, over whose heads the mean is taken")
    solver: str = hparam(
        "liblinear",
        choices=("liblinear", "saga"),
        help="each class against the rest with a penalty on biases, or one softmax",
    )


class DFR(UntrainedStage):
    """Deep feature reweighting (Kirichenko et al., ICLR 2023, arXiv:2204.02937, section 6).

    The features are frozen. A linear head is fitted by logistic regression with an L1 penalty,
    ‖w‖₁ + C·Σ_i ℓ_i, to the features of **validation** images, of which the same number are drawn
    of each group; groups are the domain-class pairs (DFR with validation data, the paper's
    DFR^Val_Tr). Features are standardised by the training images. Weights and biases are the mean
    over ``draws`` such draws, and the standardisation is folded into them, so that what is left is
    a linear classifier. C is the one of 1, .7, .3, .1, .07, .03, .01 with the best accuracy of the
    worst group (of equals: mean over groups, then the largest C) on one half of the validation
    images, drawn at random, when fitted to balanced groups of the other half.

    The logistic regression is scikit-learn's with liblinear, as in the authors' code and published
    rows, which also penalises the bias; of more than two classes each is told from the rest.
    ``solver=saga`` has the softmax over all classes instead, its biases free, which is the same
    problem for two classes but for that; it takes several times as long.

    A group without validation images takes no part, and the run says how many these are; a class
    without any is never the answer. The validation images were trained on: validation scores of the
    result are of images it has seen, which results and tables say.
    """

    HParams = DFRHParams
    hparams: DFRHParams
    classifier: nn.Linear

    def __init__(self, base: Algorithm, train_info: TrainInfo, hparams: DFRHParams) -> None:
        super().__init__(base, train_info, hparams)
        # What is fitted is linear, also behind a network that was asked for a cosine classifier.
        if not isinstance(self.classifier, nn.Linear):
            self.classifier = nn.Linear(self.num_features, train_info.num_classes)
        self.classifier.requires_grad_(False)

    @classmethod
    def uses_validation(cls, hparams: Any) -> str:
        """Return that it is trained on validation images."""
        return "trained"

    def before_step(self, step: int, training: Training) -> None:
        """Fit the head to the validation images."""
        images = training.extract_features("val")
        x, y, d = (t.cpu().double().numpy() for t in (images.features, images.y, images.d))
        train = training.extract_features("train").features.cpu().double()
        groups = Groups(y.astype(int), d.astype(int))
        training.say(groups.sentence(self.train_info))
        seed = int(torch.randint(2**31, (), generator=self.generator, device=self.generator.device))
        random, fit = np.random.default_rng(seed), SOLVERS[self.hparams.solver]
        c = self.hparams.c or chosen_strength(x, groups, fit, random)
        mean, deviation = (t.numpy() for t in (train.mean(0), train.std(0, correction=0)))
        deviation[deviation == 0] = 1
        heads = []
        for _ in range(self.hparams.draws):
            rows = groups.draw(np.arange(len(y)), random)
            heads.append(fit((x[rows] - mean) / deviation, groups.y[rows], c, len(self.counts[0])))
        weight, bias = (np.mean(parts, axis=0) for parts in zip(*heads, strict=True))
        folded = weight / deviation
        absent = np.bincount(groups.y, minlength=len(weight)) == 0
        bias = np.where(absent, NEVER, bias - folded @ mean)
        self.classifier.weight.copy_(torch.from_numpy(folded))
        self.classifier.bias.copy_(torch.from_numpy(bias))


class Groups:
    """The domain-class pairs of images.

    Args:
        y: classes, (N,).
        d: domains, (N,).
    """

    def __init__(self, y: Array, d: Array) -> None:
        self.y = y
        pairs = d * (int(y.max()) + 1) + y
        _, self.of, self.sizes = np.unique(pairs, return_inverse=True, return_counts=True)

    def sentence(self, info: TrainInfo) -> str:
        """Return which images are trained on, and which pairs have none."""
        pairs, least = len(self.sizes), int(self.sizes.min())
        lacking = info.num_domains * info.num_classes - pairs
        return (
            f"dfr trains on {least:,} of the validation images of each of {pairs:,} domain-class "
            f"pairs, in draws of {least * pairs:,} of {len(self.y):,}"
            + (f"; {lacking:,} pairs have none and take no part" if lacking else "")
        )

    def draw(self, rows: Array, random: np.random.Generator) -> Array:
        """Return as many of the rows of each group, those of the smallest group that has any."""
        rows = random.permutation(rows)
        order = np.argsort(self.of[rows], kind="stable")
        parts = np.split(rows[order], np.flatnonzero(np.diff(self.of[rows][order])) + 1)
        least = min(map(len, parts))
        return np.concatenate([part[:least] for part in parts])

    def accuracies(self, answers: Array, rows: Array) -> Array:
        """Return the accuracy of each group that has any of the rows."""
        right = np.bincount(self.of[rows], answers == self.y[rows], len(self.sizes))
        images = np.bincount(self.of[rows], minlength=len(self.sizes))
        found: Array = right[images > 0] / images[images > 0]
        return found


def chosen_strength(
    x: Array, groups: Groups, fit: Callable[..., Heads], random: np.random.Generator
) -> float:
    """Return the C that does best on half of the images when fitted to the other half.

    Args:
        x: features, (N, F).
        groups: of the images.
        fit: of :data:`SOLVERS`.
        random: draws the half, and from the other half of each group as many.

    Of fewer than two images nothing can be judged, and it is the first of :data:`STRENGTHS`.
    """
    if len(x) < 2:
        return STRENGTHS[0]
    order = random.permutation(len(x))
    judging, fitting = order[: len(x) // 2], groups.draw(order[len(x) // 2 :], random)
    mean, deviation = x[fitting].mean(0), x[fitting].std(0)
    deviation[deviation == 0] = 1
    classes = int(groups.y.max()) + 1
    absent = np.setdiff1d(np.arange(classes), groups.y[fitting])
    scores = []
    for c in STRENGTHS:
        weight, bias = fit((x[fitting] - mean) / deviation, groups.y[fitting], c, classes)
        bias[absent] = NEVER  # as in the head that is kept; 0 would win where all others are below
        answers = (((x[judging] - mean) / deviation) @ weight.T + bias).argmax(1)
        found = groups.accuracies(answers, judging)
        scores.append((found.min(), found.mean()))
    return STRENGTHS[scores.index(max(scores))]


def softmax_heads(x: Array, y: Array, c: float, classes: int) -> Heads:
    """Return the weights and biases that minimise ‖W‖₁ + C·Σ CE; of absent classes they are 0.

    Args:
        x: features, (N, F).
        y: classes, (N,).
        c: C.
        classes: number of classes, C.
    """
    return _spread(np.unique(y), *_fitted(x, y, c, "saga"), x.shape[1], classes)


def separate_heads(x: Array, y: Array, c: float, classes: int) -> Heads:
    """Return the same of each class against the rest, its bias penalised too."""
    present = np.unique(y)
    if len(present) <= 2:
        return _spread(present, *_fitted(x, y, c, "liblinear"), x.shape[1], classes)
    found = [_fitted(x, y == one, c, "liblinear") for one in present]
    weights, biases = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _spread(present, weights, biases, x.shape[1], classes)


SOLVERS: dict[str, Callable[..., Heads]] = {"saga": softmax_heads, "liblinear": separate_heads}
"""How a head is fitted, by the name of the solver."""


def _fitted(x: Array, y: Array, c: float, solver: str) -> Heads:
    """Return scikit-learn's weights and biases; of two classes it has one row, the second's."""
    if len(np.unique(y)) == 1:  # which is then always the answer
        return np.zeros((1, x.shape[1])), np.ones(1)
    from sklearn import __version__
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    version = tuple(map(int, __version__.split(".")[:2]))
    penalty: dict[str, Any] = {"l1_ratio": 1.0} if version >= (1, 8) else {"penalty": "l1"}
    if solver == "saga":  # the defaults of the other are those that the authors have
        penalty |= {"tol": 1e-3, "max_iter": _MOST_ITERATIONS}
    model = LogisticRegression(C=c, solver=solver, random_state=0, **penalty)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the mean over draws outweighs it
        model.fit(x, y)
    return model.coef_, model.intercept_


def _spread(present: Array, weight: Array, bias: Array, width: int, classes: int) -> Heads:
    """Return rows for all classes; those of two classes share what tells them apart."""
    if len(weight) < len(present):
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    whole, biases = np.zeros((classes, width)), np.zeros(classes)
    whole[present], biases[present] = weight, bias
    return whole, biases
