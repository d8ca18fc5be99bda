"""What a run is: its specification, which makes it the run it is, and what is known of it.

:class:`RunSpec` is what is asked for: written to ``spec.json``, hashed, carried out.
:class:`RunRecord` is what one look at a run's folder tells: what was asked, how it stands and what
came out. Folders may come from anywhere, so a record is judged field by field: names lose control
characters (no escape sequences reach a terminal), numbers that are not finite become missing, and
whatever does not fit makes the run ``unreadable`` with one sentence of why.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ltbench.plugins.names import Name
from ltbench.plugins.unseen_options import OPTIONS
from ltbench.results.arithmetic import known_format
from ltbench.results.backbone import BackboneSpec
from ltbench.results.component import Component
from ltbench.results.labels import method_label, method_of
from ltbench.results.method_settings import MethodSettings
from ltbench.results.protocol import Protocol
from ltbench.results.tuned import before_tuning, with_found
from ltbench.results.untrusted import (
    clean,
)

if TYPE_CHECKING:
    from ltbench.results.holders import Holder
    from ltbench.results.states import Progress
    from ltbench.results.sweeps import SweepRecord

Status = Literal[
    "done", "running", "waiting", "broken-off", "failed", "diverged", "unreadable", "unfinished"
]
FORMAT = 1


@dataclass(frozen=True)
class RunSpec:
    """One run: identity, seed, and what tables need to name it.

    Attributes:
        algorithm: the algorithm with its hyper-parameters.
        stages: the stages after it, in order.
        dataset: the data set with its parameters, paths excepted.
        split: SHA-256 of its split table.
        images: SHA-256 of the files of its images, empty where they come with its code.
        protocol: the training settings.
        backbone: the network.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        plugins: versions of the distributions, other than ltbench, whose plugins the run uses;
            for a plugin that is a file its name and the hash of its content.
        seed: the run's seed.
        method: the algorithm with its stages and the hyper-parameters that are not the defaults,
            as a user types it: ``boda[weight=0.5]+crt``.
        places: parameters of the data set that say where its files lie, as typed.
        weights_file: where the local checkpoint lies, as typed, if there is one.
        data: title, names, shot thresholds and counts of the data set, and all that its images
            pass through (``preprocessing``), for reports.
        tuned: how it was tuned, if it was, as :mod:`ltbench.results.tuned` describes it. A score
            that was tuned for is not one that was not.
        apart: what tells it from runs of other protocols of its sweep, ", lr 0.002", or nothing; no
            part of ``spec.json``.
        methods: what its protocol sets in the place of methods' defaults; no part of it either.
        memory_format: of :mod:`ltbench.results.arithmetic`; empty for the usual one of its device.
    """

    algorithm: Component
    stages: tuple[Component, ...]
    dataset: Component
    split: str
    protocol: Protocol
    backbone: BackboneSpec
    precision: str
    seed: int
    method: str
    images: str = ""
    plugins: dict[str, str] = field(default_factory=dict)
    places: dict[str, Any] = field(default_factory=dict)
    weights_file: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    tuned: dict[str, Any] | None = None
    apart: str = ""
    methods: MethodSettings = field(default_factory=MethodSettings, compare=False)
    memory_format: str = ""

    @property
    def dataset_options(self) -> dict[str, Any]:
        """All parameters of the data set, by which it can be opened."""
        return self.dataset.hparams | self.places

    @property
    def dataset_name(self) -> str:
        """The data set with its unseen domains, for sentences: ``pacs-mlt[unseen=photo]``."""
        unseen = {key: value for key, value in self.dataset.hparams.items() if key in OPTIONS}
        return str(Name(self.dataset.name, unseen))

    @property
    def algo(self) -> str:
        """The algorithm with its stages and modifiers, for example ``boda@ema+crt``."""
        return "+".join(part.title for part in self.parts)

    @property
    def parts(self) -> tuple[Component, ...]:
        """The algorithm and its stages."""
        return (self.algorithm, *self.stages)

    @property
    def label(self) -> str:
        """The method as people read it, with the budget of its tuning if it was tuned."""
        return method_label(self.method, self.tuning)

    @property
    def tuning(self) -> dict[str, Any]:
        """``tuned`` with the settings of the protocol that tuning ``found``; empty without it."""
        return with_found(self.tuned, self.protocol.as_dict()) if self.tuned else {}

    def protocol_before(self) -> Protocol:
        """Return the protocol before tuning.

        Raises:
            UsageError: ``tuned`` tells of settings that are not possible.
        """
        before = before_tuning(self.tuned or {})
        return Protocol.from_options({**self.protocol.as_dict(), **before}, "protocol")

    def shared_setting(self) -> dict[str, Any]:
        """Return what all rows of a table share: the setting, with the protocol before tuning.

        Raises:
            UsageError: ``tuned`` tells of settings that are not possible.
        """
        return replace(self, protocol=self.protocol_before()).setting()

    def setting(self) -> dict[str, Any]:
        """Return the part of the identity that tells data, protocol, network and precision."""
        return {
            "dataset": {
                "name": self.dataset.name,
                "options": self.dataset.hparams,
                "split": self.split,
                **({"images": self.images} if self.images else {}),
            },
            "protocol": self.protocol.as_dict(),
            "backbone": self.backbone.as_dict(),
            "precision": self.precision,
        }

    def identity(self) -> dict[str, Any]:
        """Return what makes this run the run it is, except for its seed."""
        identity = {
            "algorithm": self.algorithm.as_dict(),
            "stages": [stage.as_dict() for stage in self.stages],
            **self.setting(),
        }
        further = ("plugins", "tuned", "memory_format")
        return identity | {name: value for name in further if (value := getattr(self, name))}

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits of the identity's SHA-256."""
        return canonical_hash(self.identity())

    def folder(self, root: Path) -> Path:
        """Return the run's folder below ``root``."""
        return root.joinpath(self.dataset.name, self.algo, self.hash, f"seed-{self.seed}")

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``spec.json``."""
        return {
            "format": FORMAT,
            "hash": self.hash,
            "protocol_hash": canonical_hash(self.shared_setting()),
            "seed": self.seed,
            "method": self.method,
            "label": self.label,
            "identity": self.identity(),
            "data": self.data,
            **({"places": self.places} if self.places else {}),
            **({"weights_file": self.weights_file} if self.weights_file else {}),
        }

    @classmethod
    def from_dict(cls, spec: dict[str, Any]) -> Self:
        """Read the content of ``spec.json``.

        Raises:
            UsageError: the protocol holds a value that is not possible.
            KeyError: something is missing.
        """
        identity = spec["identity"]
        dataset = identity["dataset"]
        return cls(
            algorithm=Component.from_dict(identity["algorithm"]),
            stages=tuple(Component.from_dict(stage) for stage in identity["stages"]),
            dataset=Component(dataset["name"], dataset["options"]),
            split=dataset["split"],
            images=dataset.get("images", ""),
            protocol=Protocol.from_options(identity["protocol"], "protocol"),
            backbone=BackboneSpec.from_dict(identity["backbone"]),
            precision=identity["precision"],
            plugins=identity.get("plugins", {}),
            tuned=identity.get("tuned"),
            seed=spec["seed"],
            method=method_of(spec, identity.get("tuned")),
            places=spec.get("places", {}),
            weights_file=spec.get("weights_file", ""),
            data=spec["data"],
            memory_format=known_format(identity.get("memory_format", "")),
        )


def canonical_hash(value: Any) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is known of one run without opening its large files.

    Attributes:
        path: the run's folder.
        status: ``done`` where ``result.json`` exists, else ``failed`` or ``diverged`` (with
            ``reason``), ``unfinished``, or ``unreadable`` (with ``reason``). A look at who is at
            work (:mod:`ltbench.results.states`) tells ``running``, ``waiting`` and ``broken-off``
            apart.
        method: the algorithm with its stages and what differs from the defaults, as typed.
        algorithm, stages: their names, each with those of its modifiers, ``erm@ema``.
        hparams: of the algorithm by name, and of its modifiers, ``ema.decay``.
        protocol: the settings that it trains with, those that tuning found among them.
        tuned: how it was tuned, as :func:`~ltbench.results.tuned.read_tuned` returns it; empty
            where it was not.
        split: where its split is from, "official split" or "split by rule"; empty where there is
            one way to split, and of runs of older versions.
        seconds: what it took, where it is done.
        taken_over: so many of these another run spent, on the first stage that both begin with.
        metrics: what the run's metrics declare (``better``, ``unit``, ``head``, ``words``), by the
            base names of their values.
        test: the chosen model's test metrics; accuracies and F1 in 0…1; without what is missing.
        steps: optimisation steps of all its stages, 0 where they are not known.
        estimate: seconds that its command expected it to take, or ``None``.
        own_share: the part of its seconds without a first stage that another run trains.
        holder: who trains it, where it is running.
        progress: how far it is, where it was begun and is not done.
        expected: whether a command that is at work will come to it.
        sweep: the newest command that planned it, or ``None``.
        trainable_parameters: those of ``parameters`` that training changes.
        combined: what it was made of (:mod:`ltbench.results.combined`); empty where it was trained.
        transductive: whether it learnt on the test images, without their labels, before its test.
        trained_on_validation: whether a part of it was trained on the validation images.
    """

    path: str
    status: Status
    reason: str = ""
    hash: str = ""
    protocol_hash: str = ""
    seed: int = -1
    method: str = ""
    algorithm: str = ""
    stages: tuple[str, ...] = ()
    dataset: str = ""
    protocol: dict[str, Any] = field(default_factory=dict)
    tuned: dict[str, Any] = field(default_factory=dict)
    seconds: float = math.nan
    taken_over: float = 0.0
    hparams: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    backbone: str = ""
    pretrained: bool = False
    weights: str = ""
    weights_file: str = ""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    precision: str = ""
    title: str = ""
    split: str = ""
    metrics: dict[str, dict[str, str]] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    parameters: float = math.nan
    peak_memory_mb: float = math.nan
    trainable_parameters: float = math.nan
    steps: int = 0
    estimate: float | None = None
    own_share: float = 1.0
    holder: Holder | None = None
    progress: Progress | None = None
    expected: bool = False
    sweep: SweepRecord | None = None
    memory_format: str = ""
    combined: dict[str, Any] = field(default_factory=dict)
    transductive: bool = False
    trained_on_validation: bool = False

    @property
    def algo(self) -> str:
        """The algorithm with its stages, for example ``boda+crt``."""
        return "+".join((self.algorithm, *self.stages))

    @property
    def label(self) -> str:
        """The method as people read it, with the budget of its tuning if it was tuned."""
        return clean(method_label(self.method, self.tuned))

    @property
    def select(self) -> str:
        """How its model is chosen, as in the protocol."""
        return clean(str(self.protocol.get("select", "")))


STANDING = ("steps", "estimate", "own_share", "holder", "progress", "expected", "sweep")
"""The fields of a record that say how it stands while it is not done."""
