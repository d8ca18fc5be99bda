"""From what a user typed to the specifications of runs, everything checked and resolved."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ltbench.data.catalogue import open_dataset
from ltbench.errors import DataError, PluginError, UsageError
from ltbench.models.catalogue import check_backbone
from ltbench.models.weights import file_sha256
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_chains, parse_names
from ltbench.plugins.registry import Entry
from ltbench.plugins.split import Split
from ltbench.results.protocol import Protocol, epochs_to_steps, protocol_settings
from ltbench.results.run import BackboneSpec, Component, RunSpec
from ltbench.training.used import used_plugins


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        algos: comma lists of ``algorithm[+stage…]`` names.
        datasets: comma lists of data set names.
        seeds: the seeds.
        precision: ``fp32`` or ``bf16``.
        data_dir: the folder of the data sets' files.
        overrides: settings of the protocol that were given.
        protocol: name of a protocol, or ``None`` for the data set's first.
        backbone: name of a backbone, or ``None`` for the protocol's.
        pretrained: whether to start from pretrained weights, or ``None`` as the protocol says.
        weights: local checkpoint for the backbone.
    """

    algos: Sequence[str]
    datasets: Sequence[str]
    seeds: Sequence[int]
    precision: str
    data_dir: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    protocol: str | None = None
    backbone: str | None = None
    pretrained: bool | None = None
    weights: Path | None = None


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep and the data sets that they use, ready.

    Attributes:
        specs: the runs.
        datasets: what they use.
        left_out: one sentence per plugin that cannot be imported, whose runs are not in ``specs``.
    """

    specs: tuple[RunSpec, ...]
    datasets: tuple[tuple[Dataset, Split], ...]
    left_out: tuple[str, ...] = ()


Settle = Callable[[RunSpec, Sequence[Name]], RunSpec]
"""Takes a run with the names that were typed for it, and returns the run to be made instead."""


def plan_runs(request: Request, settle: Settle = lambda spec, _: spec) -> Plan:
    """Resolve a request: seeds are the inner loop's, algorithms the outer's.

    Args:
        request: what was asked for.
        settle: given each run of the first seed before its seeds are multiplied.

    Raises:
        UsageError: a name, value, file or combination is not possible.
        DataError: a data set is missing or broken.
        PluginError: no algorithm that was asked for can be imported.
    """
    chains = [chain for text in request.algos for chain in parse_chains(text)]
    names = [name for text in request.datasets for name in parse_names(text)]
    settings = [_open(request, name) for name in names]
    specs: dict[tuple[str, str, int], RunSpec] = {}
    broken: dict[str, PluginError] = {}
    for setting, chain in itertools.product(settings, chains):
        try:
            whole = _on_algorithm(chain)
            first = settle(_spec(request, setting, whole, request.seeds[0]), whole)
        except PluginError as error:  # spoils its own runs alone
            broken.setdefault(str(error), error)
            continue
        for seed in request.seeds:
            specs.setdefault((first.dataset.name, first.hash, seed), replace(first, seed=seed))
    if broken and not specs:
        raise next(iter(broken.values()))
    return Plan(tuple(specs.values()), tuple((s.dataset, s.split) for s in settings), tuple(broken))


@dataclass(frozen=True)
class _Setting:
    """What all runs on one data set share, found once however many they are."""

    dataset: Dataset
    split: Split
    facts: Facts
    component: Component
    protocol: Protocol
    backbone: BackboneSpec
    data: dict[str, Any]
    trained: int  # domains with training images


def _open(request: Request, name: Name) -> _Setting:
    dataset, split = open_dataset(name, request.data_dir)
    facts = dataset.facts
    return _Setting(
        dataset,
        split,
        facts,
        Component(dataset.name, dataset.hparams.as_dict()),
        *_protocol(request, facts, split),
        describe(facts, split),
        int((split.counts("train").sum(axis=1) > 0).sum()),
    )


def _spec(request: Request, setting: _Setting, chain: list[Name], seed: int) -> RunSpec:
    _check_domains(get_plugins()["algorithms"].get(chain[0].name), setting)
    blank = RunSpec(
        algorithm=Component(chain[0].name),
        stages=(),
        dataset=setting.component,
        split=setting.split.sha256,
        protocol=setting.protocol,
        backbone=setting.backbone,
        precision=request.precision,
        seed=seed,
        method="",
        data=setting.data,
    )
    return with_algorithm(blank, chain)


def with_algorithm(spec: RunSpec, chain: Sequence[Name]) -> RunSpec:
    """Return the run of another algorithm, or of other hyper-parameters, in the same setting.

    Args:
        spec: the run.
        chain: the algorithm and its stages, with the options that differ from their defaults.

    Raises:
        UsageError: a name or an option is not possible.
    """
    plugins = get_plugins()
    kinds = ["algorithms", *("stages" for _ in chain[1:])]
    resolved: list[HParams] = [
        plugins[kind].get(name.name).load().HParams.from_options(name.options, name.name)
        for kind, name in zip(kinds, chain, strict=True)
    ]
    components = [
        Component(name.name, hparams.as_dict())
        for name, hparams in zip(chain, resolved, strict=True)
    ]
    used = [*zip(kinds, components, strict=True), ("datasets", spec.dataset)]
    return replace(
        spec,
        algorithm=components[0],
        stages=tuple(components[1:]),
        method="+".join(_typed(n.name, h) for n, h in zip(chain, resolved, strict=True)),
        plugins=used_plugins(used, spec.backbone.name),
    )


def describe(facts: Facts, split: Split) -> dict[str, Any]:
    """Return what reports need to know of a data set."""
    return {
        "title": facts.title,
        "domains": list(facts.domains),
        "classes": list(facts.classes),
        "shots": {"many": facts.many, "few": facts.few},
        "counts": {part: split.counts(part).tolist() for part in ("train", "val", "test")},
    }


def _on_algorithm(chain: list[Name]) -> list[Name]:
    """Put the algorithm that a stage alone stands on before it."""
    plugins = get_plugins()
    first = chain[0].name
    if first in plugins["algorithms"] or first not in plugins["stages"]:
        return chain
    base = plugins["stages"].get(first).load().default_base
    if base is None:
        raise UsageError(f"'{first}' is a stage: write ALGORITHM+{first}")
    return [Name(base), *chain]


def _check_domains(entry: Entry, setting: _Setting) -> None:
    needed = entry.load().min_domains
    if setting.trained < needed:
        raise UsageError(
            f"'{entry.name}' needs at least {needed} domains with training images and "
            f"'{setting.facts.name}' has {setting.trained}: choose another algorithm or data set"
        )


def _protocol(request: Request, facts: Facts, split: Split) -> tuple[Protocol, BackboneSpec]:
    settings = protocol_settings(facts, request.protocol)
    by_default = bool(settings.pop("pretrained", False)) and request.weights is None
    pretrained = by_default if request.pretrained is None else request.pretrained
    if not pretrained and request.weights is None:
        settings["freeze_bn"] = False  # statistics that nobody has estimated are not worth keeping
    settings.update(request.overrides)
    train = split.rows("train")
    settings = epochs_to_steps(settings, len(train), len(set(split.d[train].tolist())))
    backbone = str(request.backbone or settings["backbone"])
    check_backbone(backbone)
    settings.pop("backbone")
    weights = file_sha256(request.weights) if request.weights else None
    protocol = Protocol.from_options(settings, "protocol")
    if protocol.select != "last" and not len(split.rows("val")):
        raise DataError(
            f"data set '{facts.name}' has no validation images to choose a model by: use "
            "--select last, or a parameter or protocol of the data set that sets some aside"
        )
    return protocol, BackboneSpec(backbone, pretrained, weights)


def _typed(name: str, hparams: HParams) -> str:
    return str(Name(name, hparams.changed()))
