"""The network of a run: whether it starts from weights, and what its images pass through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ltbench.errors import UsageError
from ltbench.models.catalogue import declared_preprocessing, pinned_backbone
from ltbench.models.hub import is_hub_name
from ltbench.models.weights import file_sha256
from ltbench.models.weights_config import weights_preprocessing
from ltbench.plugins.facts import Facts
from ltbench.plugins.names import Name
from ltbench.plugins.preprocessing import LEAST_CROP
from ltbench.results.backbone import BackboneSpec, differing
from ltbench.results.protocol import Protocol
from ltbench.session.preprocessing import WEIGHTS, asked_preprocessing

if TYPE_CHECKING:
    from ltbench.session.plan import Request


def is_pretrained(request: Request, settings: Mapping[str, Any], asked: Name | None) -> bool:
    """Return whether a run starts from the weights that its backbone's name stands for.

    Who names a repository of weights means them, whatever a protocol says of its own backbone.

    Args:
        request: what was asked for.
        settings: of the protocol, with ``backbone`` and perhaps ``pretrained``.
        asked: the protocol as it was typed.
    """
    if request.pretrained is not None:
        return request.pretrained
    said = asked is not None and "pretrained" in asked.options
    of_hub = is_hub_name(str(request.backbone or settings["backbone"])) and not said
    return (of_hub or bool(settings.get("pretrained"))) and request.weights is None


def backbone_spec(
    request: Request, asked: Name, pretrained: bool, facts: Facts, protocol: Protocol
) -> BackboneSpec:
    """Return the network of a run, with its options and what its images pass through.

    Args:
        request: what was asked for.
        asked: the network, as :func:`ltbench.models.catalogue.known_backbone` returns it.
        pretrained: whether it starts from the weights that are named for it.
        facts: of the data set.
        protocol: of the run.

    Raises:
        UsageError: the preprocessing is not possible, a file cannot be read, or the hub's
            configuration cannot be fetched.
    """
    share = protocol.crop_share
    if 0 < share < LEAST_CROP:
        raise UsageError(
            f"a crop_share of {share:g} leaves next to nothing of an image: give 0 for that of the "
            f"weights, or {LEAST_CROP} to 1"
        )
    weights = file_sha256(request.weights) if request.weights else None
    name = pinned_backbone(asked.name)
    images, declared = asked_preprocessing(request.preprocessing), None
    if images.name == WEIGHTS and request.weights:
        declared = weights_preprocessing(request.weights)
    elif images.name == WEIGHTS and pretrained:
        declared = declared_preprocessing(name)
    wanted = images.of(declared, facts)
    own = differing(wanted, facts, protocol)
    return BackboneSpec(name, pretrained, weights, own, asked.options)


def silent_weights(request: Request, backbones: Iterable[str]) -> list[str]:
    """Return a sentence where local weights do not say what images they were trained on.

    Args:
        request: what was asked for.
        backbones: that start from them. Of one that has no weights of its own nothing is said:
            its weights were most likely made here.
    """
    if not request.weights or asked_preprocessing(request.preprocessing).name != WEIGHTS:
        return []
    if weights_preprocessing(request.weights) or not any(map(declared_preprocessing, backbones)):
        return []
    return [
        f"{request.weights} does not say which mean and deviation it was trained with, nor does a "
        "config.json beside it: those of the data set are taken; --preprocessing names others "
        "(imagenet, inception, clip, [mean=…,std=…])"
    ]
