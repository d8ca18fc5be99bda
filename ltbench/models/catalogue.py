"""Finds a backbone by name: the registered ones first, then every model of timm."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

from ltbench.errors import PluginError, UsageError, suggestion
from ltbench.models.hub import is_hub_name, parse_hub_name
from ltbench.models.timm_names import is_timm_model, timm_models
from ltbench.plugins.backbone_options import parse_backbone
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name
from ltbench.plugins.preprocessing import Preprocessing, declared_by
from ltbench.plugins.registry import Entry
from ltbench.plugins.spelling import spelled
from ltbench.plugins.text import visible

if TYPE_CHECKING:
    from ltbench.plugins.backbone import Backbone


def check_backbone(name: str) -> str:
    """Check that a backbone exists, without building it, and return its name as it is known.

    Whether the hub has a repository is not asked here.

    Raises:
        UsageError: neither a plugin nor timm knows it; the message suggests the nearest.
    """
    registry = get_plugins()["backbones"]
    if name in registry:
        return registry.get(name).name
    if is_hub_name(name):
        return str(parse_hub_name(name))
    if is_timm_model(name):
        return name
    architecture, dot, tag = name.partition(".")
    meant = spelled(architecture, timm_models())
    if is_timm_model(meant):
        return f"{meant}{dot}{tag}"
    near = suggestion(name, [*registry.names(), *timm_models()])
    if ":" in name or "/" in name:
        near = "; a model of the Hugging Face hub is hf-hub:ORGANISATION/MODEL"
        raise UsageError(f"there is no backbone '{visible(name)}'{near}")
    hint = near if "did you mean" in near else "; see 'ltbench plugins list' and timm's models"
    raise UsageError(f"there is no backbone '{name}'{hint}")


def known_backbone(text: str) -> Name:
    """Return the backbone that a text names, as it is known, with its options.

    Args:
        text: ``NAME[key=value,…]``; see :mod:`ltbench.plugins.backbone_options`.

    Returns:
        Its name and the options that differ from their defaults.

    Raises:
        UsageError: there is no such backbone, or an option is not possible.
    """
    asked = parse_backbone(text)
    return Name(check_backbone(asked.name), asked.options)


def backbone_entry(name: str) -> Entry | None:
    """Return what to describe of a backbone that nobody registered; ``None`` where there is none.

    Raises:
        UsageError: the name is written as those of the hub, but is none.
    """
    if not is_hub_name(name) and not is_timm_model(name):
        return None
    from ltbench.models.named import NamedBackbone
    from ltbench.models.timm_backbone import TimmBackbone

    known = check_backbone(name)
    source = "the Hugging Face hub" if is_hub_name(name) else "timm"
    target = NamedBackbone(TimmBackbone, known)
    return Entry("backbone", known, target, f"A model of {source}", "timm", version("timm"))


def pinned_backbone(name: str) -> str:
    """Return a backbone's name as an identity holds it: of the hub with the commit that it is now.

    Raises:
        UsageError: the hub's cannot be fetched, or is none of timm's.
    """
    if not is_hub_name(name):
        return name
    from ltbench.models.timm_source import timm_source

    return timm_source(name).name


def declared_preprocessing(name: str) -> Preprocessing | None:
    """Return what a backbone's own weights were trained with, without building a network.

    Raises:
        UsageError: timm has no such weights.
        PluginError: a plugin declares something else.
    """
    registry = get_plugins()["backbones"]
    if name not in registry:
        from ltbench.models.timm_source import timm_source

        return timm_source(name).preprocessing
    entry = registry.get(name)
    found = declared_by(entry.load())
    if not isinstance(found, Preprocessing | None):
        raise PluginError(
            f"backbone '{entry.name}' of {entry.distribution} declares a preprocessing that is no "
            "ltbench.api.Preprocessing"
        )
    return found


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
