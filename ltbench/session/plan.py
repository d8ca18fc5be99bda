"""From what was asked for to the specifications of runs, everything checked and resolved."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ltbench.data.catalogue import Known, dataset_names, open_dataset
from ltbench.data.content import content_sha256
from ltbench.errors import DataError, PluginError, UsageError
from ltbench.models.catalogue import known_backbone
from ltbench.plugins.backbone_options import parse_backbones
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import LARGEST_WHOLE
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import MOST_NAMES, Name, format_value, parse_chains
from ltbench.plugins.resolve import earlier, registered
from ltbench.plugins.split import Split
from ltbench.results.backbone import BackboneSpec, preprocessing_text
from ltbench.results.component import Component
from ltbench.results.protocol import Protocol, epochs_to_steps
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.session.augmentations import planned_augmentation
from ltbench.session.backbone import backbone_spec, is_pretrained, silent_weights
from ltbench.session.methods import methods_of
from ltbench.session.parts import components_in, named_parts, resolved_parts
from ltbench.session.progress import reading_bar
from ltbench.session.protocol_checks import check_on_backbone, check_settings
from ltbench.session.protocols import (
    check_alternatives,
    meanings,
    merged,
    protocol_of,
    typed_protocols,
    with_chains,
)
from ltbench.training.plugin_versions import versions_here

_MOST_APART = 3  # settings by which runs of several protocols are told apart


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        algos: comma lists of ``algorithm[+stage…]`` names.
        datasets: comma lists of data set names.
        seeds: the seeds.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        data_dir: the folder of the data sets' files.
        overrides: settings of the protocols that were given beside them.
        starts: settings from which a search starts, in place of the protocols' own.
        protocol: protocols as :func:`ltbench.session.protocols.asked_protocols` reads them, or
            ``None`` for the data set's first.
        protocol_in_file: whether it stands in a sweep file, which what is typed wins over.
        backbone: names of backbones, as :func:`ltbench.plugins.backbone_options.parse_backbones`
            reads them, or ``None`` for the protocol's.
        pretrained: whether to start from pretrained weights, or ``None`` as the protocol says.
        weights: local checkpoint for the backbone.
        preprocessing: as :func:`ltbench.session.preprocessing.asked_preprocessing` reads it, or
            ``None`` for that of the weights.
    """

    algos: Sequence[str]
    datasets: Sequence[str]
    seeds: Sequence[int]
    precision: str
    data_dir: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    starts: Mapping[str, Any] = field(default_factory=dict)
    protocol: str | None = None
    protocol_in_file: bool = False
    backbone: str | None = None
    pretrained: bool | None = None
    weights: Path | None = None
    preprocessing: str | None = None


@dataclass(frozen=True)
class PlannedMethod:
    """An algorithm with its stages on one data set: what seeds multiply, and what can be tuned.

    Attributes:
        spec: its run at the first seed, with what was typed and the defaults.
        chain: the algorithm and its stages with the options that were typed.
        fixed_settings: the settings of the protocol that were typed, which no search varies.
    """

    spec: RunSpec
    chain: tuple[Name, ...]
    fixed_settings: frozenset[str] = frozenset()

    @property
    def typed(self) -> str:
        """The algorithm with its stages as typed."""
        return "+".join(map(str, self.chain))

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return f"{self.typed} on {self.spec.dataset_name}"

    @property
    def fixed(self) -> dict[str, Any]:
        """The hyper-parameters that were typed, as the run has them.

        Not those typed as they were before they could be, for studies of then say nothing of them.
        """
        return {
            f"{owner}.{key}": component.hparams.get(key, typed)
            for owner, name, component, before in self._parts()
            for key, typed in name.options.items()
            if key in component.hparams or key not in before
        }

    def _parts(self) -> Iterable[tuple[str, Name, Component, Mapping[str, Any]]]:
        """Yield all that the method is made of: what its hyper-parameters are told by, as it was
        typed, as the run has it, and what earlier runs had."""
        components = components_in(self.spec.parts)
        for (kind, owner, name), one in zip(named_parts(self.chain), components, strict=True):
            yield owner, name, one, earlier(kind, name.name)

    def tuning_task(self) -> dict[str, Any]:
        """Return what the outcome of tuning depends on, besides the search and its budget."""
        names = [name.name for _, _, name in named_parts(self.chain)]
        own = {name: self.spec.methods.named.get(name) for name in names}
        own = {name: settings for name, settings in own.items() if settings}
        newer = {
            f"{owner}.{key}": component.hparams[key]
            for owner, name, component, before in self._parts()
            for key in before
            if key in component.hparams and key not in name.options
        }
        return {
            "algorithm": [part.title for part in self.spec.parts],
            **({"methods": own} if own else {}),
            **({"defaults": newer} if newer else {}),
            "fixed": self.fixed,
            "plugins": self.spec.plugins,
            **({"memory_format": self.spec.memory_format} if self.spec.memory_format else {}),
            **self.spec.setting(),
        }

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that stand for :meth:`tuning_task`."""
        return canonical_hash(self.tuning_task())


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep and what they need, ready.

    Attributes:
        specs: the runs.
        datasets: what they use.
        data_dir: the folder of the data sets' files.
        weights: local checkpoint that all backbones start from, or ``None``.
        out: the folder of the runs.
        methods: what the runs were made of by seeds; empty where they were not.
        left_out: one sentence per plugin that cannot be imported, whose runs are not in ``specs``.
        sweep_size: runs of the whole sweep, where these are only a part of it.
        remarks: sentences on what was taken for granted.
    """

    specs: tuple[RunSpec, ...]
    datasets: tuple[tuple[Dataset, Split], ...]
    data_dir: Path
    weights: Path | None = None
    out: Path = Path("runs")
    methods: tuple[PlannedMethod, ...] = ()
    left_out: tuple[str, ...] = ()
    sweep_size: int | None = None
    remarks: tuple[str, ...] = ()


def plan_runs(request: Request, *, show: bool = False) -> Plan:
    """Resolve a request: seeds are the inner loop's, algorithms the outer's.

    Args:
        request: what was asked for.
        show: a bar, on standard error, while the files of images are read.

    Raises:
        UsageError: a name, value, file or combination is not possible.
        DataError: a data set is missing or broken.
        PluginError: no algorithm that was asked for can be imported.
    """
    chains = [chain for text in request.algos for chain in parse_chains(text)]
    known: Known = {}
    names = [n for text in request.datasets for n in dataset_names(text, request.data_dir, known)]
    typed = typed_protocols(request.protocol)
    asked = [name for name, _ in typed]
    requests = _each_backbone(request)
    _check_size(len(chains) * len(names) * len(asked) * len(requests), request.seeds)
    _check_overrides(request, asked)
    datasets = [open_dataset(name, request.data_dir, known) for name in names]
    blanks, fixed = [], []
    for dataset, split in datasets:
        images = _content(dataset, split, show=show)
        for (one, settings), each in itertools.product(typed, requests):
            blanks.append(replace(_blank(each, dataset, split, one), images=images))
            fixed.append(settings.union(request.overrides))
    blanks = [replace(blank, apart=_apart(blank, blanks)) for blank in blanks]
    methods: dict[str, PlannedMethod] = {}
    broken: dict[str, PluginError] = {}
    for (blank, settings), chain in itertools.product(zip(blanks, fixed, strict=True), chains):
        try:
            whole = _on_algorithm(chain)
            _check_domains(whole[0], blank)
            method = PlannedMethod(with_algorithm(blank, whole), tuple(whole), settings)
        except PluginError as error:  # spoils its own runs alone
            broken.setdefault(str(error), error)
            continue
        methods.setdefault(method.hash, method)
    if broken and not methods:
        raise next(iter(broken.values()))
    return Plan(
        at_seeds((method.spec for method in methods.values()), request.seeds),
        tuple(datasets),
        request.data_dir,
        request.weights,
        methods=tuple(methods.values()),
        left_out=tuple(broken),
        remarks=tuple(silent_weights(request, {blank.backbone.name for blank in blanks})),
    )


def _each_backbone(request: Request) -> list[Request]:
    """Return a request for each backbone that was asked for."""
    if request.backbone is None:
        return [request]
    return [replace(request, backbone=str(one)) for one in parse_backbones(request.backbone)]


def _image_shape(facts: Facts) -> tuple[int, int, int]:
    return facts.channels, facts.size, facts.size


def _check_size(methods: int, seeds: Sequence[int]) -> None:
    """Check that the runs can be written down, before any of them is.

    Raises:
        UsageError: they are too many, or a seed has more than 64 bits.
    """
    if methods * len(seeds) > MOST_NAMES:
        raise UsageError(
            f"{methods:,} methods, data sets and protocols with {len(seeds):,} seeds are "
            f"{methods * len(seeds):,} runs: ask for {MOST_NAMES:,} at most"
        )
    for seed in seeds:
        if not 0 <= seed <= LARGEST_WHOLE:
            raise UsageError(f"seed {seed} is not a number from 0 of at most 64 bits")


def at_seeds(specs: Iterable[RunSpec], seeds: Sequence[int]) -> tuple[RunSpec, ...]:
    """Return runs at several seeds, those that are the same once."""
    runs = {(spec.dataset.name, spec.hash): spec for spec in specs}.values()
    return tuple(replace(spec, seed=seed) for spec in runs for seed in seeds)


def with_algorithm(spec: RunSpec, chain: Sequence[Name]) -> RunSpec:
    """Return the run of another algorithm, or of other hyper-parameters, in the same setting.

    Args:
        spec: the run.
        chain: the algorithm and its stages, with the options that differ from their defaults, or
            from what the protocol sets in their place.

    Raises:
        UsageError: a name or an option is not possible.
    """
    (first, *stages), method = resolved_parts(spec, chain)
    spec = replace(spec, algorithm=first, stages=tuple(stages), method=method)
    return replace(spec, plugins=versions_here(spec))


def _blank(request: Request, dataset: Dataset, split: Split, asked: Name | None) -> RunSpec:
    """Return what all runs on one data set under one protocol share: a run without an algorithm."""
    facts, parameters, places = dataset.facts, dataset.hparams.as_dict(), dataset.hparams.places()
    protocol, backbone = _protocol(request, facts, split, asked)
    origin = dataset.split_origin(split)
    return RunSpec(
        algorithm=Component(""),
        stages=(),
        dataset=Component(dataset.name, {k: v for k, v in parameters.items() if k not in places}),
        split=split.sha256,
        places=places,
        protocol=protocol,
        backbone=backbone,
        precision=request.precision,
        weights_file=str(request.weights or ""),
        seed=request.seeds[0],
        method="",
        methods=methods_of(facts, split, asked, protocol),
        data={  # what reports need to know
            "title": facts.title,
            "domains": list(facts.domains),
            "classes": list(facts.classes),
            "shots": facts.shots.as_dict(),
            **({"split": origin.words} if origin else {}),
            "counts": {part: split.counts(part).tolist() for part in ("train", "val", "test")},
            **_kept_from_training(split),
            "image": {"size": facts.size, "channels": facts.channels},
            "preprocessing": backbone.whole(facts, protocol),
        },
    )


def _kept_from_training(split: Split) -> dict[str, Any]:
    """Return what ``data`` says beside its counts where domains are kept from training."""
    if not split.held_out:
        return {}
    return {"shot_counts": split.shot_counts().tolist(), "held_out": split.held_out}


def _apart(blank: RunSpec, blanks: Sequence[RunSpec]) -> str:
    """Return the settings in which protocols of one sweep differ, where it has several."""
    alike = [other for other in blanks if other.dataset == blank.dataset]
    settings = [_whole_setting(other) for other in alike]
    own = _whole_setting(blank)
    keys = [key for key in own if any(one.get(key) != own[key] for one in settings)]
    return "".join(f", {key} {format_value(own[key])}" for key in keys[:_MOST_APART])


def _whole_setting(blank: RunSpec) -> dict[str, Any]:
    text = preprocessing_text(blank.backbone.preprocessing)
    return {**vars(blank.backbone), "preprocessing": text, **blank.protocol.as_dict()}


def _content(dataset: Dataset, split: Split, *, show: bool) -> str:
    if not show:
        return content_sha256(dataset, split)
    with reading_bar(dataset.name) as progress:
        return content_sha256(dataset, split, progress)


def _on_algorithm(chain: list[Name]) -> list[Name]:
    """Put the algorithm that a stage alone stands on before it; spell all as registered."""
    plugins = get_plugins()
    start, *stages = chain
    chain = [
        registered(start, "algorithms", "stages"),
        *(registered(stage, "stages") for stage in stages),
    ]
    first = chain[0].name
    if first in plugins["algorithms"] or first not in plugins["stages"]:
        return chain
    base = plugins["stages"].get(first).load().default_base
    if base is None:
        raise UsageError(f"'{first}' is a stage: write ALGORITHM+{first}")
    return [Name(base), *chain]


def _check_domains(algorithm: Name, blank: RunSpec) -> None:
    needed = get_plugins()["algorithms"].get(algorithm.name).load().min_domains
    trained = sum(any(counts) for counts in blank.data["counts"]["train"])
    if trained < needed:
        raise UsageError(
            f"'{algorithm.name}' needs at least {needed} domains with training images and "
            f"'{blank.dataset_name}' has {trained}: choose another algorithm or data set"
        )


def _check_overrides(request: Request, asked: Sequence[Name | None]) -> None:
    """Check that nothing is given twice, in brackets or by options of its own."""
    check_alternatives(request.overrides, "the options")
    options = {**request.overrides, "backbone": request.backbone, "pretrained": request.pretrained}
    given = meanings({key: value for key, value in options.items() if value is not None})
    for protocol in asked if not request.protocol_in_file else ():
        if protocol and (twice := given & meanings(protocol.options)):
            raise UsageError(
                f"--protocol and an option both give '{min(twice)}': leave one of them out"
            )


def _protocol(
    request: Request, facts: Facts, split: Split, asked: Name | None
) -> tuple[Protocol, BackboneSpec]:
    settings = protocol_of(facts, asked)
    pretrained = is_pretrained(request, settings, asked)
    settings.pop("pretrained", None)
    chosen = asked is not None and "freeze_bn" in asked.options
    if not pretrained and request.weights is None and not chosen:
        settings["freeze_bn"] = False  # statistics that nobody has estimated are not worth keeping
    settings = merged(settings, {**request.overrides, **request.starts})
    train = split.rows("train")
    settings = epochs_to_steps(settings, len(train), len(set(split.d[train].tolist())))
    backbone = known_backbone(str(request.backbone or settings["backbone"]))
    settings.pop("backbone")
    protocol = Protocol.from_options(with_chains(settings), "protocol")
    augmentation = planned_augmentation(protocol.augmentation, facts)
    protocol = replace(protocol, augmentation=augmentation)
    check_settings(protocol)
    check_on_backbone(protocol, backbone, _image_shape(protocol.sized(facts)), len(facts.classes))
    if protocol.select != "last" and not len(split.rows("val")):
        raise DataError(
            f"data set '{facts.name}' has no validation images to choose a model by: use "
            "--select last, or a parameter or protocol of the data set that sets some aside"
        )
    return protocol, backbone_spec(request, backbone, pretrained, facts, protocol)
