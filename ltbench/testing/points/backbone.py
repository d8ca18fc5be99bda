"""What every backbone does."""

from __future__ import annotations

import copy

import torch
from timm.data import resolve_data_config

from ltbench.errors import UsageError
from ltbench.models.adaptation.frozen import digest_of
from ltbench.plugins.backbone import Backbone
from ltbench.plugins.preprocessing import Preprocessing, declared_by, judged
from ltbench.testing.point import NotApplicable, Points, Subject

POINTS = Points()
KIND = "backbone"
SIZES = (32, 64, 224)  # a network may need a larger image than the smallest
IMAGES = 3


@POINTS.add("features", "It maps images to as many features as it says", KIND)
def check_features(subject: Subject) -> None:
    """Check the number and the shape of the features, and that they are finite."""
    backbone, x = small_backbone(subject)
    name, number = subject.entry.name, getattr(backbone, "num_features", None)
    assert isinstance(number, int), f"backbone '{name}' does not say its num_features"
    with torch.no_grad():
        features = backbone.eval()(x)
    shape = tuple(features.shape)
    assert shape == (len(x), number), f"backbone '{name}' gives {shape}, not {(len(x), number)}"
    assert bool(features.isfinite().all()), f"backbone '{name}': some features are not finite"


@POINTS.add("module", "It is a module whose parameters get a gradient", KIND)
def check_gradient(subject: Subject) -> None:
    """Check that features can be differentiated."""
    backbone, x = small_backbone(subject)
    name = subject.entry.name
    assert isinstance(backbone, torch.nn.Module), f"backbone '{name}' is no torch module"
    backbone.train()(x).square().sum().backward()
    moved = [p for p in backbone.parameters() if p.grad is not None and bool(p.grad.any())]
    assert moved, f"backbone '{name}': no parameter gets a gradient"


@POINTS.add("neighbours", "The features of an image do not depend on those beside it", KIND)
def check_neighbours(subject: Subject) -> None:
    """Check images together against each alone, in evaluation mode."""
    backbone, x = small_backbone(subject)
    backbone.eval()
    with torch.no_grad():
        together, alone = backbone(x), torch.cat([backbone(image[None]) for image in x])
    assert torch.allclose(together, alone, rtol=1e-3, atol=1e-4), (
        f"backbone '{subject.entry.name}': the features of an image depend on the others"
    )


@POINTS.add("weights", "Its initial weights are those of the seed", KIND)
def check_weights(subject: Subject) -> None:
    """Check that one seed gives one network and two seeds two."""
    _, x = small_backbone(subject)
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(subject.entry.load()(tuple(x.shape[1:]), False).state_dict())
    one, again, other = states
    name = subject.entry.name
    assert all(one[key].equal(again[key]) for key in one), (
        f"backbone '{name}': the same seed gives other weights"
    )
    assert any(not one[key].equal(other[key]) for key in one), (
        f"backbone '{name}': another seed gives the same weights"
    )


@POINTS.add("preprocessing", "It says how images reach its pretrained weights, as timm does", KIND)
def check_preprocessing(subject: Subject) -> None:
    """Check that what is declared is possible, and for a model of timm, timm's own."""
    name, backbone = subject.entry.name, small_backbone(subject)[0]
    declared = declared_by(subject.entry.load())
    config = getattr(getattr(backbone, "model", None), "pretrained_cfg", None)
    if declared is None and not (config and (config.get("url") or config.get("hf_hub_id"))):
        raise NotApplicable("it declares none, and its images pass through the data set's")
    assert declared is not None, f"backbone '{name}' has weights of timm and declares nothing"
    assert isinstance(declared, Preprocessing), (
        f"backbone '{name}' declares {declared!r}, which is no ltbench.api.Preprocessing"
    )
    judged(declared.as_dict(), f"the preprocessing of backbone '{name}'")
    if config:
        wanted = resolve_data_config(pretrained_cfg=config)
        theirs = Preprocessing(
            tuple(wanted["mean"]),
            tuple(wanted["std"]),
            wanted["interpolation"],
            min(wanted["crop_pct"], 1.0),
        )
        assert declared == theirs, f"backbone '{name}' declares {declared}, and timm {theirs}"


@POINTS.add("adapted", "It can be frozen, all but its biases", KIND)
def check_adapted(subject: Subject) -> None:
    """Check that it answers the same with frozen weights, and that only what is trained moves."""
    from ltbench.models.adaptation.adapted import adapted
    from ltbench.plugins.backbone_options import checked_options

    name, (backbone, x) = subject.entry.name, small_backbone(subject)
    before = copy.deepcopy(backbone).eval()
    options = checked_options({"adapt": "bitfit"}, name)
    try:
        found = adapted(copy.deepcopy(backbone), options, name, IMAGES)
    except UsageError as error:
        raise NotApplicable(str(error)) from error
    with torch.no_grad():
        assert torch.equal(found.train()(x), before(x)), (
            f"backbone '{name}' answers differently once its weights are frozen: does it keep them "
            "in a list of its own?"
        )
    digest = digest_of(found)
    found(x).square().sum().backward()
    assert digest_of(found) == digest, f"backbone '{name}' changes what is frozen"
    found.load_state_dict(found.state_dict())


def small_backbone(subject: Subject) -> tuple[Backbone, torch.Tensor]:
    """Return the backbone for the smallest images that it takes, with a few of them."""

    def find() -> tuple[Backbone, torch.Tensor]:
        for size in SIZES:
            torch.manual_seed(0)
            shape = (3, size, size)
            x = torch.randn(IMAGES, *shape)
            try:
                backbone = subject.entry.load()(shape, False)
                with torch.no_grad():
                    backbone.eval()(x)
            except Exception:
                if size == SIZES[-1]:
                    raise
                continue
            return backbone, x
        raise AssertionError("unreachable: the last size either builds or raises")

    return subject.once("built", find)
