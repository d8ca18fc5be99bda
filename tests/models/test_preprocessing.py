"""Weights bring the preprocessing that they were trained with."""

from __future__ import annotations

import math

import pytest
import timm
import torch
from timm.data import resolve_data_config

from ltbench.errors import UsageError
from ltbench.models.catalogue import declared_preprocessing
from ltbench.models.hub import PREFIX
from ltbench.models.timm_source import timm_source
from ltbench.plugins.backbone_options import parse_backbone
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.preprocessing import Preprocessing, judged
from ltbench.session.protocols import own_protocols
from ltbench.testing import find_subjects
from ltbench.testing.conformance import check_entry

NONE = ("digits-cnn", "digits-cnn-narrow", "resnet32")


def named_backbones() -> list[str]:
    """Return what the protocols and the registry of backbones name, but for models of the hub.

    What those declare stands in files of theirs, which ``test_open_clip`` writes.
    """
    plugins = get_plugins()
    protocols = [entry.load() for entry in plugins["protocols"]]
    for name in ("digits-mini-mlt", "pacs-mlt", "cifar100-lt", "imagenet-lt", "image-folder"):
        protocols += own_protocols(registry_facts(name)).values()
    own = (e.name for e in plugins["backbones"] if e.distribution == "ltbench")
    networks = (parse_backbone(protocol["backbone"]).name for protocol in protocols)
    return sorted({*own, *(name for name in networks if not name.startswith(PREFIX))})


def test_the_protocols_name_what_is_looked_at_below() -> None:
    assert set(named_backbones()) >= {
        "resnet18", "resnet50", "mobilenetv2_100", "resnetv2_50", "vit_base_patch16_224",
        "convnext_base", "digits-cnn", "resnet32",
    }  # fmt: skip


@pytest.mark.parametrize("name", named_backbones())
def test_what_is_declared_is_timms(name: str) -> None:
    declared = declared_preprocessing(name)
    if name in NONE:
        assert declared is None
        return
    model = {"resnet18": "resnet18.tv_in1k", "resnet50": "resnet50.tv_in1k"}.get(name, name)
    with torch.device("meta"):
        wanted = resolve_data_config(model=timm.create_model(model, pretrained=False))
    assert declared is not None
    assert (declared.mean, declared.std) == (wanted["mean"], wanted["std"])
    assert (declared.interpolation, declared.crop) == (wanted["interpolation"], wanted["crop_pct"])


def test_the_ones_that_are_not_imagenets() -> None:
    half = (0.5, 0.5, 0.5)
    assert declared_preprocessing("vit_base_patch16_224") == Preprocessing(
        half, half, "bicubic", 0.9
    )
    assert declared_preprocessing("resnetv2_50") == Preprocessing(half, half, "bicubic", 0.95)
    assert declared_preprocessing("resnet50").interpolation == "bilinear"
    assert declared_preprocessing("resnet50.a1_in1k").interpolation == "bicubic"


def test_every_configuration_of_timm_is_possible() -> None:
    for name in timm.list_pretrained():
        found = timm_source(name).preprocessing
        assert found is not None
        judged(found.as_dict(), name)


@pytest.mark.parametrize("name", ["resnet18", "digits-cnn"])
def test_the_kit_asks_for_it(name: str, tmp_path) -> None:
    ((entry, text),) = find_subjects(name)
    results = {result.point.name: result for result in check_entry(entry, text, tmp_path)}
    assert results["preprocessing"].status == ("skipped" if name in NONE else "passed")


def test_channels() -> None:
    colour = Preprocessing((0.3, 0.4, 0.5), (0.1, 0.2, 0.3), "bicubic", 0.9)
    grey = colour.for_channels(1)
    assert grey.mean == pytest.approx((0.4,))
    assert grey.std == pytest.approx((0.2,))
    assert (grey.interpolation, grey.crop) == ("bicubic", 0.9)
    assert colour.for_channels(3) == colour
    assert colour.for_channels(5).mean == (0.3, 0.4, 0.5, 0.3, 0.4)
    assert Preprocessing((0.5,), (0.2,)).for_channels(3).std == (0.2, 0.2, 0.2)


def test_grey_images_reach_timms_weights_as_grey_colour_images_would() -> None:
    """timm sums the first weights over the channels; with one mean for all nothing else differs."""
    colour = Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    grey, image = colour.for_channels(1), torch.rand(1, 1, 8, 8)
    weights = torch.randn(4, 3, 3, 3)
    summed = timm.models.adapt_input_conv(1, weights)
    as_colour = torch.nn.functional.conv2d((image.expand(1, 3, 8, 8) - 0.5) / 0.5, weights)
    as_grey = torch.nn.functional.conv2d((image - grey.mean[0]) / grey.std[0], summed)
    assert torch.allclose(as_colour, as_grey, atol=1e-4)


BAD = {
    "mean": (
        0.5,
        "0.5",
        [],
        [0.5, None],
        [True],
        [math.inf],
        [math.nan],
        [1e9],
        [0.5] * 65,
        {},
        [[1]],
    ),
    "std": ([0], [-0.1], [0.0, 0.1, 0.1], [1e-12], "x", [math.nan], [10**400]),
    "interpolation": ("lanczos", 3, [], "\x1b[2J", "x" * 10_000),
    "crop": (0, -1, 0.01, 2.5, math.nan, "1", True, 10**400),
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in BAD.items() for value in values]
)
def test_hostile_fields_are_one_sentence(key: str, value: object) -> None:
    config = {"mean": [0.5], "std": [0.5], key: value}
    with pytest.raises(UsageError, match=f"^config: '{key}'|different lengths") as caught:
        judged(config, "config")
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 200


def test_timm_pads_what_is_larger_than_the_image() -> None:
    assert judged({"crop_pct": 1.15}, "config") == {"crop": 1.0}
