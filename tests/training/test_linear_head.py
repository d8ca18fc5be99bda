"""What lies behind the features is known by what it answers."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ltbench.training.linear_head import linear_head


class Net(nn.Module):
    def __init__(self, answer) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(5, 7)
        self.backbone.num_features = 7
        self.classifier = nn.Linear(7, 3)
        self.answer = answer

    def predict(self, x):
        return self.answer(self.classifier, self.backbone(x))


SCALES, SHIFT = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([-3.0, 0.0, 8.0])


@pytest.mark.parametrize(
    ("answer", "linear"),
    [
        (lambda head, f: head(f), True),
        (lambda head, f: SCALES * head(f) - SHIFT, True),
        (lambda head, f: F.linear(F.normalize(f), head.weight), False),
        (lambda head, f: head(f).relu(), False),
        (lambda head, f: head(f) * torch.nan, False),
        (lambda head, f: head(f.view(len(f), 7, 1, 1)), False),
    ],
)
def test_it_is_found_where_it_is_linear(answer, linear):
    net = Net(answer).eval()
    x = torch.randn(4, 5)
    before = net.predict(x) if linear else None
    found = linear_head(net, net.backbone)
    assert (found is not None) == linear
    if found is not None:
        weight, bias = found
        assert torch.allclose(F.linear(net.backbone(x), weight, bias), before, atol=1e-5)
        assert torch.equal(net.predict(x), before)  # the backbone is its own again


def test_a_plain_classifier_is_taken_to_the_last_bit():
    net = Net(lambda head, f: head(f)).eval()
    weight, bias = linear_head(net, net.backbone)
    assert torch.equal(weight, net.classifier.weight)
    assert torch.equal(bias, net.classifier.bias)
