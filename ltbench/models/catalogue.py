"""Finds a backbone by name: the registered ones first, then every model of timm."""

from __future__ import annotations

import inspect
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


def build_backbone(
    name: str, image_shape: tuple[int, int, int], pretrained: bool, drop_path: float = 0.0
) -> Backbone:
    """Build a backbone for images of ``image_shape`` (channels, height, width).

    Args:
        name: of a plugin, or of a model of timm.
        image_shape: channels, height and width of an image.
        pretrained: whether it starts from the weights that are named for it.
        drop_path: timm's ``drop_path_rate``; what is registered takes it as a keyword, or has none.

    Raises:
        UsageError: it does not exist, cannot be built, or its weights cannot be fetched.
    """
    name = check_backbone(name)
    registry = get_plugins()["backbones"]
    options = {"drop_path": drop_path} if drop_path else {}
    if name in registry:
        build = registry.get(name).load()
        if options and "drop_path" not in inspect.signature(build).parameters:
            raise UsageError(without_drop_path(name))
        return cast("Backbone", build(image_shape, pretrained, **options))
    from ltbench.models.timm_backbone import TimmBackbone

    return TimmBackbone(name, image_shape, pretrained, **options)


def without_drop_path(name: str) -> str:
    """Return the sentence that a backbone has no paths that could be dropped."""
    return f"backbone '{name}' has no paths to drop: leave out drop_path, or choose another one"
