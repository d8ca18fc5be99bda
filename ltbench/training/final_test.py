"""The test of a run's chosen model: its metrics, answers, logits and a sample of its features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltbench.data.sampling import Rows
from ltbench.errors import DivergedError
from ltbench.evaluation.tested import answer_arrays, results_of_test
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.split import Split
from ltbench.results.folder import write_arrays
from ltbench.results.logits import Logits, kept_logits, write_logits
from ltbench.training.context import RunContext
from ltbench.training.finite import check_finite
from ltbench.training.seeding import derive_seed
from ltbench.training.unlabelled import learnt_before_test

FEATURE_IMAGES = 2000
FLOAT16_MAX = 65504.0


def evaluate_on_test(model: Algorithm, context: RunContext) -> dict[str, Any]:
    """Evaluate the chosen model on the test images, once, and keep what it says of them.

    Further test sets are parts of the test images, so they take no second pass. The logits of the
    validation images are kept beside those of the test images, of the same model: where it learnt
    on the test images before, after that.

    Returns:
        The part of ``result.json`` that the test gives.

    Raises:
        DivergedError: the model's weights are not finite, or no longer after it learnt on the test
            images.
    """
    split, domains = context.split, context.facts.domains
    rows = split.rows("test")
    before = learnt_before_test(model, context)
    answers = context.evaluator.answers(model, rows)
    found = answers.predictions
    validated = _validation(model, context)
    if before:  # what was learnt on these images is at fault, and not the training
        _check_learnt(found, validated, context.spec.label)
    else:
        check_finite(found, f"{context.spec.label} on test images")
    logits = {"test": _kept(answers.logits, split, rows), "val": validated}
    context.folder.guard()
    write_arrays(context.folder.predictions, answer_arrays(found), sync=None)
    write_arrays(
        context.folder.features, _feature_arrays(answers.features.features, split), sync=None
    )
    write_logits(context.folder.logits, logits)
    sets = context.dataset.test_sets(split).items()
    tested = results_of_test(found, domains, {name: np.isin(rows, part) for name, part in sets})
    return {**tested, **({"before_test": before} if before else {})}


def _check_learnt(found: Predictions, validated: Logits, label: str) -> None:
    """Check what a model answers that learnt on the test images, to these and to validation's.

    Raises:
        DivergedError: a loss, or a logit of a validation image, is not finite.
    """
    who = f"{label}, which learnt on the test images before its test"
    advice = "other hyper-parameters of what it does there may help"
    check_finite(found, f"{who}, on these", advice)
    if validated.logits is not None and not np.isfinite(validated.logits).all():
        raise DivergedError(f"logits of {who}, on validation images are not finite; {advice}")


def _validation(model: Algorithm, context: RunContext) -> Logits:
    """Return the chosen model's logits of the validation images, of which there may be none."""
    rows = context.split.rows("val")
    if len(rows):
        found = context.evaluator.logits(model, rows)
    else:
        found = torch.zeros(0, context.split.shape[1])
    return _kept(found, context.split, rows)


def _kept(logits: Tensor, split: Split, rows: Rows) -> Logits:
    values = logits.float().cpu().numpy()
    return kept_logits(values, split.y[rows], split.d[rows], split.images[rows])


def _feature_arrays(features: Tensor, split: Split) -> dict[str, NDArray[Any]]:
    """Return a sample of the test features, and the mean feature of each pair."""
    rows = split.rows("test")
    values = features.float().cpu().numpy()
    flat = split.d[rows] * split.shape[1] + split.y[rows]
    sums = np.zeros((split.shape[0] * split.shape[1], values.shape[1]))
    np.add.at(sums, flat, values)
    sizes = np.bincount(flat, minlength=len(sums))[:, None]
    means = np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)
    # The same images in every run, so that figures of several runs show the same points.
    generator = np.random.default_rng(derive_seed(0, "features", split.sha256))
    sample = np.sort(generator.permutation(len(rows))[:FEATURE_IMAGES])
    return {
        "features": values[sample].clip(-FLOAT16_MAX, FLOAT16_MAX).astype(np.float16),
        "index": sample.astype(np.int32),
        "centroids": means.reshape(*split.shape, -1).astype(np.float32),
    }
