from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone, check_backbone
from ltbench.models.cifar_resnet import CifarResNet32
from ltbench.models.digits_cnn import DigitsCNN, NarrowDigitsCNN
from ltbench.models.named import resnet18, resnet50
from ltbench.models.timm_names import timm_models
from ltbench.plugins.manager import get_plugins


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_resnet32_is_the_literatures() -> None:
    model = CifarResNet32((3, 32, 32))
    with_classifier = parameters(model) + 64 * 10 + 10
    assert with_classifier == 464_154  # He et al., table 6: 0.46 million
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) + 1 == 32
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 64)
    with pytest.raises(UsageError, match="no pretrained weights"):
        CifarResNet32((3, 32, 32), pretrained=True)


def test_option_a_passes_the_input_on() -> None:
    """With the branch switched off a block is its shortcut: subsampled, padded with zeros."""
    block = CifarResNet32((3, 32, 32)).blocks[5].eval()
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.rand(1, 16, 8, 8)
    y = block(x)
    assert y.shape == (1, 32, 4, 4)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert y[:, :8].abs().sum() == y[:, 24:].abs().sum() == 0


@pytest.mark.parametrize(
    "name", ["digits-cnn", "digits-cnn-narrow", "resnet32", "resnet18", "mobilenetv2_100"]
)
def test_backbones_give_the_features_they_promise(name: str) -> None:
    model = build_backbone(name, (3, 32, 32), pretrained=False)
    x = torch.randn(2, 3, 32, 32)
    assert model(x).shape == (2, model.num_features)
    loss = model(x).square().sum()
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_narrow_network_takes_a_quarter_of_the_arithmetic() -> None:
    sizes = [
        [layer.weight.numel() for layer in network((3, 28, 28)).layers if hasattr(layer, "stride")]
        for network in (DigitsCNN, NarrowDigitsCNN)
    ]
    # All but the first convolution, whose input are the image's channels.
    assert [4 * n for n in sizes[1][1:]] == sizes[0][1:]
    assert 2 * sizes[1][0] == sizes[0][0]


def test_the_fields_backbones_are_registered() -> None:
    names = set(get_plugins()["backbones"].names())
    assert names >= {
        "digits-cnn", "digits-cnn-narrow", "resnet32", "resnet18", "resnet50", "mobilenetv2_100",
        "resnetv2_50", "vit_base_patch16_224", "convnext_base",
    }  # fmt: skip
    # The weights that published MDLT figures start from.
    assert resnet18.args == ("resnet18.tv_in1k",)
    assert resnet50.args == ("resnet50.tv_in1k",)


def test_any_timm_model_and_its_channels() -> None:
    model = build_backbone("vit_tiny_patch16_224", (1, 64, 64), pretrained=False)
    assert model(torch.randn(1, 1, 64, 64)).shape == (1, model.num_features)
    with pytest.raises(UsageError, match="did you mean 'resnet50'"):
        check_backbone("resnet5O")


def test_the_files_of_timm_name_its_models() -> None:
    import timm

    assert set(timm_models()) == set(timm.list_models())


def test_without_importing_timm_no_model_is_refused_that_it_has() -> None:
    code = (
        "import sys\nfrom ltbench.models.timm_names import is_timm_model\n"
        "assert is_timm_model('resnet34') and is_timm_model('resnet34.a1_in1k')\n"
        "assert not is_timm_model('resnet5O') and not is_timm_model('(')\n"
        "assert 'timm' not in sys.modules\n"
        "assert is_timm_model('tv_resnext50_32x4d')\n"  # of old, and so registered in another way
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
