"""Grad-CAM finds the place that a network looks at, where that place is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ltbench.training.evidence import GRAD_CAM, GRADIENT, class_evidence


def spots() -> Tensor:
    """Return two images with a bright square, at the upper left and the lower right."""
    x = torch.zeros(2, 1, 16, 16)
    x[0, :, 0:4, 0:4] = 1
    x[1, :, 8:12, 12:16] = 1
    return x


class Known(nn.Module):
    """Two maps, of bright and of dark places; class 0 counts the bright, class 1 the dark ones."""

    def __init__(self, *, last: bool = False) -> None:
        super().__init__()
        self.last = last
        self.pool = nn.AvgPool2d(4)
        self.maps = nn.Conv2d(1, 2, 1)
        self.order = nn.Identity()
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))
            self.maps.bias.copy_(torch.tensor([0.0, 1.0]))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.maps(self.pool(x))
        if self.last:  # channels behind the places, three of them so that the order can be told
            maps = self.order(torch.cat([maps, maps[:, :1]], 1).permute(0, 2, 3, 1))
            return maps.mean((1, 2))[:, :2]
        return self.order(maps).mean((2, 3))


@pytest.mark.parametrize("last", [False, True])
def test_a_convolutional_network(last: bool) -> None:
    net, x = Known(last=last).eval(), spots()
    found = class_evidence(net, net, x, torch.tensor([0, 0]))
    assert found.method == GRAD_CAM
    # The weight of a map is the same everywhere, so that the evidence is the map itself.
    assert torch.equal(found.maps, net.pool(x)[:, 0])
    dark = class_evidence(net, net, x, torch.tensor([1, 1])).maps
    assert torch.allclose(dark, 1 - net.pool(x)[:, 0])


class Tokens(nn.Module):
    """A class token that takes up from patches what is bright, as attention does."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.BatchNorm1d(17, affine=False)  # (N, tokens, channels), the identity
        self.final = nn.BatchNorm1d(17, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        patches = nn.functional.avg_pool2d(x, 4).flatten(2).transpose(1, 2)
        tokens = torch.cat([torch.zeros_like(patches[:, :1]), patches], 1)
        tokens = self.first(torch.cat([tokens, -tokens], 2))
        taken = tokens[:, 1:].mean(1, keepdim=True)
        tokens = self.final(torch.cat([taken, tokens[:, 1:]], 1))
        return tokens[:, 0]


def test_a_transformer_whose_last_patches_do_not_count() -> None:
    net, x = Tokens().eval(), spots()
    found = class_evidence(net, net, x, torch.tensor([0, 0]))
    assert found.method == GRAD_CAM
    assert torch.allclose(found.maps, nn.functional.avg_pool2d(x, 4)[:, 0], atol=1e-5)


def test_a_network_without_places() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
    x = spots()
    found = class_evidence(net, net, x, torch.tensor([1, 0]))
    assert found.method == GRADIENT
    expected = (net[1].weight[1].reshape(16, 16) * x[0, 0]).abs()
    assert torch.allclose(found.maps[0], expected / expected.max(), atol=1e-6)


def test_nothing_of_the_network_is_changed_and_nothing_speaks_for_a_constant() -> None:
    net = Known().eval()
    hooks = [len(module._forward_hooks) for module in net.modules()]
    found = class_evidence(net, lambda x: net(x) * 0, spots(), torch.tensor([0, 1]))
    assert not found.maps.any()
    assert [len(module._forward_hooks) for module in net.modules()] == hooks
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_networks_of_timm(name: str) -> None:
    import timm

    torch.manual_seed(0)
    options = {"img_size": 64} if name.startswith("vit") else {}
    net = timm.create_model(name, num_classes=3, **options).eval()
    found = class_evidence(net, net, torch.randn(1, 3, 64, 64), torch.tensor([2]))
    assert found.method == GRAD_CAM
    assert found.maps.shape[1:] == ((4, 4) if name.startswith("vit") else (2, 2))
    assert 0 <= found.maps.min() <= found.maps.max() <= 1
