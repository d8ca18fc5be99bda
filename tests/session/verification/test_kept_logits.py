"""Logits that seem not to have been kept, so that nothing could be computed from them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences
from test_verify import ERM, FIRST, place

PROBABILITIES = ("macro_auroc", "macro_auprc", "brier_score", "top5_accuracy")


def largest_alone(arrays):
    """Keep the logits of all classes as those of the largest, which are all."""
    for part in ("test", "val"):
        z = arrays[f"{part}_logits"].astype(np.float64)
        top = np.argsort(-z, axis=1, kind="stable")
        arrays[f"{part}_top"] = top.astype(np.int32)
        arrays[f"{part}_log_sum_exp"] = np.log(np.exp(z).sum(1)).astype(np.float32)
        arrays[f"{part}_logits"] = np.take_along_axis(z, top, axis=1).astype(np.float16)
    arrays["class_count"] = np.array([z.shape[1]], np.int32)


def another_class(arrays):
    """Add a class that no image has and no answer names."""
    for part in ("test", "val"):
        z = arrays[f"{part}_logits"]
        arrays[f"{part}_logits"] = np.hstack([z, np.full((len(z), 1), -60000, np.float16)])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (largest_alone, "of up to 1,000 classes every run keeps all"),
        (another_class, "logits.npz tells 4 classes apart, and spec.json names 3"),
    ],
)
def test_metrics_of_probabilities_cannot_be_claimed(members, check, change, cause):
    at = place(members, ERM, 0)
    members.edit_arrays(at, "logits.npz", change)

    def claim(result):
        result["test"] |= {name: 0.99 for name in PROBABILITIES if name in result["test"]}

    members.edit(at, "result.json", claim)
    found = check(members)
    said = sentences(found)
    assert cause in said
    assert "brier_score is 0.99 and computed" in said
    assert {run.title: run.badge for run in found.runs}[FIRST] == "claimed"
