"""Each term of the reconstruction against NumPy, and what its gradient reaches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ltbench_longtail.bsoftmax import BSoftmax
from ltbench_mdlt.brl import BRL, covariates, mean_gap

from ltbench.api import Batch


def scattered(model, seed=0):
    """Give the log-weights values of their own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.log_weights.copy_(torch.randn(3, 5, generator=generator))
    return model


def weights_in_numpy(model, batch, counts):
    u = model.log_weights.detach().numpy()
    bound = model.hparams.refine
    raw = np.exp(bound * np.tanh(u / bound))[batch.d, batch.y] / counts[batch.d, batch.y]
    raw = raw.reshape(3, 6)
    return raw / raw.sum(1, keepdims=True)


def phi_in_numpy(x):
    means = x.mean((2, 3))
    variances = x.var((2, 3))
    size = x.shape[2]
    edges = [(int(np.floor(k * size / 4)), int(np.ceil((k + 1) * size / 4))) for k in range(4)]
    cells = [x[:, :, a:b, c:d].mean((2, 3)) for a, b in edges for c, d in edges]
    grid = np.stack(cells, 2).reshape(len(x), -1)
    return np.concatenate([means, variances, grid], 1)


def test_covariates_are_moments_and_a_coarse_image(tiny):
    x = tiny.batch().x
    np.testing.assert_allclose(covariates(x), phi_in_numpy(x.numpy()), atol=1e-10)


def test_weights_start_at_the_inverse_pair_frequency(tiny):
    batch, model = tiny.batch(), tiny.algorithm(BRL)
    raw = (1 / tiny.counts.double())[batch.d, batch.y].view(3, 6)
    torch.testing.assert_close(model.weights(batch).double(), raw / raw.sum(1, keepdim=True))


def test_refinement_is_bounded(tiny):
    batch, model = tiny.batch(), tiny.algorithm(BRL, refine=0.5)
    start = model.weights(batch).detach()
    with torch.no_grad():
        model.log_weights.copy_(1e3 * torch.randn(3, 5))
    # Each weight moves by a factor of e^±refine, and the sum in the domain by no more than that.
    ratio = (model.weights(batch) / start).log().abs()
    assert float(ratio.max().detach()) <= 2 * 0.5 + 1e-9


@pytest.mark.parametrize("balance", ["logits", "weights"])
@pytest.mark.parametrize("distance", ["means", "moments"])
def test_every_term_and_the_total(tiny, cross_entropies, balance, distance):
    batch, reading = tiny.batch(), {"balance": balance, "distance": distance}
    model = scattered(tiny.algorithm(BRL, alpha=0.7, beta=0.3, gamma=5, **reading))
    parts = {k: float(v.detach()) for k, v in model.loss(batch).items()}
    w = weights_in_numpy(model, batch, tiny.counts.numpy())
    features = model.features(batch.x).detach()
    logits, shares = model.classifier(features).detach(), w
    if balance == "logits":
        with np.errstate(divide="ignore"):
            prior = np.log(tiny.counts.numpy().astype(float))
        logits, shares = logits + torch.from_numpy(prior)[batch.d], np.full((3, 6), 1 / 6)
    nll = cross_entropies(logits, batch.y).reshape(3, 6)
    risks = (shares * nll).sum(1)
    phi = phi_in_numpy(batch.x.numpy()).reshape(3, 6, -1)
    f = features.numpy().reshape(3, 6, -1)
    cb, rb = [], []
    for i, j in itertools.combinations(range(3), 2):
        cb.append(((w[i] @ phi[i] - w[j] @ phi[j]) ** 2).sum())
        means = [w[k] @ f[k] for k in (i, j)]
        if distance == "means":
            rb.append(((means[0] - means[1]) ** 2).sum())
            continue
        centred = [f[k] - m for k, m in zip((i, j), means, strict=True)]
        covariances = [(w[k][:, None] * g).T @ g for k, g in zip((i, j), centred, strict=True)]
        rb.append(
            ((means[0] - means[1]) ** 2).mean() + ((covariances[0] - covariances[1]) ** 2).mean()
        )
    expected = {
        "bce": risks.mean(),
        "cb": np.mean(cb),
        "rb": np.mean(rb),
        "penalty": (shares * (1 - np.exp(-nll))).sum(1).var(),
    }
    expected["total"] = (
        expected["bce"] + 0.7 * expected["cb"] + 0.3 * expected["rb"] + 5 * expected["penalty"]
    )
    assert parts == pytest.approx(expected, abs=1e-6)


REACHES = {"bce": {"backbone", "classifier"}, "rb": {"backbone"}, "cb": {"log_weights"}}
REACHES["penalty"] = REACHES["bce"]


@pytest.mark.parametrize("balance", ["logits", "weights"])
@pytest.mark.parametrize("term", sorted(REACHES))
def test_a_terms_gradient_reaches_what_it_should_and_nothing_else(tiny, term, balance):
    batch, model = tiny.batch(), scattered(tiny.algorithm(BRL, balance=balance))
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(model.loss(batch)[term], parameters, allow_unused=True)
    reached = {
        name.split(".")[0]
        for name, gradient in zip(names, gradients, strict=True)
        if gradient is not None and gradient.abs().max() > 0
    }
    assert reached == REACHES[term]


@pytest.mark.parametrize("balance", ["logits", "weights"])
@pytest.mark.parametrize("term", sorted(REACHES))
def test_a_terms_gradient_by_finite_differences(tiny, term, balance):
    """Where a gradient is stopped on purpose the weights are held still for the difference too."""
    batch, model = tiny.batch(), scattered(tiny.algorithm(BRL, balance=balance))
    places = {
        "backbone": (model.backbone.layers[0].weight, (1, 2, 0, 0)),
        "classifier": (model.classifier.weight, (2, 1)),
        "log_weights": (model.log_weights, (0, int(batch.y[0]))),
    }
    for group in REACHES[term]:
        parameter, place = places[group]
        model.zero_grad()
        model.loss(batch)[term].backward()
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[place] += sign * 1e-6
                values.append(float(model.loss(batch)[term]))
                parameter[place] -= sign * 1e-6
        slope = (values[0] - values[1]) / 2e-6
        assert float(parameter.grad[place]) == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_without_its_terms_it_is_balanced_softmax(tiny):
    batch = tiny.batch()
    ours = tiny.algorithm(BRL, cb=False, rb=False, penalty=False).loss(batch)["total"]
    theirs = tiny.algorithm(BSoftmax).loss(batch)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("balance", ["logits", "weights"])
def test_classification_does_not_learn_to_look_away(tiny, balance):
    """Weights that followed the cross-entropy would shrink where an image is hard."""
    model = tiny.ready(tiny.algorithm(BRL, cb=False, balance=balance))
    model.step(tiny.batch())
    assert torch.equal(model.log_weights, torch.zeros(3, 5).double())


@pytest.mark.parametrize("switches", list(itertools.product([False, True], repeat=4)))
def test_every_row_of_the_ablation(tiny, switches):
    names = ("bce", "cb", "rb", "penalty")
    model = tiny.ready(tiny.algorithm(BRL, **dict(zip(names, switches, strict=True))))
    parts = model.step(tiny.batch())
    for name, on in zip(names[1:], switches[1:], strict=True):
        assert (float(parts[name]) != 0) == on
    if not switches[0]:
        plain = tiny.algorithm(BRL)
        batch = tiny.batch()
        expected = torch.nn.functional.cross_entropy(plain.predict(batch.x), batch.y)
        assert float(parts["bce"]) == pytest.approx(float(expected.detach()), abs=1e-6)


@pytest.mark.parametrize("alphas", [(1e-3, 1.0), (1.0, 1e4)])
def test_adam_makes_alpha_flat(tiny, alphas):
    """α scales the only gradient the log-weights get, and Adam divides a gradient by its size."""
    moved = []
    for alpha in alphas:
        model = tiny.algorithm(BRL, alpha=alpha)
        tiny.ready(model, lambda p: torch.optim.Adam(list(p), lr=1e-2))
        for seed in range(3):
            model.step(tiny.batch(seed=seed))
        moved.append(model.log_weights.detach().clone())
    torch.testing.assert_close(*moved, rtol=1e-2, atol=1e-4)


def test_mean_gap_goes_down(tiny):
    model = tiny.ready(tiny.algorithm(BRL, alpha=1))
    batch = tiny.batch()
    before = float(model.step(batch)["cb"])
    for _ in range(30):
        after = float(model.step(batch)["cb"])
    assert after < before


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(order=st.permutations(range(3)), seed=st.integers(0, 50))
def test_the_order_of_domains_does_not_matter(tiny, order, seed):
    order = list(order)
    batch, model = tiny.batch(seed=seed), scattered(tiny.algorithm(BRL), seed)
    expected = model.loss(batch)
    x, y, d = (batch.per_domain(t)[order].flatten(0, 1) for t in (batch.x, batch.y, batch.d))
    ours = model.loss(Batch(x, y, d, num_domains=3))
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value)


def test_absent_pairs_and_single_classes_are_finite(tiny):
    model = tiny.ready(tiny.algorithm(BRL))
    for batch in (tiny.batch(), tiny.batch(single_class=True)):
        assert all(torch.isfinite(value) for value in model.step(batch).values())
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_identical_domains_balance():
    phi = torch.randn(1, 6, 7).repeat(3, 1, 1)
    weights = torch.full((3, 6), 1 / 6)
    assert float(mean_gap(phi, weights)) == pytest.approx(0, abs=1e-10)
