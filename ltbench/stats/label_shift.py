"""Accuracy under another distribution of the classes, and correcting answers for one.

Label shift: the classes of the test images have other frequencies than those that a model learnt,
while the images of each class are the same, p(x | y). A test set of distribution q is emulated
exactly by weights on the test images there are; nothing is drawn.

A correction takes the model's probabilities for p(y | x) under a distribution π, and answers by
Bayes' rule under q: argmax of z_c + log q_c − log π_c. Where q is unknown, it is estimated from the
images without their classes: by maximum likelihood (MLLS), or from how the model errs on validation
images (BBSE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ltbench.results.logits import Logits

FloatArray = NDArray[np.float64]
Counts = NDArray[np.integer]

TOLERANCE = 1e-7
"""EM has converged when no probability changes by more."""
MOST_STEPS = 2000
SINGULAR = 1e10
"""Condition number (1-norm) from which a confusion matrix counts as singular."""
_SLAB = 2048  # rows made into other types at a time


@dataclass(frozen=True)
class Estimate:
    """An estimated distribution of the classes.

    Attributes:
        prior: (C,), or (C, P) of P weightings; NaN where there is none.
        steps: of EM, 0 where there were none.
        problem: why there is no estimate, or what is wrong with it, without a full stop.
    """

    prior: FloatArray
    steps: int = 0
    problem: str = ""


def pair_hits(
    y: Counts, d: Counts, answers: Counts, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return right answers and images of every domain and class, each (D, C)."""
    flat = d * shape[1] + y
    size = shape[0] * shape[1]
    right = np.bincount(flat[answers == y], minlength=size)
    return right.reshape(shape), np.bincount(flat, minlength=size).reshape(shape)


def prior_accuracy(hits: Counts, counts: Counts, prior: FloatArray) -> tuple[float, float]:
    """Return the accuracy under a distribution of classes, and its error over test images.

    Σ_c q_c · recall_c, where the recall of a class is the mean over the domains that have test
    images of it: every domain counts the same, and has the distribution q. The error is the
    standard deviation of that sum when the test images of every domain and class are drawn anew
    (binomial, at the recalls that were found).

    Args:
        hits: right answers, (D, C).
        counts: test images, (D, C).
        prior: (C,).

    Returns:
        Both in 0…1; NaN where a class of positive probability has no test image.
    """
    present = counts > 0
    domains = present.sum(axis=0)
    if (prior[domains == 0] > 0).any():
        return float("nan"), float("nan")
    recall = np.divide(hits, counts, out=np.zeros(counts.shape), where=present)
    share = np.divide(prior, domains, out=np.zeros(len(prior)), where=domains > 0)
    spread = np.divide(recall * (1 - recall), counts, out=np.zeros(counts.shape), where=present)
    return float((recall.sum(axis=0) * share).sum()), float(
        np.sqrt((spread.sum(axis=0) * share**2).sum())
    )


def image_weights(y: Counts, d: Counts, prior: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Return weights with which images have a distribution of classes, the same in each domain.

    q_y / (domains that have images of y · images of y in the domain), so that right answers, so
    weighted, add up to :func:`prior_accuracy`.

    Args:
        y: classes, (N,).
        d: domains, (N,).
        prior: (C,).
        shape: number of domains and classes.

    Returns:
        (N,); they sum to 1 where every class of positive probability has images.
    """
    _, counts = pair_hits(y, d, y, shape)
    domains = (counts > 0).sum(axis=0)
    found: FloatArray = prior[y] / (domains[y] * counts[d, y])
    return found


def corrected_answers(logits: Logits, prior: FloatArray, source: FloatArray) -> NDArray[np.int64]:
    """Return the answers under another distribution: argmax of z + log q − log π, (N,).

    Saerens, Latinne & Decaestecker, Neural Computation 14 (2002), equation 2.4; as a post-hoc
    correction of long-tailed models Hong et al., CVPR 2021 (PC softmax), arXiv 2012.00321.

    Args:
        logits: of N images.
        prior: q, (C,); a class of probability 0 is never the answer.
        source: π, (C,), all positive.
    """
    with np.errstate(divide="ignore"):
        shift = np.log(prior) - np.log(source)
    answers = np.empty(len(logits), np.int64)
    for start in range(0, len(logits), _SLAB):
        rows = slice(start, start + _SLAB)
        answers[rows] = (logits.rows(rows).log_probabilities() + shift).argmax(axis=1)
    return answers


def mlls(logits: Logits, source: FloatArray, weights: FloatArray) -> Estimate:
    """Estimate the distribution of classes by maximum likelihood, by EM.

    Saerens, Latinne & Decaestecker, Neural Computation 14 (2002), equation 2.9; the likelihood is
    concave in q, and with probabilities that are calibrated this is the better estimator of the two
    (Alexandari, Kundaje & Shrikumar, ICML 2020, arXiv 1901.06852):

    E: r_ic = p_ic q_c/π_c / Σ_k p_ik q_k/π_k;  M: q_c = Σ_i w_i r_ic; q begins as π.

    Args:
        logits: of N images, whose classes are not looked at.
        source: π, the distribution that the probabilities p are for, (C,), all positive.
        weights: (N,) or (N, P) for P estimates at once; each column sums to 1.
    """
    ratios = _ratios(logits, source)
    w = weights.reshape(len(logits), -1)
    q = np.repeat(source[:, None], w.shape[1], axis=1)
    steps = 0
    for steps in range(1, MOST_STEPS + 1):  # noqa: B007
        mixed = np.maximum(ratios @ q, np.finfo(float).tiny)
        following = q * (ratios.T @ (w / mixed))
        following /= following.sum(axis=0)
        change = np.abs(following - q).max()
        q = following
        if change < TOLERANCE:
            break
    problem = "" if steps < MOST_STEPS else f"EM had not converged after {MOST_STEPS:,} steps"
    return Estimate(q.reshape(len(source), *weights.shape[1:]), steps, problem)


def bbse(validation: Logits, test: Logits, weights: FloatArray, shape: tuple[int, int]) -> Estimate:
    """Estimate the distribution of classes from how the model errs on validation images.

    Black-box shift estimation, Lipton, Wang & Smola, ICML 2018, arXiv 1802.03916, section 4: the
    answers' distribution is μ_i = Σ_j p(ŷ = i | y = j) q_j, which is solved for q. The matrix has
    the answers to validation images, every domain counting the same; μ those to test images.
    Negative entries are set to 0 and the rest made to sum to 1.

    Args:
        validation: logits and classes of validation images.
        test: logits of N test images, whose classes are not looked at.
        weights: of the test images, (N,) or (N, P) for P estimates at once.
        shape: number of domains and classes.
    """
    classes = shape[1]
    none = np.full((classes, *weights.shape[1:]), np.nan)
    seen = np.bincount(validation.classes, minlength=classes)
    if not seen.all():
        lacking = int((seen == 0).sum())
        words = "a class has" if lacking == 1 else f"{lacking:,} classes have"
        return Estimate(none, problem=f"{words} no validation image")
    columns = image_weights(validation.classes, validation.domains, np.ones(classes), shape)
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (plain_answers(validation), validation.classes), columns)
    singular = "the confusion matrix of the validation images is singular"
    try:
        inverse = np.linalg.inv(confusion)
    except np.linalg.LinAlgError:
        return Estimate(none, problem=singular)
    if not np.abs(confusion).sum(0).max() * np.abs(inverse).sum(0).max() < SINGULAR:
        return Estimate(none, problem=singular)
    w = weights.reshape(len(test), -1)
    answered = np.zeros((classes, w.shape[1]))
    np.add.at(answered, plain_answers(test), w)
    solved = np.maximum(inverse @ answered, 0)
    return Estimate((solved / solved.sum(axis=0)).reshape(none.shape))


def source_loss(logits: Logits, source: FloatArray, shape: tuple[int, int]) -> float:
    """Return the loss in nats on images if probabilities are for a distribution ``source``.

    The images are weighted to have all classes, and in each all domains, equally, and the
    probabilities corrected for that. The lower it is, the better the distribution describes what
    the model's probabilities are for.

    Args:
        logits: of N images, with their classes.
        source: (C,), all positive.
        shape: number of domains and classes.
    """
    even = np.full(len(source), 1 / len(source))
    weights = image_weights(logits.classes, logits.domains, even, shape)
    total = 0.0
    for start in range(0, len(logits), _SLAB):
        part = logits.rows(slice(start, start + _SLAB))
        z = np.maximum(part.log_probabilities(), -700.0) - np.log(source)
        z -= z.max(axis=1, keepdims=True)
        own = z[np.arange(len(part)), part.classes] - np.log(np.exp(z).sum(axis=1))
        total -= float((weights[start : start + _SLAB] * own).sum())
    return total / float(weights.sum())


def total_variation(first: FloatArray, second: FloatArray) -> float:
    """Return the distance of two distributions, half the sum of the differences: 0…1."""
    return float(np.abs(first - second).sum() / 2)


def plain_answers(logits: Logits) -> NDArray[np.int64]:
    """Return the classes of the largest logits, (N,)."""
    best = logits.logits.argmax(axis=1)
    if logits.top is None:
        return best.astype(np.int64)
    return np.take_along_axis(logits.top, best[:, None], axis=1)[:, 0].astype(np.int64)


def _ratios(logits: Logits, source: FloatArray) -> Any:
    """Return p/π as a matrix (N, C), or what multiplies as one where few logits are kept."""
    if logits.top is None:
        return logits.probabilities() / source
    kept, rest = logits.kept_probabilities()
    rows = np.arange(len(logits)).repeat(kept.shape[1])
    above = ((kept - rest[:, None]) / source[logits.top]).ravel()
    shape = (len(logits), len(source))
    matrix = sparse.csr_array((above, (rows, logits.top.ravel())), shape=shape)
    return _Spread(matrix, rest, 1 / source)


@dataclass(frozen=True)
class _Spread:
    """A sparse matrix (N, C) plus the outer product of two vectors, which is not made."""

    matrix: sparse.csr_array
    left: FloatArray
    right: FloatArray

    def __matmul__(self, other: FloatArray) -> FloatArray:
        found: FloatArray = self.matrix @ other + np.outer(self.left, self.right @ other)
        return found

    @property
    def T(self) -> _Spread:  # noqa: N802  # as of an array
        return _Spread(self.matrix.T.tocsr(), self.right, self.left)
