"""Finds a backbone by name: the registered ones first, then every model of timm."""

from __future__ import annotations

from typing import cast

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.backbone import Backbone
from ltbench.plugins.manager import get_plugins


def check_backbone(name: str) -> None:
    """Check that a backbone exists, without building it.

    Raises:
        UsageError: neither a plugin nor timm knows it; the message suggests the nearest.
    """
    registry = get_plugins()["backbones"]
    if name in registry:
        registry.get(name)
        return
    import timm

    if not timm.is_model(name):
        known = [*registry.names(), *timm.list_models()]
        near = suggestion(name, known)
        hint = near if "did you mean" in near else "; see 'ltbench plugins list' and timm's models"
        raise UsageError(f"there is no backbone '{name}'{hint}")


def build_backbone(name: str, image_shape: tuple[int, int, int], pretrained: bool) -> Backbone:
    """Build a backbone for images of ``image_shape`` (channels, height, width).

    Raises:
        UsageError: it does not exist, cannot be built, or its weights cannot be fetched.
    """
    check_backbone(name)
    registry = get_plugins()["backbones"]
    if name in registry:
        return cast(Backbone, registry.get(name).load()(image_shape, pretrained))
    from ltbench.models.timm_backbone import TimmBackbone

    return TimmBackbone(name, image_shape, pretrained)
