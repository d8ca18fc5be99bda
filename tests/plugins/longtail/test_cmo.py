"""Context-rich minority oversampling: what is pasted, on what, and what its labels count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ltbench.api import Batch, UsageError
from ltbench.testing import build_algorithm, random_batch, train_info

COUNTS = [[40, 6, 3, 0, 11], [1, 3, 5, 8, 90], [9, 2, 4, 1, 1]]
INFO = train_info(COUNTS, batch_per_domain=5)


def pair(seed: int = 0) -> Batch:
    return replace(random_batch(INFO, seed=seed), second=random_batch(INFO, seed=seed + 100))


def test_a_rectangle_of_the_second_batch_is_pasted_at_its_place() -> None:
    cmo = build_algorithm("cmo[p=1]", INFO).eval()
    batch, seen = pair(), []
    predict = cmo.predict
    cmo.predict = lambda x: seen.append(x) or predict(x)
    shares = []
    for seed in range(12):
        cmo.generator.manual_seed(seed)
        found = cmo.loss(batch).item()
        x = seen.pop()
        pasted = (x == batch.second.x).all(1)
        assert ((x == batch.x).all(1) | pasted).all()
        assert (pasted == pasted[0]).all()  # one rectangle a batch
        rows, columns = pasted[0].any(1).sum().item(), pasted[0].any(0).sum().item()
        assert rows * columns == pasted[0].sum().item()
        share = 1 - rows * columns / 144
        own = cmo.risks(predict(x), batch).mean().item()
        other = cmo.risks(predict(x), batch.second).mean().item()
        assert found == pytest.approx(share * own + (1 - share) * other, rel=1e-5)
        shares.append(share)
    assert 0.3 < np.mean(shares) < 0.9
    assert np.std(shares) > 0.1


def test_every_other_batch_gets_patches() -> None:
    cmo, batch, seen = build_algorithm("cmo", INFO).eval(), pair(), []
    predict = cmo.predict
    cmo.predict = lambda x: seen.append(x) or predict(x)
    for seed in range(100):
        cmo.generator.manual_seed(seed)
        cmo.loss(batch)
    pasted = [not x.equal(batch.x) for x in seen]
    assert 0.35 < np.mean(pasted) < 0.65


@pytest.mark.parametrize("loss", ["erm", "bsoftmax", "ldam[drw=true]"])
def test_without_patches_it_is_its_loss(loss: str) -> None:
    cmo, base = build_algorithm(f"cmo[p=0,loss={loss}]", INFO), build_algorithm(loss, INFO)
    base.backbone.load_state_dict(cmo.backbone.state_dict())
    base.classifier.load_state_dict(cmo.classifier.state_dict())
    batch = pair()
    assert cmo.loss(batch).item() == pytest.approx(base.loss(batch).item(), rel=1e-6)


def test_each_class_is_judged_by_the_counts_of_its_domain() -> None:
    cmo, batch = build_algorithm("cmo[p=1,loss=bsoftmax]", INFO).eval(), pair()
    z = torch.tensor(np.random.default_rng(0).normal(size=(len(batch), 5)))
    cmo.predict = lambda x: z
    cmo.patches.mix = lambda x, others, generator: (x, torch.tensor(0.25))
    losses = []
    for i, d in enumerate(batch.d.tolist()):
        weighted = np.array(COUNTS[d]) * np.exp(z[i].numpy())
        for share, y in ((0.25, batch.y[i]), (0.75, batch.second.y[i])):
            losses.append(-share * np.log(weighted[y] / weighted.sum()))
    assert cmo.loss(batch).item() == pytest.approx(np.sum(losses) / len(batch), rel=1e-5)


def test_first_and_last_steps_have_no_patches() -> None:
    cmo = build_algorithm("cmo", train_info(COUNTS, steps=200))
    pasting = []
    for step in range(200):
        cmo.before_step(step, None)
        pasting.append(cmo.pasting)
    assert pasting == [False] * 4 + [True] * 193 + [False] * 3


@pytest.mark.parametrize("kind", ["class-balanced", "reversed"])
def test_the_second_stream_is_the_one_asked_for(kind: str) -> None:
    assert build_algorithm(f"cmo[pasted={kind}]", INFO).second_sampling == kind


def test_bad_options_are_refused() -> None:
    with pytest.raises(UsageError, match=r"pasted=uniform.*class-balanced, reversed"):
        build_algorithm("cmo[pasted=uniform]", INFO)
    with pytest.raises(UsageError, match="more than a loss on logits"):
        build_algorithm("cmo[loss=balpoe]", INFO)
