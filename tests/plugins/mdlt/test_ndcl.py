from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ltbench_mdlt.ndcl import NDCL, alignment_loss, hard_image_loss, margin_loss


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def hard_image_in_numpy(nll, y, weights):
    values = []
    for c in np.unique(y):
        own = y == c
        share = np.exp(nll[own]) / np.exp(nll[own]).sum()
        values.append((share * weights[own] * nll[own]).sum())
    return np.mean(values)


def margin_in_numpy(p, y, q, of):
    values = []
    for c in np.unique(y):
        own, negatives = p[y == c], q[of == c]
        if not len(negatives):
            continue
        terms = []
        for i, anchor in enumerate(own):
            positives = [np.exp(1 - cosine(anchor, other)) for j, other in enumerate(own) if j != i]
            against = sum(np.exp(1 - cosine(anchor, other)) for other in negatives)
            terms.append(-np.log(against / (against + sum(positives))))
        values.append(np.mean(terms))
    return np.mean(values) if values else 0.0


def alignment_in_numpy(p, y, d):
    centres = {(k, c): p[(d == k) & (y == c)].mean(0) for k, c in set(zip(d, y, strict=True))}
    of_class = {c: [k for k, c2 in centres if c2 == c] for _, c in centres}
    counted = {pair: v for pair, v in centres.items() if len(of_class[pair[1]]) > 1}
    values = []
    for c in {c for _, c in counted}:
        terms = []
        for k in of_class[c]:
            others = {pair: v for pair, v in counted.items() if pair != (k, c)}
            total = {pair: np.exp(cosine(counted[k, c], v)) for pair, v in others.items()}
            same = sum(value for (_, c2), value in total.items() if c2 == c)
            terms.append(-np.log(same / sum(total.values())))
        values.append(np.mean(terms))
    return np.mean(values) if values else 0.0


def draw(seed, images=18, classes=5):
    generator = torch.Generator().manual_seed(seed)
    p = torch.randn(images, classes, generator=generator, dtype=torch.float64).softmax(1)
    y = torch.randint(0, classes, (images,), generator=generator)
    d = torch.arange(3).repeat_interleave(images // 3)
    return p, y, d


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_three_losses_in_numpy(seed):
    p, y, d = draw(seed)
    nll = -p.log()[torch.arange(18), y]
    weights = torch.rand(18, dtype=torch.float64)
    q, of, _ = draw(seed + 1)
    valid = torch.ones(18, dtype=torch.bool)
    numpy = [t.numpy() for t in (p, y, d, nll, weights, q, of)]
    p_, y_, d_, nll_, weights_, q_, of_ = numpy
    assert float(hard_image_loss(nll, y, weights)) == pytest.approx(
        hard_image_in_numpy(nll_, y_, weights_), abs=1e-9
    )
    assert float(margin_loss(p, y, q, of, valid)) == pytest.approx(
        margin_in_numpy(p_, y_, q_, of_), abs=1e-9
    )
    assert float(alignment_loss(p, y, d)) == pytest.approx(alignment_in_numpy(p_, y_, d_), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(3)))
def test_the_names_of_domains_do_not_matter(order):
    p, y, d = draw(0)
    torch.testing.assert_close(
        alignment_loss(p, y, d), alignment_loss(p, y, torch.tensor(order)[d])
    )


@pytest.mark.parametrize("y", [[0] * 6, [0, 1, 2, 3, 4, 0], [0, 0, 0, 1, 1, 1]])
@pytest.mark.parametrize("valid", [False, True])
def test_losses_and_gradients_are_finite_whatever_the_classes(y, valid):
    p, _, _ = draw(0, images=6)
    p.requires_grad_()
    y = torch.tensor(y)
    of, mask = torch.zeros(6, dtype=torch.int64), torch.full((6,), valid)
    d = torch.tensor([0, 0, 1, 1, 2, 2])
    q = draw(1, images=6)[0]
    total = margin_loss(p, y, q, of, mask) + alignment_loss(p, y, d)
    total = total + hard_image_loss(-p.log()[:, 0], y, torch.ones(6))
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(p.grad).all()


def test_pair_weights_are_inverse_frequencies_of_mean_one(tiny):
    weights = tiny.algorithm(NDCL).pair_weights.double().numpy()
    counts = tiny.counts.numpy()
    for k in range(3):
        present = counts[k] > 0
        inverse = 1 / counts[k][present]
        np.testing.assert_allclose(weights[k][present], inverse / inverse.mean(), rtol=1e-6)
        assert (weights[k][~present] == 0).all()


def test_hard_negatives_mix_a_class_with_another(tiny, monkeypatch):
    batch, model = tiny.batch(), tiny.algorithm(NDCL)
    monkeypatch.setattr("ltbench_mdlt.ndcl.sample_beta", lambda *_: torch.full((18,), 0.25))
    p = model.predict(batch.x).softmax(1).detach()
    x, y, valid = model.hard_negatives(batch, p)
    assert valid.all()
    for image, c in zip(x, y, strict=True):
        found = [
            (i, j)
            for i in range(18)
            for j in range(18)
            if torch.allclose(image, 0.25 * batch.x[i] + 0.75 * batch.x[j])
        ]
        assert len(found) == 1
        i, j = found[0]
        assert batch.y[i] == c
        assert batch.y[j] != c


def test_classes_are_drawn_alike_and_hard_images_most(tiny):
    batch, model = tiny.batch(), tiny.algorithm(NDCL)
    p = model.predict(batch.x).softmax(1).detach()
    drawn = torch.cat([model.hard_negatives(batch, p)[1] for _ in range(300)])
    share = torch.bincount(drawn, minlength=5) / len(drawn)
    present = torch.bincount(batch.y, minlength=5) > 0
    torch.testing.assert_close(
        share[present], (1 / present.sum()).expand(int(present.sum())), atol=0.03, rtol=0
    )


def test_the_total_adds_up_and_learns(tiny):
    model, batch = tiny.ready(tiny.algorithm(NDCL, margin=0.3, align=0.7)), tiny.batch()
    first = model.step(batch)
    expected = first["classification"] + 0.3 * first["margin"] + 0.7 * first["align"]
    torch.testing.assert_close(first["total"], expected)
    for _ in range(40):
        last = model.step(batch)
    assert last["classification"] < first["classification"]


def test_one_domain_and_one_class_are_enough(tiny):
    counts = tiny.counts[:1]
    model = tiny.ready(tiny.algorithm(NDCL, counts=counts))
    parts = model.step(tiny.batch(counts=counts, single_class=True))
    assert all(torch.isfinite(value) for value in parts.values())
    assert float(parts["margin"]) == float(parts["align"]) == 0
