"""An adapted network is the plain network of timm with other weights."""

from __future__ import annotations

import pytest
import timm
import torch

from ltbench.models.adaptation.adapted import adapted
from ltbench.models.adaptation.merged import merged_state
from ltbench.models.timm_backbone import TimmBackbone
from ltbench.plugins.backbone_options import BackboneOptions


@pytest.mark.parametrize("kind", ["lora", "bitfit"])
def test_the_plain_network_computes_the_same(kind):
    torch.manual_seed(0)
    backbone = TimmBackbone("test_vit", (3, 32, 32))
    network = adapted(backbone, BackboneOptions(adapt=kind), "test_vit", 3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    plain = timm.create_model("test_vit", num_classes=0, img_size=32).eval()
    state = merged_state(backbone.model)
    plain.load_state_dict({name: state[name] for name in plain.state_dict()})
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(plain(x), network(x), atol=1e-4)


def test_prompts_stay_parameters_of_their_own():
    backbone = TimmBackbone("test_vit", (3, 32, 32))
    adapted(backbone, BackboneOptions(adapt="vpt-deep"), "test_vit", 3)
    known = {f"model.{name}" for name in timm.create_model("test_vit", num_classes=0).state_dict()}
    assert any(one.requires_grad for n, one in merged_state(backbone).items() if n not in known)
