"""Classifiers and modes of the authors' code, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ltbench_domains.composition import canonical

from ltbench.plugins.resolve import resolve, resolve_written
from ltbench.testing import build_algorithm, random_batch, train_info

COUNTS = [[12, 6, 3, 1], [1, 3, 5, 8], [9, 2, 4, 1]]


def cosines(features: Any, weights: Any) -> Any:
    f, w = features.detach().double().numpy(), weights.detach().double().numpy()
    return (f @ w.T) / np.outer(np.linalg.norm(f, axis=1), np.linalg.norm(w, axis=1))


@torch.no_grad()
def test_bcl_classifies_by_thirty_cosines_and_contrasts_with_the_vectors_as_learnt() -> None:
    bcl = build_algorithm("bcl", train_info(COUNTS)).eval()
    bcl.class_vectors.mul_(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
    x = random_batch(bcl.train_info).x
    expected = 30 * cosines(bcl.features(x), bcl.class_vectors)
    np.testing.assert_allclose(bcl.predict(x).numpy(), expected, rtol=1e-5, atol=1e-5)
    assert bcl.class_vectors is bcl.classifier.classifier.weight
    assert isinstance(build_algorithm("bcl[scale=0]", bcl.train_info).classifier, torch.nn.Linear)


@pytest.mark.parametrize("shared", [False, True])
@torch.no_grad()
def test_balpoe_averages_thirty_cosines(shared: bool) -> None:
    model = build_algorithm(f"balpoe[shared={str(shared).lower()}]", train_info(COUNTS)).eval()
    x = random_batch(model.train_info).x
    features = model.features(x)
    parts = [features] * 3 if shared else features.chunk(3, dim=1)
    heads = [head.classifier.weight for head in model.classifier.heads]
    expected = np.mean([30 * cosines(f, w) for f, w in zip(parts, heads, strict=True)], 0)
    np.testing.assert_allclose(model.predict(x).numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["ldam[normalized=true]", "bcl", "balpoe"])
def test_cosine_classifiers_start_with_vectors_of_length_one(name: str) -> None:
    model = build_algorithm(name, train_info(COUNTS))
    weights = [p for key, p in model.named_parameters() if key.startswith("classifier")]
    for weight in weights:
        assert torch.allclose(weight.norm(dim=1), torch.ones(4))


def test_ldams_start_makes_another_run_of_a_cosine_classifier_alone() -> None:
    hparams = type(build_algorithm("ldam", train_info(COUNTS)).hparams)
    assert "start" not in hparams().as_dict()
    assert hparams(normalized=True).as_dict()["start"] == 1.0
    before = build_algorithm("ldam[normalized=true,start=0]", train_info(COUNTS))
    assert before.classifier.classifier.weight.norm(dim=1).min() > 2


def test_bsoftmax_counts_absent_classes_as_one_image_if_asked(long_tail: Any) -> None:
    z, n = long_tail.logits, np.maximum(long_tail.counts, 1)[long_tail.d]
    shifted = z + np.log(n)
    nll = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(8), long_tail.y]
    found = long_tail.risks(long_tail.build("bsoftmax[absent=one]"))
    np.testing.assert_allclose(found, nll.reshape(2, 4).mean(1), rtol=1e-6)
    assert not np.allclose(found, long_tail.risks(long_tail.build("bsoftmax")))


def test_bsoftmaxs_modes_agree_where_no_class_is_absent(balanced: Any) -> None:
    one, out = balanced.build("bsoftmax[absent=one]"), balanced.build("bsoftmax")
    np.testing.assert_allclose(balanced.risks(one), balanced.risks(out), rtol=1e-6)
    assert out.hparams.as_dict() == {}  # the hash of its runs is what it was


@pytest.mark.parametrize(
    ("kind", "name", "key", "before"),
    [
        ("algorithms", "bcl", "scale", 0.0),
        ("algorithms", "bcl", "views", 1),
        ("algorithms", "balpoe", "scale", 0.0),
        ("algorithms", "ldam", "start", 0.0),
        ("stages", "weight-balancing", "projection", 1),
    ],
)
def test_runs_that_were_planned_before_go_on_as_they_were(
    kind: str, name: str, key: str, before: float
) -> None:
    _, now = resolve(kind, name, {"normalized": True} if name == "ldam" else {})
    written = {k: v for k, v in now.as_dict().items() if k != key}
    _, then = resolve_written(kind, name, written)
    assert getattr(then, key) == before != getattr(now, key)
    _, again = resolve_written(kind, name, now.as_dict())
    assert again == now


def test_a_normalized_loss_within_a_method_is_another_run_than_before() -> None:
    assert canonical("ldam[normalized=true]", "coral") == "ldam[normalized=true,start=1.0]"
    assert canonical("ldam[normalized=true,start=0]", "coral") == (
        "ldam[normalized=true,start=0.0]"
    )
    assert canonical("ldam", "coral") == "ldam"
    assert canonical("bsoftmax[absent=one]", "coral") == "bsoftmax[absent=one]"
