"""Finds a backbone by name: the registered ones first, then every model of timm."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ltbench.errors import UsageError, suggestion
from ltbench.models.timm_names import is_timm_model, timm_models
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.spelling import spelled

if TYPE_CHECKING:
    from ltbench.plugins.backbone import Backbone


def check_backbone(name: str) -> str:
    """Check that a backbone exists, without building it, and return its name as it is known.

    Raises:
        UsageError: neither a plugin nor timm knows it; the message suggests the nearest.
    """
    registry = get_plugins()["backbones"]
    if name in registry:
        return registry.get(name).name
    if is_timm_model(name):
        return name
    architecture, dot, tag = name.partition(".")
    meant = spelled(architecture, timm_models())
    if is_timm_model(meant):
        return f"{meant}{dot}{tag}"
    near = suggestion(name, [*registry.names(), *timm_models()])
    hint = near if "did you mean" in near else "; see 'ltbench plugins list' and timm's models"
    raise UsageError(f"there is no backbone '{name}'{hint}")


def build_backbone(name: str, image_shape: tuple[int, int, int], pretrained: bool) -> Backbone:
    """Build a backbone for images of ``image_shape`` (channels, height, width).

    Raises:
        UsageError: it does not exist, cannot be built, or its weights cannot be fetched.
    """
    name = check_backbone(name)
    registry = get_plugins()["backbones"]
    if name in registry:
        return cast("Backbone", registry.get(name).load()(image_shape, pretrained))
    from ltbench.models.timm_backbone import TimmBackbone

    return TimmBackbone(name, image_shape, pretrained)
