from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ltbench_domains.distances import moment_distance, sample_moments
from ltbench_mdlt.boda import BoDA, schedule


def by_loops(features, y, d, centroids, counts, *, nu=0.5, temperature=1.0):
    """Equation 4 with the calibrated distance, one image and one centroid at a time."""
    terms = []
    domains, classes = counts.shape
    for f, c, k in zip(features, y, d, strict=True):
        n = counts[k, c]
        logits = {}
        for k2 in range(domains):
            for c2 in range(classes):
                if counts[k2, c2] == 0:
                    continue
                distance = np.sqrt(((f - centroids[k2, c2]) ** 2).sum()) / n
                logits[k2, c2] = -distance * (counts[k2, c2] / n) ** nu / temperature
        others = [value for pair, value in logits.items() if pair != (k, c)]
        denominator = np.log(np.sum(np.exp(others)))
        terms += [
            -(value - denominator) for (k2, c2), value in logits.items() if c2 == c and k2 != k
        ]
    return np.mean(terms) if terms else 0.0


def with_centroids(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    model.centroids.copy_(torch.randn(model.centroids.shape, generator=generator))
    model.refreshes += 1
    return model.centroids.view(3, 5, 4).numpy()


def features_of(seed=0, images=18, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(images, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("nu", "temperature"), [(0.5, 1.0), (1.2, 0.3), (0.0, 5.0)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_loss_is_the_double_loops(tiny, seed, nu, temperature):
    model = tiny.algorithm(BoDA, nu=nu, temperature=temperature)
    centroids = with_centroids(model, seed)
    batch, features = tiny.batch(seed=seed), features_of(seed)
    expected = by_loops(
        features.numpy(),
        batch.y,
        batch.d,
        centroids,
        tiny.counts.numpy(),
        nu=nu,
        temperature=temperature,
    )
    assert float(model.alignment(features, batch.y, batch.d)) == pytest.approx(expected, abs=1e-9)


def test_images_with_more_positives_count_more(tiny):
    """Class 1 lives in two domains and class 2 in three: one positive and two."""
    model = tiny.algorithm(BoDA)
    centroids = with_centroids(model)
    features, y, d = features_of(images=2), torch.tensor([1, 2]), torch.tensor([0, 0])
    counts = tiny.counts.numpy()
    one = by_loops(features[:1].numpy(), y[:1], d[:1], centroids, counts)
    two = by_loops(features[1:].numpy(), y[1:], d[1:], centroids, counts)
    ours = float(model.alignment(features, y, d))
    assert ours == pytest.approx((one + 2 * two) / 3, abs=1e-9)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(order=st.permutations(range(3)))
def test_the_names_of_domains_do_not_matter(tiny, order):
    order = torch.tensor(order)
    batch, features = tiny.batch(), features_of()
    model = tiny.algorithm(BoDA)
    with_centroids(model)
    plain = model.alignment(features, batch.y, batch.d)
    renamed = tiny.algorithm(BoDA, counts=tiny.counts[order])
    renamed.centroids.copy_(model.centroids.view(3, 5, 4)[order].flatten(0, 1))
    renamed.refreshes += 1
    ours = renamed.alignment(features, batch.y, order.argsort()[batch.d])
    torch.testing.assert_close(ours, plain)


def test_the_gradient_by_finite_differences(tiny):
    model = tiny.algorithm(BoDA)
    with_centroids(model)
    batch, features = tiny.batch(), features_of().requires_grad_()
    assert torch.autograd.gradcheck(lambda f: model.alignment(f, batch.y, batch.d), features)


class TestNoNaN:
    @pytest.fixture
    def model(self, tiny):
        made = tiny.algorithm(BoDA)
        with_centroids(made)
        return made

    def check(self, model, features, y, d):
        features = features.requires_grad_()
        loss = model.alignment(features, y, d)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(features.grad).all()
        return float(loss.detach())

    def test_without_any_positive_it_is_zero(self, tiny, model):
        counts = torch.tensor([[5, 3, 0, 0, 0], [0, 0, 7, 9, 0], [0, 0, 0, 0, 2]])
        lonely = tiny.algorithm(BoDA, counts=counts)
        with_centroids(lonely)
        y, d = torch.tensor([0, 1, 2, 4]), torch.tensor([0, 0, 1, 2])
        assert self.check(lonely, features_of(images=4), y, d) == 0

    def test_with_a_single_class(self, tiny, model):
        batch = tiny.batch(single_class=True)
        assert self.check(model, features_of(), batch.y, batch.d) > 0

    def test_far_from_every_centroid(self, tiny, model):
        """exp of the raw logits would underflow: distances of 1e4 over a count of 1."""
        y, d = torch.tensor([4, 4]), torch.tensor([2, 0])
        assert self.check(model, features_of(images=2, scale=1e4), y, d) > 0

    def test_upon_a_centroid(self, tiny, model):
        features = model.centroids[:1].clone().double()
        self.check(model, features, torch.tensor([0]), torch.tensor([0]))

    def test_a_head_pair_beside_a_tail_pair(self, tiny):
        counts = torch.tensor([[4455, 1, 0], [1, 4455, 3]])
        model = tiny.algorithm(BoDA, counts=counts)
        model.refreshes += 1
        y, d = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1])
        self.check(model, features_of(images=4, scale=100), y, d)


def found(features, y, d):
    return SimpleNamespace(features=features, y=y, d=d)


def all_images(tiny, seed):
    y = torch.cat([torch.repeat_interleave(torch.arange(5), row) for row in tiny.counts])
    d = torch.repeat_interleave(torch.arange(3), tiny.counts.sum(1))
    return found(features_of(seed, images=len(y)), y, d)


def means_of(images, tiny):
    means = np.zeros((3, 5, 4))
    for k in range(3):
        for c in range(5):
            mask = (images.d == k) & (images.y == c)
            if mask.any():
                means[k, c] = images.features[mask].numpy().mean(0)
    return means


def test_centroids_are_means_and_move_with_momentum(tiny):
    model = tiny.algorithm(BoDA, momentum=0.3)
    first, second = all_images(tiny, 0), all_images(tiny, 1)
    model.refresh(first.features, first.y, first.d)
    np.testing.assert_allclose(model.centroids.view(3, 5, 4), means_of(first, tiny), atol=1e-6)
    model.refresh(second.features, second.y, second.d)
    expected = 0.7 * means_of(second, tiny) + 0.3 * means_of(first, tiny)
    np.testing.assert_allclose(model.centroids.view(3, 5, 4), expected, atol=1e-6)


def test_refreshes_come_on_schedule_and_the_loss_with_them(tiny):
    model = tiny.ready(tiny.algorithm(BoDA, start=3, update=2))
    refreshed, losses = [], []
    for step in range(9):
        tiny.training.found = all_images(tiny, step)
        passes = len(tiny.training.passes)
        model.before_step(step, tiny.training)
        if len(tiny.training.passes) > passes:
            refreshed.append(step)
        losses.append(float(model.step(tiny.batch(seed=step))["boda"]))
    assert refreshed == [3, 5, 7]
    assert set(tiny.training.passes) == {"train"}
    assert losses[:3] == [0, 0, 0]
    assert all(loss > 0 for loss in losses[3:])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(5001, (500, 120)), (15001, (1500, 360)), (300, (30, 9)), (5, (0, 5)), (1, (0, 1))],
)
def test_the_schedule_is_in_proportion_with_one_pass_an_epoch_at_most(tiny, steps, expected):
    info = tiny.info(tiny.counts, steps)
    assert info.steps_per_epoch == 9
    assert schedule(info, 0, 0) == expected
    assert schedule(info, 7, 3) == (7, 3)


def test_centroids_and_their_number_are_checkpointed(tiny):
    model, other = tiny.algorithm(BoDA), tiny.algorithm(BoDA)
    with_centroids(model)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.centroids, model.centroids)
    assert int(other.refreshes) == 1


def test_the_total_adds_up(tiny, cross_entropies):
    model, batch = tiny.algorithm(BoDA, weight=0.4, macro=2), tiny.batch()
    centroids = with_centroids(model)
    features = model.features(batch.x)
    risk = cross_entropies(model.classifier(features).detach(), batch.y).mean()
    boda = by_loops(features.detach().numpy(), batch.y, batch.d, centroids, tiny.counts.numpy())
    macro = float(moment_distance(*sample_moments(features.view(3, 6, 4))).detach())
    total = float(model.loss(batch)["total"].detach())
    assert total == pytest.approx(risk + 0.4 * boda + 2 * macro, abs=1e-8)


def test_it_takes_another_loss(tiny):
    model = tiny.ready(tiny.algorithm(BoDA, loss="bsoftmax"))
    with_centroids(model)
    assert all(torch.isfinite(v) for v in model.step(tiny.batch()).values())
