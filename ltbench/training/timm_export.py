"""A trained network as a model of timm: weights and ``config.json`` in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ltbench.errors import LtbenchError
from ltbench.models.adaptation.adapted import AdaptedBackbone
from ltbench.models.adaptation.merged import merged_state
from ltbench.models.configuration import CONFIG
from ltbench.models.timm_backbone import TimmBackbone
from ltbench.models.timm_source import timm_source
from ltbench.training.linear_head import linear_head
from ltbench.training.trained_model import TrainedModel

WEIGHTS = "model.safetensors"
LOCAL = (1, 0, 16)
"""The first version of timm that loads ``local-dir:FOLDER``."""


class NotOfTimm(LtbenchError):
    """A network that timm cannot hold; the message says why, without a full stop."""


def write_timm(model: TrainedModel, folder: Path) -> None:
    """Write ``model.safetensors`` and ``config.json``, which timm loads as ``local-dir:FOLDER``.

    Raises:
        NotOfTimm: timm has no model that computes what this one does.
        OSError: the files cannot be written.
    """
    from safetensors.torch import save_file

    name = model.spec.backbone.name
    backbones = [m for m in model.algorithm.modules() if isinstance(m, TimmBackbone)]
    if not backbones:
        raise NotOfTimm(f"'{name}' is not one of its networks")
    if len(backbones) > 1:
        raise NotOfTimm(f"it is made of {len(backbones)} networks")
    head = linear_head(model.algorithm, backbones[0])
    if head is None:
        raise NotOfTimm("its logits are not linear in the features of one image")
    options = _options(model, backbones[0])
    network = _build(name, options, len(model.classes))
    state = _with_head(model, network, backbones[0], *head)
    config = _config(model, backbones[0], options)
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    text = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / CONFIG).write_text(f"{text}\n", encoding="utf-8")


def timm_logits(folder: Path, x: Tensor) -> Tensor:
    """Return the logits (N, C) of images by what timm makes of a folder.

    Args:
        folder: of ``model.safetensors`` and ``config.json``.
        x: (N, channels, side, side), normalised.

    Raises:
        Exception: whatever timm raises of what it cannot load.
    """
    import timm

    if timm_is_new():
        network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    else:
        from safetensors.torch import load_file

        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        network = timm.create_model(
            found["architecture"], num_classes=found["num_classes"], **found["model_args"]
        )
        network.load_state_dict(load_file(folder / WEIGHTS))
    with torch.no_grad():
        logits: Tensor = network.eval()(x)
    return logits


def timm_is_new() -> bool:
    """Return whether this timm loads models from local folders."""
    import timm

    numbers = [int(n) for n in timm.__version__.split(".")[:3] if n.isdigit()]
    return tuple(numbers) >= LOCAL


def _options(model: TrainedModel, backbone: TimmBackbone) -> dict[str, Any]:
    """Return the arguments besides the classes with which timm builds such a network."""
    size, channels = model.facts.size, model.facts.channels
    found = {**timm_source(model.spec.backbone.name).arguments, "in_chans": channels}
    name = model.spec.backbone.name
    try:  # transformers need it, and others do not take it
        _build(name, {**found, "img_size": size}, 1)
    except TypeError:
        return found
    return {**found, "img_size": size}


def _build(name: str, options: Mapping[str, Any], classes: int) -> nn.Module:
    import timm

    network: nn.Module = timm.create_model(
        timm_source(name).model, pretrained=False, num_classes=classes, **options
    )
    return network


def _with_head(
    model: TrainedModel, network: nn.Module, backbone: TimmBackbone, weight: Tensor, bias: Tensor
) -> dict[str, Tensor]:
    """Return the tensors of a network of timm: those of the backbone, and its classifier's.

    Raises:
        NotOfTimm: its classifier is no single linear layer.
    """
    of_timm: Any = network
    last = of_timm.get_classifier() if hasattr(network, "get_classifier") else None
    place = next((name for name, module in network.named_modules() if module is last), None)
    if not isinstance(last, nn.Linear) or place is None or last.weight.shape != weight.shape:
        raise NotOfTimm("its classifier in timm is no single linear layer")
    wanted = network.state_dict()
    state = _state(model, backbone, wanted)
    own = {f"{place}.weight": weight}
    if last.bias is not None:
        own[f"{place}.bias"] = bias
    elif bool((bias != 0).any()):
        raise NotOfTimm("its classifier in timm has no biases")
    if wanted.keys() != (state | own).keys() or own.keys() & state.keys():
        raise NotOfTimm("timm builds it otherwise with a classifier than without")
    # Copies, as safetensors refuses tensors that share their memory.
    return {name: (state | own)[name].detach().cpu().contiguous().clone() for name in wanted}


def _state(
    model: TrainedModel, backbone: TimmBackbone, wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of a trained network without a classifier, adapters merged with weights.

    Raises:
        NotOfTimm: it has adapters that are no part of any network of timm.
    """
    if not any(isinstance(module, AdaptedBackbone) for module in model.algorithm.modules()):
        return dict(backbone.model.state_dict())
    place = "model."
    merged, of_timm = merged_state(backbone), {f"{place}{name}" for name in wanted}
    if any(tensor.requires_grad and name not in of_timm for name, tensor in merged.items()):
        raise NotOfTimm("its adapters are no part of any network of timm")
    return {name.removeprefix(place): merged[name] for name in merged.keys() & of_timm}


def _config(
    model: TrainedModel, backbone: TimmBackbone, options: Mapping[str, Any]
) -> dict[str, Any]:
    facts, transform = model.facts, model.evaluation
    own: Mapping[str, Any] = getattr(backbone.model, "pretrained_cfg", None) or {}
    cropped = transform.crop is not None
    pretrained = {
        "num_classes": len(model.classes),
        "input_size": [facts.channels, facts.size, facts.size],
        "fixed_input_size": bool(own.get("fixed_input_size", False)),
        "interpolation": transform.interpolation,
        "crop_pct": transform.crop if cropped else 1.0,
        "crop_mode": "center" if cropped else "squash",
        "mean": list(facts.mean),
        "std": list(facts.std),
        # Of three channels, as timm then leaves the first convolution as it is.
        "first_conv": own.get("first_conv") if facts.channels == 3 else None,
        "classifier": own.get("classifier"),
        "custom_load": False,
    }
    pool = getattr(backbone.model, "global_pool", None)
    return {
        "architecture": timm_source(model.spec.backbone.name).model.partition(".")[0],
        "num_classes": len(model.classes),
        "num_features": backbone.num_features,
        **({"global_pool": pool} if isinstance(pool, str) else {}),
        "label_names": list(model.classes),
        "model_args": dict(options),
        "pretrained_cfg": pretrained,
    }
