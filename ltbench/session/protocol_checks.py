"""Whether the settings of a protocol go together, with the algorithm and with the backbone."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from ltbench.errors import UsageError
from ltbench.models.adaptation.adapted import FULL, HEAD, adapted
from ltbench.models.catalogue import build_backbone, without_drop_path
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.backbone_options import BackboneOptions, checked_options
from ltbench.plugins.honours import check_honoured
from ltbench.plugins.hparams import HParams
from ltbench.plugins.names import Name, format_value, parse_name
from ltbench.plugins.resolve import resolve
from ltbench.results.protocol import Protocol
from ltbench.session.augmentations import mixing_augmentation

_ABSENT = {"fused": "apex", "bnb": "bitsandbytes"}
"""How names of timm's optimisers begin that are another package's."""

_UNFIT = {
    "adahessian": "needs second derivatives, which a step does not compute",
}
"""Optimisers that a run cannot use, with the reason."""


def check_settings(protocol: Protocol) -> None:
    """Check that the settings of a protocol go together.

    Raises:
        UsageError: they do not.
    """
    _check_schedule(protocol)
    _check_evaluations(protocol)
    _check_head_steps(protocol)
    _check_optimizer(protocol.optimizer)


def check_wishes(
    protocol: Protocol, every: Sequence[tuple[str, Any]], precision: str = "fp32"
) -> None:
    """Check that an algorithm, its stages and what they name honour what a protocol asks of them.

    Args:
        protocol: what may ask for smooth or mixed labels, or for gradients gathered over batches.
        every: their names and classes, as :func:`with_named` yields them.
        precision: of the run; with ``fp16`` losses are scaled.

    Raises:
        UsageError: one does not.
    """
    for wish, none in (("label_smoothing", 0), ("accumulate", 1)):
        if (value := getattr(protocol, wish)) != none:
            check_honoured(wish, f"{wish}={format_value(value)}", every)
    if protocol.head_steps:  # of the algorithm's training; stages have none
        check_honoured("head_steps", f"head_steps={protocol.head_steps}", every[:1])
    if precision == "fp16":
        check_honoured("fp16", "--precision fp16", every)
    if name := mixing_augmentation(protocol.augmentation):
        check_honoured("mixed_labels", f"augmentation={name}", every)


def with_named(name: str, cls: type[Algorithm], hparams: HParams) -> Iterator[tuple[str, Any]]:
    """Yield the name and the class of an algorithm, and of those that its hyper-parameters name."""
    yield name, cls
    for key, bounds in type(hparams).bounds().items():
        if bounds.names == "algorithms" and (text := str(getattr(hparams, key))):
            inner = parse_name(text)
            yield from with_named(inner.name, *resolve("algorithms", inner.name, inner.options))


def check_on_backbone(
    protocol: Protocol, backbone: Name, image_shape: tuple[int, int, int], classes: int
) -> None:
    """Check that a backbone has the layers or paths that a protocol speaks of, and can be adapted.

    It is built for that, without pretrained weights, where protocol or options speak of such.

    Args:
        protocol: the settings.
        backbone: with its options.
        image_shape: channels, height and width of an image.
        classes: of the data set.

    Raises:
        UsageError: it has not.
    """
    name, options = backbone.name, checked_options(backbone.options, backbone.name)
    _check_trained(protocol, str(backbone), options.adapt)
    if protocol.drop_path or protocol.layer_decay != 1:
        _check_built(name, image_shape, bool(protocol.drop_path), protocol.layer_decay != 1)
    if options.adapt != FULL:
        _check_adapted(name, options, image_shape, classes)


def _check_trained(protocol: Protocol, backbone: str, adapt: str) -> None:
    """Check that a protocol sets nothing of what a backbone does not train."""
    if adapt != FULL and protocol.drop_path:
        raise UsageError(
            f"drop_path={protocol.drop_path:g} drops paths of a network in training, and "
            f"{backbone} keeps it in evaluation mode: leave out drop_path, or adapt"
        )
    for key in ("layer_decay", "backbone_lr"):
        if adapt == HEAD and (value := getattr(protocol, key)) != 1:
            raise UsageError(
                f"{key}={value:g} is about the layers of a network, and {backbone} trains none of "
                f"them: leave out {key}, or choose another adapt"
            )


@lru_cache(maxsize=16)
def _check_adapted(
    name: str, options: BackboneOptions, image_shape: tuple[int, int, int], classes: int
) -> None:
    adapted(build_backbone(name, image_shape, False), options, name, classes)


@lru_cache(maxsize=16)
def _check_built(name: str, image_shape: tuple[int, int, int], drops: bool, decays: bool) -> None:
    from timm.layers import DropPath

    from ltbench.training.layers import networks

    try:
        backbone = build_backbone(name, image_shape, False, 0.1 if drops else 0.0)
    except UsageError:
        build_backbone(name, image_shape, False)  # says so itself where that is not the reason
        raise UsageError(without_drop_path(name)) from None
    paths = (m for m in backbone.modules() if isinstance(m, DropPath))
    if drops and not any(path.drop_prob for path in paths):
        raise UsageError(without_drop_path(name))
    if decays and not any(True for _ in networks(backbone)):
        raise UsageError(
            f"backbone '{name}' does not say which layer is below which: leave out layer_decay, or "
            "choose a model of timm"
        )


def _check_schedule(protocol: Protocol) -> None:
    schedule = protocol.schedule
    if schedule == "step" and not protocol.decay_at:
        raise UsageError(
            "schedule=step has no steps: say at which shares of the training the rate drops, "
            "decay_at=[0.6,0.8]"
        )
    for share in protocol.decay_at:
        if not 0 <= share < 1:
            raise UsageError(
                f"decay_at={format_value(share)} lies outside of the training: it is a share of "
                "the steps, from 0 to below 1"
            )
    if protocol.warmup == 1 and schedule != "constant":
        raise UsageError(
            f"warmup=1 leaves no steps to schedule={schedule}: give a share of the steps below 1"
        )


def _check_evaluations(protocol: Protocol) -> None:
    last = protocol.select == "last"
    if protocol.patience and last:
        raise UsageError(
            "patience waits for a better validation score, and select=last looks at none: leave "
            "one of them out"
        )
    if protocol.schedule == "plateau" and last:
        raise UsageError(
            "schedule=plateau waits for a better validation score, and select=last looks at none: "
            "choose another of them"
        )
    if protocol.evaluations > protocol.steps:
        raise UsageError(
            f"evaluations={protocol.evaluations} are more than the {protocol.steps} steps of "
            "training: ask for fewer"
        )


def _check_head_steps(protocol: Protocol) -> None:
    if protocol.head_steps >= protocol.steps and protocol.head_steps:
        raise UsageError(
            f"head_steps={protocol.head_steps} leave none of the {protocol.steps} steps of "
            "training for the whole network: ask for fewer"
        )


def _check_optimizer(name: str) -> None:
    if name in _UNFIT:
        raise UsageError(f"optimizer={name} {_UNFIT[name]}: choose another one")
    for start, package in _ABSENT.items():
        if name.startswith(start) and importlib.util.find_spec(package) is None:
            raise UsageError(
                f"optimizer={name} is of the package '{package}', which is not installed: install "
                "it, or choose another optimiser"
            )
