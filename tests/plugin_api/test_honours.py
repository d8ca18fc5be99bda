"""What an algorithm honours of a protocol's wishes, and what becomes of a wish that it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.batch import Batch
from ltbench.plugins.honours import obstacle
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_model import build_algorithm, random_batch, train_info

COUNTS = ((6, 4, 0), (3, 8, 2))


class Own(Algorithm):
    def risks(self, logits: Tensor, batch: Batch) -> Tensor:
        return logits.new_zeros(batch.num_domains)


class Declared(Own):
    honours = frozenset({"label_smoothing"})


class Derived(Declared):
    """Overrides nothing that matters."""


class OverridesAgain(Declared):
    def loss(self, batch: Batch) -> Tensor:
        return batch.x.sum()


class SpeaksForItself(Declared):
    honours = frozenset({"mixed_labels"})


@pytest.mark.parametrize(
    ("cls", "method"),
    [
        (Algorithm, ""),
        (Own, "risks"),
        (Declared, ""),
        (Derived, ""),
        (OverridesAgain, "loss"),
        (SpeaksForItself, "risks"),
    ],
)
def test_a_declaration_holds_for_what_is_defined_where_it_stands_or_above(cls, method):
    assert obstacle(cls, "label_smoothing") == method


@pytest.mark.parametrize(
    ("algo", "settings", "message"),
    [
        ("focal", {"label_smoothing": 0.1}, "'focal' does not honour label_smoothing=0.1"),
        ("coral[loss=focal]", {"label_smoothing": 0.1}, "'focal' does not honour"),
        ("erm+mislas", {"label_smoothing": 0.1}, "'mislas' does not honour"),
        ("mldg", {"accumulate": 2}, "'mldg' does not honour accumulate=2, for its 'step'"),
        ("dann", {"accumulate": 2}, "'dann' does not honour accumulate=2"),
    ],
)
def test_what_is_not_honoured_is_refused_before_any_training(algo, settings, message):
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        plan(algo, **settings)


@pytest.mark.parametrize("algo", ["erm", "coral[loss=ldam]", "erm+crt", "balpoe", "tau-norm"])
def test_what_is_honoured_is_planned(algo):
    assert plan(algo, label_smoothing=0.1, accumulate=2)


def plan(algo: str, **settings: float) -> object:
    return plan_runs(Request([algo], ["tiny-mlt"], [0], "fp32", Path("/nowhere"), settings))


def smooth(name: str, share: float) -> Algorithm:
    info = train_info(COUNTS)
    return build_algorithm(name, type(info)(**{**vars(info), "label_smoothing": share})).eval()


def by_numpy(z: np.ndarray, y: int, share: float) -> float:
    """Return −Σ q·log p, with the share spread over the classes that the logits allow."""
    possible = np.isfinite(z)
    e = np.where(possible, np.exp(np.where(possible, z, 0)), 0)
    q = share * possible / possible.sum()
    q[y] += 1 - share
    return -float((q[possible] * np.log(e[possible] / e.sum())).sum())


def test_smooth_labels_of_erm_are_torchs():
    erm, batch = smooth("erm", 0.2), random_batch(train_info(COUNTS))
    expected = F.cross_entropy(erm.predict(batch.x), batch.y, label_smoothing=0.2)
    assert erm.loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_class_that_is_ruled_out_gets_no_share():
    bsoftmax, batch = smooth("bsoftmax", 0.2), random_batch(train_info(COUNTS))
    z = bsoftmax.predict(batch.x).detach().double().numpy()
    n = np.array(COUNTS, dtype=float)
    with np.errstate(divide="ignore"):
        losses = [
            by_numpy(z[i] + np.log(n[d]), int(y), 0.2)
            for i, (y, d) in enumerate(zip(batch.y, batch.d, strict=True))
        ]
    found = bsoftmax.loss(batch)
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)
    found.backward()
    gradients = [p.grad for p in bsoftmax.parameters() if p.grad is not None]
    assert all(bool(g.isfinite().all()) for g in gradients)


@pytest.mark.parametrize("name", ["reweight", "ldam", "coral[loss=ldam]", "groupdro[groups=pair]"])
def test_losses_that_weigh_or_shift_smooth_the_same_labels(name):
    """With all of the label spread, every class counts alike whichever is the true one."""
    model, batch = smooth(name, 1.0), random_batch(train_info(COUNTS), classes=[0, 1])
    logits = torch.zeros(len(batch), 3)
    risks = model.risks(logits, batch)
    if "ldam" not in name:
        assert torch.allclose(risks, torch.full_like(risks, float(np.log(3))))
        return
    criterion = model if name == "ldam" else model.criterion
    margin = criterion.hparams.s * criterion.margins[batch.d, batch.y]
    z = np.zeros((len(batch), 3))
    z[np.arange(len(batch)), batch.y] -= margin.numpy()
    losses = [by_numpy(z[i], int(y), 1.0) for i, y in enumerate(batch.y)]
    expected = np.reshape(losses, (2, -1)).mean(1)
    assert risks.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
