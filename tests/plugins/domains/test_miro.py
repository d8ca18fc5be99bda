from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from ltbench_baselines.erm import ERM
from ltbench_domains.layers import regular_layers
from ltbench_domains.miro import MIRO
from torch import nn

from ltbench.models.adaptation.adapted import adapted
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.backbone import Backbone
from ltbench.plugins.backbone_options import checked_options
from ltbench.testing import build_algorithm, random_batch, train_info
from ltbench.testing.small_model import take_steps


def moved(model):
    """Move the network away from its start, and make the variances differ."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in [*model.backbone.parameters(), *model.spread]:
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(noise, alpha=0.3)
    return model


def test_the_loss_is_the_papers(tiny, cross_entropies):
    batch, model = tiny.batch(), tiny.algorithm(MIRO, weight=0.7)
    start = copy.deepcopy(model.backbone)
    moved(model)
    x = batch.x.flatten(1).numpy()
    now, then = (
        x @ net.linear.weight.detach().numpy().T + net.linear.bias.detach().numpy()
        for net in (model.backbone, start)
    )
    raw = model.spread[0].detach().numpy()
    variance = np.log1p(np.exp(raw)) + 1e-5
    distance = 0.5 * np.mean((now - then) ** 2 / variance + np.log(variance))
    risk = cross_entropies(model.predict(batch.x).detach(), batch.y).mean()
    losses = model.loss(batch)
    assert float(losses["distance"].detach()) == pytest.approx(distance, rel=1e-9)
    assert float(losses["total"].detach()) == pytest.approx(risk + 0.7 * distance, rel=1e-9)


class Maps(Backbone):
    """Two convolutions whose maps are compared, and a pool."""

    num_features = 7

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 7, 3, stride=2)

    def forward(self, x):
        return self.second(self.first(x).relu()).mean((2, 3))


def test_the_distances_of_all_layers_add_up():
    torch.manual_seed(0)
    info = replace(train_info(), image_shape=(3, 8, 8))
    model = moved(MIRO(Maps(), info, MIRO.HParams()))
    assert [layer.name for layer in model.layers] == ["first", "second"]
    batch = replace(random_batch(info), x=torch.randn(12, 3, 8, 8))
    total = 0.0
    for raw, name in zip(model.spread, ("first", "second"), strict=True):
        x, x0 = batch.x, batch.x
        if name == "second":
            x, x0 = (net.first(batch.x).relu() for net in (model.backbone, model.oracle))
        f = getattr(model.backbone, name)(x).detach().double().numpy()
        f0 = getattr(model.oracle, name)(x0).detach().double().numpy()
        assert raw.shape == (1, f.shape[1], 1, 1)
        variance = np.log1p(np.exp(raw.detach().double().numpy().ravel())) + 1e-5
        of_channels = [
            np.mean((f[:, c] - f0[:, c]) ** 2 / variance[c] + np.log(variance[c]))
            for c in range(f.shape[1])
        ]
        total += np.mean(of_channels) / 2
    found = float(model.loss(batch)["distance"].detach())
    assert found == pytest.approx(total, rel=1e-5)


def test_at_the_start_the_distance_is_that_of_the_variances_alone(tiny):
    model = tiny.algorithm(MIRO)
    found = model.loss(tiny.batch())["distance"]
    assert float(found.detach()) == pytest.approx(0.5 * math.log(0.1), rel=1e-6)


def test_without_weight_it_is_erm(tiny):
    batch, model = tiny.batch(), moved(tiny.algorithm(MIRO, weight=0))
    plain = tiny.algorithm(ERM)
    plain.backbone.load_state_dict(model.backbone.state_dict())
    torch.testing.assert_close(model.loss(batch)["total"], plain.loss(batch))


def test_the_oracle_stays_and_is_in_no_checkpoint_and_no_optimiser():
    model = build_algorithm("miro", train_info())
    before = copy.deepcopy(model.oracle.state_dict())
    take_steps(model, [random_batch(model.train_info, seed=seed) for seed in range(3)])
    model.train()
    assert not model.oracle.training
    for key, value in model.oracle.state_dict().items():
        assert value.equal(before[key]), key
    plain = build_algorithm("erm", train_info())
    ours = {key for key in model.state_dict() if not key.startswith("spread.")}
    assert ours == set(plain.state_dict())
    trained = {
        id(p) for o in model.optimizers.values() for g in o.param_groups for p in g["params"]
    }
    assert trained == {id(parameter) for parameter in model.parameters()}


def test_the_variances_learn_at_ten_times_the_rate(tiny):
    model = tiny.ready(tiny.algorithm(MIRO))
    rates = {id(p): g["lr"] for g in model.optimizers["main"].param_groups for p in g["params"]}
    assert rates[id(model.spread[0])] == pytest.approx(10 * rates[id(model.classifier.weight)])
    assert len(rates) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_vit", ["blocks.0", "blocks.2", "blocks.3", "blocks.5"]),
        ("test_resnet", ["act1", "layer1", "layer2", "layer3", "layer4"]),
    ],
)
def test_layers_of_timm_are_its_blocks(name, expected):
    backbone = build_backbone(name, (3, 32, 32), pretrained=False).eval()
    layers = regular_layers(backbone, (3, 32, 32))
    assert [layer.name for layer in layers] == [f"model.{one}" for one in expected]
    described = {one["module"]: one["num_chs"] for one in timm.create_model(name).feature_info}
    for layer, short in zip(layers, expected, strict=True):
        assert math.prod(layer.shape) == described[short]


def test_layers_of_other_networks_are_their_children():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(3, 5, 3), nn.ReLU(inplace=True), nn.Conv2d(5, 7, 3), nn.Flatten()
            )

        def forward(self, x):
            return self.body(x)

    layers = regular_layers(Own().eval(), (3, 8, 8))
    assert [(layer.name, layer.shape) for layer in layers] == [
        ("body.0", (1, 5, 1, 1)),
        ("body.2", (1, 7, 1, 1)),
    ]


@pytest.mark.parametrize("kind", ["head", "bitfit"])
def test_layers_are_the_same_where_weights_are_frozen(kind):
    name, shape = "digits-cnn", (3, 28, 28)
    options = checked_options({"adapt": kind}, name)
    frozen = adapted(build_backbone(name, shape, pretrained=False), options, name, 5)
    expected = regular_layers(build_backbone(name, shape, pretrained=False).eval(), shape)
    assert len(expected) > 2
    assert regular_layers(frozen, shape) == [
        replace(layer, name=f"network.{layer.name}") for layer in expected
    ]


def test_channels_that_stand_last_are_found():
    backbone = build_backbone("swin_tiny_patch4_window7_224", (3, 32, 32), pretrained=False)
    shapes = [layer.shape for layer in regular_layers(backbone.eval(), (3, 32, 32))]
    assert shapes == [(1, 1, 1, 96), (1, 1, 1, 192), (1, 1, 1, 384), (1, 1, 1, 768)]


def test_the_features_change_no_buffers_when_it_is_built():
    model = build_algorithm("miro", train_info())
    plain = build_algorithm("erm", train_info())
    for key, value in plain.state_dict().items():
        assert value.equal(model.state_dict()[key]), key
