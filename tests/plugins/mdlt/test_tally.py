from __future__ import annotations

import numpy as np
import pytest
import torch
from ltbench_mdlt.style import EPSILON, join_style, split_style
from ltbench_mdlt.tally import TALLY, draw_weights
from ltbench_mdlt.trunk import middle_of
from torch import nn

from ltbench.api import Backbone, UsageError
from ltbench.models.adaptation.adapted import adapted
from ltbench.models.catalogue import build_backbone
from ltbench.models.cifar_resnet import CifarResNet32
from ltbench.models.digits_cnn import DigitsCNN
from ltbench.plugins.backbone_options import checked_options


class Flat(Backbone):
    num_features = 4

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(108, 4)

    def forward(self, x):
        return self.linear(x.flatten(1))


def test_style_and_content_in_numpy():
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64) * 2 + 1
    content, mean, deviation = split_style(maps)
    x = maps.numpy()
    expected_mean = x.mean((2, 3), keepdims=True)
    expected_deviation = np.sqrt(x.var((2, 3), ddof=1, keepdims=True) + EPSILON)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-10)
    np.testing.assert_allclose(deviation, expected_deviation, atol=1e-10)
    np.testing.assert_allclose(content, (x - expected_mean) / expected_deviation, atol=1e-10)
    torch.testing.assert_close(join_style(content, mean, deviation), maps)
    assert torch.isfinite(split_style(torch.ones(1, 2, 3, 3))[0]).all()


def test_tokens_have_their_channels_last():
    content, mean, _ = split_style(torch.randn(2, 7, 3))
    assert mean.shape == (2, 1, 3)
    assert content.mean(1).abs().max() < 1e-6


def test_the_middle_of_the_fields_networks():
    name, shape = middle_of(DigitsCNN((3, 28, 28)), (3, 28, 28))
    assert (name, tuple(shape)) == ("layers.5", (128, 14, 14))
    _, shape = middle_of(CifarResNet32((3, 32, 32)), (3, 32, 32))
    assert tuple(shape) == (32, 16, 16)


@pytest.mark.parametrize(("name", "kind"), [
    ("digits-cnn", "head"), ("digits-cnn", "bitfit"), ("test_vit", "lora"), ("test_resnet", "head"),
])  # fmt: skip
def test_the_middle_of_a_network_is_the_same_where_weights_are_frozen(name, kind):
    middle, shape = middle_of(build_backbone(name, (3, 32, 32), False), (3, 32, 32))
    options = checked_options({"adapt": kind}, name)
    frozen = adapted(build_backbone(name, (3, 32, 32), False), options, name, 5)
    assert middle_of(frozen, (3, 32, 32)) == (f"network.{middle}", shape)


def test_a_network_without_maps_is_refused():
    with pytest.raises(UsageError, match="choose another backbone"):
        middle_of(Flat(), (3, 6, 6))


def test_the_middle_is_found_without_a_trace(tiny):
    model = tiny.algorithm(TALLY)
    assert model.middle == "layers.2"
    assert model.prototypes.shape == (5, 5, 4, 4)
    assert model.styles.shape == (3, 2, 5, 1, 1)
    assert not any(module._forward_hooks for module in model.backbone.modules())


def test_draws_are_class_balanced_and_domain_balanced(tiny):
    """Enumerate what a class-balanced batch draws and weigh it."""
    as_class, as_domain = draw_weights(tiny.counts)
    n = tiny.counts.double().numpy()
    classes_of = (n > 0).sum(1, keepdims=True)
    drawn = (n > 0) / classes_of / 3  # of a pair in a batch
    contents = drawn * as_class.numpy()
    contents /= contents.sum()
    np.testing.assert_allclose(contents.sum(0), np.full(5, 1 / 5), atol=1e-6)
    np.testing.assert_allclose(contents[:, 0] / contents[:, 0].sum(), n[:, 0] / 60, atol=1e-6)
    styles = drawn * as_domain.numpy()
    styles /= styles.sum()
    np.testing.assert_allclose(styles, n / n.sum(1, keepdims=True) / 3, atol=1e-6)


def test_the_warm_up_is_the_plain_risk_of_uniform_sampling(tiny, cross_entropies):
    batch, model = tiny.batch(), tiny.algorithm(TALLY)
    model.before_step(0, tiny.training)
    nll = cross_entropies(model.predict(batch.x).detach(), batch.y).reshape(3, 6)
    w = draw_weights(tiny.counts)[1].double().numpy()[batch.d, batch.y].reshape(3, 6)
    expected = ((w * nll).sum(1) / w.sum(1)).mean()
    assert float(model.loss(batch).detach()) == pytest.approx(expected, abs=1e-6)


def test_prototypes_and_styles_are_moving_averages(tiny):
    model = tiny.algorithm(TALLY, momentum=0.6)
    layers = model.backbone.layers
    w = draw_weights(tiny.counts)[1].double()
    prototypes, styles = np.zeros((5, 5, 4, 4)), np.zeros((3, 2, 5, 1, 1))
    seen_classes, seen_domains = set(), set()
    for seed in range(3):
        batch = tiny.batch(seed=seed)
        model.loss(batch)
        maps = layers[2](layers[1](layers[0](batch.x))).detach()
        z, mean, deviation = (t.numpy() for t in split_style(maps))
        for c in np.unique(batch.y):
            new = z[batch.y.numpy() == c].mean(0)
            prototypes[c] = 0.6 * prototypes[c] + 0.4 * new if c in seen_classes else new
            seen_classes.add(c)
        for k in range(3):
            mask = batch.d.numpy() == k
            share = w[k, batch.y[mask]].numpy()
            share = (share / share.sum())[:, None, None, None]
            new = np.stack([(share * mean[mask]).sum(0), (share * deviation[mask]).sum(0)])
            styles[k] = 0.6 * styles[k] + 0.4 * new if k in seen_domains else new
            seen_domains.add(k)
    np.testing.assert_allclose(model.prototypes, prototypes, atol=1e-6)
    np.testing.assert_allclose(model.styles, styles, atol=1e-6)


def test_augmented_maps_join_content_and_style(tiny, cross_entropies, monkeypatch):
    model, batch = tiny.algorithm(TALLY), tiny.batch()
    model.loss(batch)  # gives prototypes and styles
    model.before_step(model.warm_up, tiny.training)
    draws = iter([torch.linspace(0.1, 0.9, 18).double(), torch.linspace(0.3, 0.8, 18).double()])
    monkeypatch.setattr("ltbench_mdlt.tally.sample_beta", lambda *_: next(draws))
    content, style = torch.arange(18).flip(0), torch.arange(18).roll(5)
    monkeypatch.setattr(model, "draw", lambda _: (content, style))
    ours = float(model.loss(batch).detach())

    layers = model.backbone.layers
    maps = layers[2](layers[1](layers[0](batch.x))).detach()
    z, mean, deviation = split_style(maps)
    first = torch.linspace(0.1, 0.9, 18).double()
    second = torch.linspace(0.3, 0.8, 18).double()
    mixed = []
    for k, (i, j) in enumerate(zip(content.tolist(), style.tolist(), strict=True)):
        a, b = max(first[k], 1 - first[k]), max(second[k], 1 - second[k])
        content_part = a * z[i] + (1 - a) * model.prototypes[batch.y[i]]
        mu = b * mean[j] + (1 - b) * model.styles[batch.d[j], 0]
        sigma = b * deviation[j] + (1 - b) * model.styles[batch.d[j], 1]
        mixed.append(sigma * content_part + mu)
    features = layers[4](layers[3](torch.stack(mixed))).tanh().mean((2, 3))
    logits = model.classifier(features).detach()
    expected = cross_entropies(logits, batch.y[content]).mean()
    assert ours == pytest.approx(expected, abs=1e-6)


def test_gradients_reach_both_halves_and_evaluation_is_untouched(tiny):
    model, batch = tiny.algorithm(TALLY, warm_up=0), tiny.batch()
    before = model.predict(batch.x).detach()
    model.loss(batch).backward()
    for layer in (0, 2, 4):
        assert model.backbone.layers[layer].weight.grad.abs().max() > 0
    torch.testing.assert_close(model.predict(batch.x).detach(), before)


def test_the_state_is_checkpointed(tiny):
    model, other = tiny.algorithm(TALLY), tiny.algorithm(TALLY)
    model.loss(tiny.batch())
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.prototypes, model.prototypes)
    assert torch.equal(other.seen_classes, model.seen_classes)
    assert other.seen_domains.all()


@pytest.mark.parametrize("warm_up", [0, 5001])
def test_one_domain_and_one_class_are_enough(tiny, warm_up):
    counts = tiny.counts[:1]
    model = tiny.ready(tiny.algorithm(TALLY, counts=counts, warm_up=warm_up))
    for single_class in (False, True):
        batch = tiny.batch(counts=counts, single_class=single_class)
        assert torch.isfinite(model.step(batch)["total"])
    assert all(torch.isfinite(p).all() for p in model.parameters())
