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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from ltbench.results.logits import Logits

FloatArray = NDArray[np.float64]
Counts = NDArray[np.integer]

TOLERANCE = 0.01
"""Nats; drawn anew, the likelihood varies by half a nat a class."""
MOST_STEPS = 1500
SINGULAR = 1e10
"""Condition number (1-norm) from which a confusion matrix counts as singular."""
_SLAB = 2048  # rows made into other types at a time
_LEAST_SHARE = 1e-12
_LONGEST_REACH = 50.0
_LEAST_LOG = -700.0  # of a probability, so that sums stay finite
_MOST_LOG_T, _MOST_BIAS = 3.0, 30.0


@dataclass(frozen=True)
class Source:
    """What a model's logits stand for: p(y | x) under which distribution of the classes.

    Attributes:
        prior: π, (C,), all positive.
        temperature: T, by which logits are divided.
        bias: b, (C,), which is added then.
    """

    prior: FloatArray
    temperature: float = 1.0
    bias: FloatArray | None = None

    @property
    def offset(self) -> FloatArray:
        """Return log π − b, (C,)."""
        found: FloatArray = np.log(self.prior) - (0.0 if self.bias is None else self.bias)
        return found

    def likelihoods(self, logits: Logits) -> FloatArray:
        """Return log p(x | y) up to a number of each image, z/T + b − log π, (N, C).

        Where the largest logits alone were kept, the probability that is left is spread over the
        other classes so that an image is equally likely under all of them.
        """
        if logits.top is None:
            return logits.log_probabilities() / self.temperature - self.offset
        kept, level = self.kept_likelihoods(logits)
        found = np.repeat(level[:, None], logits.width, axis=1)
        np.put_along_axis(found, logits.top.astype(np.int64), kept, axis=1)
        return found

    def kept_likelihoods(self, logits: Logits) -> tuple[FloatArray, FloatArray]:
        """Return those of the classes whose logits were kept (N, K), and of any other (N,)."""
        kept, rest = logits.kept_probabilities()
        assert logits.top is not None
        flat = np.exp(self.temperature * self.offset)
        others = np.maximum(flat.sum() - flat[logits.top].sum(axis=1), np.finfo(float).tiny)
        missing = rest * (logits.width - kept.shape[1])
        with np.errstate(divide="ignore"):
            level = np.log(missing) - np.log(others)
            own = np.log(kept) / self.temperature - self.offset[logits.top]
        return own, level / self.temperature


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


def corrected_answers(logits: Logits, prior: FloatArray, source: Source) -> NDArray[np.int64]:
    """Return the answers under another distribution: argmax of z + log q − log π, (N,).

    Saerens, Latinne & Decaestecker, Neural Computation 14 (2002), equation 2.4; as a post-hoc
    correction of long-tailed models Hong et al., CVPR 2021 (PC softmax), arXiv 2012.00321.

    Args:
        logits: of N images.
        prior: q, (C,); a class of probability 0 is never the answer.
        source: what the logits stand for.
    """
    with np.errstate(divide="ignore"):
        shift = np.log(prior)
    answers = np.empty(len(logits), np.int64)
    for rows, part in _slabs(logits):
        answers[rows] = (source.likelihoods(part) + shift).argmax(axis=1)
    return answers


def mlls(logits: Logits, source: Source, weights: FloatArray) -> Estimate:
    """Estimate the distribution of classes by maximum likelihood, by EM.

    Saerens, Latinne & Decaestecker, Neural Computation 14 (2002), equation 2.9; the likelihood is
    concave in q, and with probabilities that are calibrated this is the better estimator of the two
    (Alexandari, Kundaje & Shrikumar, ICML 2020, arXiv 1901.06852):

    E: r_ic = p_ic q_c/π_c / Σ_k p_ik q_k/π_k;  M: q_c = Σ_i w_i r_ic; q begins as π.

    The steps end where three of them raise no likelihood of all images by :data:`TOLERANCE`.

    Args:
        logits: of N images, whose classes are not looked at.
        source: what they stand for: p and π.
        weights: (N,) or (N, P) for P estimates at once; each column sums to 1.
    """
    ratios, q = _ratios(logits, source), source.prior[:, None]
    w = weights.reshape(len(logits), -1)

    def log_likelihood(mixed: FloatArray) -> FloatArray:
        found: FloatArray = len(logits) * (w * np.log(mixed)).sum(axis=0)
        return found

    def mix(q: FloatArray) -> FloatArray:
        return np.maximum(ratios @ q, np.finfo(float).tiny)

    q = np.repeat(q, w.shape[1], axis=1)
    before: list[FloatArray] = []
    likelihood = np.full(w.shape[1], -np.inf)
    for step in range(MOST_STEPS):
        mixed = mix(q)
        if not before:
            now = log_likelihood(mixed)
            if (now - likelihood < TOLERANCE).all():
                return Estimate(q.reshape(len(q), *weights.shape[1:]), step)
            likelihood = now
        before.append(q)
        q = q * (ratios.T @ (w / mixed))
        q /= q.sum(axis=0)
        if len(before) == 3:
            ahead = _further(before[1], before[2], q)
            better = log_likelihood(mix(ahead)) >= log_likelihood(mix(q))
            q, before = np.where(better, ahead, q), []
    problem = f"EM had not converged after {MOST_STEPS:,} steps"
    return Estimate(q.reshape(len(q), *weights.shape[1:]), MOST_STEPS, problem)


def _further(first: FloatArray, second: FloatArray, third: FloatArray) -> FloatArray:
    """Return distributions (C, P) further along the way on which three steps of EM lie.

    Varadhan & Roland, Scandinavian Journal of Statistics 35 (2008), scheme S3, for the logarithms.
    It may be too far: whether it is likelier than the third step is left to see.
    """
    u, v, w = (np.log(np.maximum(q, _LEAST_SHARE)) for q in (first, second, third))
    change, turn = v - u, w - 2 * v + u
    far, bent = (np.sqrt((second * part**2).sum(axis=0)) for part in (change, turn))
    reach = np.divide(far, bent, out=np.ones(len(far)), where=bent > 0)
    reach = np.clip(reach, 1, _LONGEST_REACH)
    ahead = u + 2 * reach * change + reach**2 * turn
    q: FloatArray = np.maximum(np.exp(ahead - ahead.max(axis=0)), _LEAST_SHARE)
    return q / q.sum(axis=0)


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
    try:
        _check_all_classes(validation, classes)
    except ValueError as problem:
        return Estimate(none, problem=str(problem))
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


def fitted_source(validation: Logits, shape: tuple[int, int]) -> Source:
    """Return what logits stand for by the validation images: a temperature, a bias of each class.

    Bias-corrected temperature scaling, Alexandari, Kundaje & Shrikumar, ICML 2020, arXiv
    1901.06852, section 3: the softmax of z/T + b has the smallest loss on the images, which are
    weighted to have all classes, and in each all domains, equally; so it is for the uniform
    distribution.

    Args:
        validation: logits and classes of validation images.
        shape: number of domains and classes.

    Raises:
        ValueError: a class has no validation image; the message says so without a full stop.
    """
    classes = shape[1]
    _check_all_classes(validation, classes)
    even = np.full(classes, 1 / classes)
    weights = image_weights(validation.classes, validation.domains, even, shape)

    def loss(values: FloatArray) -> tuple[float, FloatArray]:
        scale, bias = np.exp(-values[0]), values[1:]
        total, slope = 0.0, np.zeros(len(values))
        for rows, part in _slabs(validation):
            log_p = np.maximum(part.log_probabilities(), _LEAST_LOG)
            z = log_p * scale + bias
            z -= z.max(axis=1, keepdims=True)
            p = np.exp(z)
            sums = p.sum(axis=1, keepdims=True)
            at, own, w = np.arange(len(part)), part.classes, weights[rows]
            total -= float(w @ (z[at, own] - np.log(sums[:, 0])))
            p /= sums
            p[at, own] -= 1
            p *= w[:, None]
            slope[1:] += p.sum(axis=0)
            slope[0] -= scale * float((p * log_p).sum())
        return total, slope

    bounds = [(-_MOST_LOG_T, _MOST_LOG_T), *([(-_MOST_BIAS, _MOST_BIAS)] * classes)]
    found = minimize(loss, np.zeros(classes + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return Source(even, float(np.exp(found.x[0])), found.x[1:])


def total_variation(first: FloatArray, second: FloatArray) -> float:
    """Return the distance of two distributions, half the sum of the differences: 0…1."""
    return float(np.abs(first - second).sum() / 2)


def plain_answers(logits: Logits) -> NDArray[np.int64]:
    """Return the classes of the largest logits, (N,)."""
    best = logits.logits.argmax(axis=1)
    if logits.top is None:
        return best.astype(np.int64)
    return np.take_along_axis(logits.top, best[:, None], axis=1)[:, 0].astype(np.int64)


def _check_all_classes(validation: Logits, classes: int) -> None:
    lacking = int((np.bincount(validation.classes, minlength=classes) == 0).sum())
    if lacking:
        words = "a class has" if lacking == 1 else f"{lacking:,} classes have"
        raise ValueError(f"{words} no validation image")


def _slabs(logits: Logits) -> Iterator[tuple[slice, Logits]]:
    for start in range(0, len(logits), _SLAB):
        rows = slice(start, start + _SLAB)
        yield rows, logits.rows(rows)


def _ratios(logits: Logits, source: Source) -> Any:
    """Return p/π up to a factor of each row, (N, C), or what multiplies as it."""
    if logits.top is None:
        z = source.likelihoods(logits)
        return np.exp(z - z.max(axis=1, keepdims=True))
    kept, level = source.kept_likelihoods(logits)
    largest = kept.max(axis=1)
    kept, level = np.exp(kept - largest[:, None]), np.exp(np.minimum(level - largest, 700))
    rows = np.arange(len(logits)).repeat(kept.shape[1])
    above = (kept - level[:, None]).ravel()
    shape = (len(logits), logits.width)
    matrix = sparse.csr_array((above, (rows, logits.top.ravel())), shape=shape)
    return _Spread(matrix, level, np.ones(logits.width))


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
