"""Where a long-tail loss must be plain cross-entropy, or another loss, it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ltbench_longtail.equalization import tail_classes
from ltbench_longtail.ldam import margins
from ltbench_longtail.mixing import mixed_pair
from ltbench_longtail.weighting import effective_weights, mean_one, power_weights

from ltbench.api import Batch
from ltbench.testing import build_algorithm, random_batch, train_info

EXACT = {"rtol": 1e-6, "atol": 1e-6}


@pytest.mark.parametrize(
    "name",
    [
        "focal[gamma=0]",
        "cbloss[beta=0]",
        "cbloss[beta=1e-12]",
        "ldam[max_m=0,s=1]",
        "logit-adjust[tau=0]",
        "logit-adjust[tau=0,prior=pair]",
        "vs-loss[gamma=0,tau=0]",
        "equalization[gamma=0]",
    ],
)
def test_equals_erm_on_any_data(name: str, long_tail: Any) -> None:
    expected = long_tail.risks(long_tail.build("erm"))
    np.testing.assert_allclose(long_tail.risks(long_tail.build(name)), expected, **EXACT)


@pytest.mark.parametrize(
    "name",
    [
        "reweight",
        "sqrt-reweight",
        "weighted-softmax",
        "cbloss",
        "bsoftmax",
        "equalization",
        "logit-adjust",
        "logit-adjust[prior=pair]",
        "vs-loss",
        "ldam[max_m=0,s=1]",
    ],
)
def test_equals_erm_on_balanced_data(name: str, balanced: Any) -> None:
    expected = balanced.risks(balanced.build("erm"))
    np.testing.assert_allclose(balanced.risks(balanced.build(name)), expected, **EXACT)


def test_losses_that_are_special_cases_of_others(long_tail: Any) -> None:
    bsoftmax = long_tail.risks(long_tail.build("bsoftmax"))
    pair = long_tail.risks(long_tail.build("logit-adjust[prior=pair]"))
    vs = long_tail.risks(long_tail.build("vs-loss[gamma=0,tau=1]"))
    np.testing.assert_allclose(pair, bsoftmax, **EXACT)
    np.testing.assert_allclose(vs, bsoftmax, **EXACT)
    reweight = long_tail.risks(long_tail.build("reweight"))
    np.testing.assert_allclose(
        long_tail.risks(long_tail.build("cbloss[beta=1]")), reweight, **EXACT
    )


def test_input_mixup_without_mixing_is_erm(long_tail: Any) -> None:
    batch = long_tail.batch()
    mixup, erm = long_tail.build("input-mixup[alpha=0]"), long_tail.build("erm")
    assert mixup.loss(batch).item() == pytest.approx(erm.loss(batch).item(), abs=1e-6)


def test_input_mixup_with_next_to_no_mixing_shows_whole_images() -> None:
    mixup = build_algorithm("input-mixup[alpha=1e-10]", train_info())
    batch = random_batch(mixup.train_info)
    x = mixed_pair(batch, mixup.hparams.alpha, mixup.generator)[0].x
    assert all(any(one.equal(other) for other in batch.x) for one in x)


def test_one_expert_without_mixing_is_bsoftmax(long_tail: Any) -> None:
    batch = long_tail.batch()
    expert = long_tail.build("balpoe[experts=1,alpha=0,scale=0]")
    bsoftmax = long_tail.build("bsoftmax")
    bsoftmax.classifier.load_state_dict(expert.classifier.heads[0].state_dict())
    assert expert.loss(batch).item() == pytest.approx(bsoftmax.loss(batch).item(), abs=1e-6)


counts_of_classes = st.lists(
    st.one_of(st.just(0), st.integers(1, 10**7)), min_size=1, max_size=8
).filter(any)


@given(counts_of_classes, st.floats(0, 2))
def test_power_weights_average_to_one_and_fall_with_frequency(n: list[int], power: float) -> None:
    check_weights(n, power_weights(torch.tensor([n]), power)[0])


@given(counts_of_classes, st.one_of(st.just(1.0), st.floats(0, 1 - 1e-9)))
def test_effective_weights_average_to_one_and_fall_with_frequency(
    n: list[int], beta: float
) -> None:
    check_weights(n, effective_weights(torch.tensor([n]), beta)[0])


def check_weights(n: list[int], weights: torch.Tensor) -> None:
    counts = torch.tensor(n)
    assert bool(weights.isfinite().all())
    assert bool((weights[counts == 0] == 0).all())
    assert float(weights[counts > 0].double().mean()) == pytest.approx(1, rel=1e-5)
    rising = weights[counts > 0][counts[counts > 0].argsort()]
    assert bool((rising.diff() <= 1e-6 * rising[:-1].abs()).all())


def test_mean_one_ignores_what_absent_classes_hold() -> None:
    weights = mean_one(torch.tensor([2.0, torch.inf, 6.0]), torch.tensor([5, 0, 1]))
    assert weights.tolist() == [0.5, 0.0, 1.5]


@given(counts_of_classes, st.floats(0, 0.9))
def test_tails_hold_no_more_than_their_share_and_no_class_more_fits(
    n: list[int], share: float
) -> None:
    counts = torch.tensor([n])
    tail = tail_classes(counts, share)[0]
    total = sum(n)
    held = int(counts[0][tail].sum())
    assert held <= share * total
    rest = counts[0][~tail]
    if len(rest):
        next_up = int(rest.min())
        assert held + next_up * int((rest == next_up).sum()) > share * total


@given(counts_of_classes, st.floats(0.01, 1))
def test_margins_are_largest_for_the_rarest_class(n: list[int], max_m: float) -> None:
    counts = torch.tensor(n)
    found = margins(counts[None], max_m)[0]
    rarest = int(counts[counts > 0].min())
    assert found[counts == rarest].tolist() == pytest.approx([max_m] * n.count(rarest), rel=1e-5)
    assert bool((found <= max_m * (1 + 1e-5)).all())
    assert bool((found[counts == 0] == 0).all())


LOSSES = (
    "erm", "reweight", "sqrt-reweight", "weighted-softmax", "focal", "cbloss", "ldam", "bsoftmax",
    "equalization[gamma=1]", "logit-adjust", "logit-adjust[prior=pair]", "vs-loss",
)  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(4)), swap=st.booleans())
def test_names_of_classes_and_domains_do_not_matter(
    name: str, order: list[int], swap: bool
) -> None:
    counts = np.array([[100, 30, 7, 0], [2, 9, 60, 400]])
    logits = np.random.default_rng(3).normal(size=(8, 4))
    y = np.array([0, 1, 2, 0, 3, 2, 1, 0])
    expected = risks(name, counts, logits, y)
    renamed = np.argsort(order)
    found = risks(name, counts[:, order], logits[:, order], renamed[y])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if swap:
        half = np.r_[4:8, 0:4]
        found = risks(name, counts[::-1], logits[half], y[half])
        np.testing.assert_allclose(found, expected[::-1], rtol=1e-5)


def risks(name: str, counts: Any, logits: Any, y: Any) -> Any:
    algorithm = build_algorithm(name, train_info(np.asarray(counts).tolist()))
    d = torch.arange(2).repeat_interleave(4)
    batch = Batch(torch.zeros(8, 1), torch.tensor(y.copy()), d)
    return algorithm.risks(torch.tensor(logits.copy()), batch).detach().numpy()
