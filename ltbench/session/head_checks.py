"""Whether algorithms can have the classifier that a backbone's options ask for, and its start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ltbench.errors import UsageError
from ltbench.models.synsets import named
from ltbench.models.text_tower import TextTower, check_package, find_text_tower
from ltbench.plugins.class_texts import check_names
from ltbench.plugins.facts import Facts
from ltbench.plugins.head import Head
from ltbench.plugins.honours import check_honoured
from ltbench.plugins.hparams import HParams
from ltbench.plugins.resolve import resolve_written
from ltbench.plugins.split import Split
from ltbench.results.run import RunSpec
from ltbench.training.model import ModelBuilder


def check_head(
    spec: RunSpec,
    parts: Sequence[tuple[str, tuple[Any, HParams]]],
    every: Iterable[tuple[str, Any]],
) -> None:
    """Check that a method goes with the options of its backbone that are not the network's.

    Args:
        spec: of the run, which need not have an algorithm yet.
        parts: name, class and hyper-parameters of the algorithm and each stage.
        every: names and classes of all parts, and of what they name.

    Raises:
        UsageError: an algorithm has a classifier of its own, or no part trains anything that could
            be adapted, or there are no texts for one that needs them.
    """
    head = Head.of(spec.backbone.chosen)
    name, (cls, _) = parts[0]
    if head.asked:
        check_honoured("head", head.asked, every)
    adapt = spec.backbone.chosen.adapt
    if adapt not in ("full", "head") and not _trains_network(spec.protocol.steps, parts):
        method = "+".join(name for name, _ in parts)
        raise UsageError(
            f"'{method}' trains nothing of the network, so that adapt={adapt} changes nothing: "
            "leave it out, or choose another algorithm"
        )
    for asked in _asking(head, name, cls):
        check_package(asked)
        check_names(spec.data["classes"], asked, spec.dataset.name)
        named(spec.data["classes"])
        _tower(spec, asked)


def _trains_network(steps: int, parts: Sequence[tuple[str, tuple[Any, HParams]]]) -> bool:
    """Return whether the algorithm or a stage of a method trains the network under it.

    Args:
        steps: of the protocol.
        parts: as for :func:`check_head`.
    """
    algorithm, *stages = (part for _, part in parts)
    unfrozen = [algorithm, *(part for part in stages if not part[0].frozen)]
    return any(cls.steps(steps, hparams) > 0 for cls, hparams in unfrozen)


def needed_tower(spec: RunSpec) -> TextTower | None:
    """Return the text tower that a run asks, or ``None`` where it needs none.

    Raises:
        UsageError: there is none.
    """
    name = spec.algorithm.name
    cls, _ = resolve_written("algorithms", name, spec.algorithm.hparams)
    asking = _asking(Head.of(spec.backbone.chosen), name, cls)
    return _tower(spec, asking[0]) if asking else None


def check_classifier(spec: RunSpec, facts: Facts, split: Split) -> None:
    """Check that the model of a run gets the classifier that its backbone's options ask for.

    An algorithm that says nothing of a classifier of its own is found out by building it, without
    weights, where the options ask for one.

    Args:
        spec: of the run.
        facts: of its data set, with the image size of the protocol.
        split: of its data set.

    Raises:
        UsageError: it has another one.
    """
    if Head.of(spec.backbone.chosen).asked:
        blank = replace(spec, backbone=replace(spec.backbone, pretrained=False, weights=None))
        ModelBuilder(blank, facts, split, torch.device("cpu")).algorithm()


def _asking(head: Head, name: str, cls: Any) -> list[str]:
    """Return what needs a text tower, as it is called in a sentence."""
    return [*(["init=text"] if head.init == "text" else []), *([f"'{name}'"] * cls.needs_texts)]


def _tower(spec: RunSpec, asked: str) -> TextTower:
    weights = Path(spec.weights_file) if spec.weights_file else None
    return _found(spec.backbone.name, spec.backbone.pretrained, weights, asked)


@lru_cache(maxsize=64)
def _found(name: str, pretrained: bool, weights: Path | None, asked: str) -> TextTower:
    return find_text_tower(name, pretrained, weights, asked)
