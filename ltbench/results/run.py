"""A run's specification: everything that makes it what it is, resolved and hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from ltbench.results.protocol import Protocol

FORMAT = 1
_LONGEST_LABEL = 190


@dataclass(frozen=True)
class Component:
    """A plugin with its resolved hyper-parameters (or a data set with its parameters)."""

    name: str
    hparams: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone, and where its weights start.

    Attributes:
        name: as typed.
        pretrained: from the weights that the library names.
        weights: SHA-256 of a local checkpoint, or ``None``.
    """

    name: str
    pretrained: bool = False
    weights: str | None = None


@dataclass(frozen=True)
class RunSpec:
    """One run: identity, seed, and what tables need to name it.

    Attributes:
        algorithm: the algorithm with its hyper-parameters.
        stages: the stages after it, in order.
        dataset: the data set with its parameters.
        split: SHA-256 of its split table.
        protocol: the training settings.
        backbone: the network.
        precision: ``fp32`` or ``bf16``.
        plugins: versions of the distributions, other than ltbench, whose plugins the run uses;
            for a plugin that is a file its name and the hash of its content.
        seed: the run's seed.
        method: the algorithm with its stages and the hyper-parameters that are not the defaults,
            as a user types it: ``boda[weight=0.5]+crt``.
        data: title, names, shot thresholds and counts of the data set, for reports.
        tuned: how its hyper-parameters were searched for, if they were: ``search``, ``trials``,
            ``seed`` and ``metric``. A score that was tuned for is not one that was not.
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
    plugins: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    tuned: dict[str, Any] | None = None

    @property
    def algo(self) -> str:
        """The algorithm with its stages, for example ``boda+crt``."""
        return "+".join([self.algorithm.name, *(stage.name for stage in self.stages)])

    @property
    def label(self) -> str:
        """The method as people read it, with the budget of its tuning if it was tuned."""
        return method_label(self.method, self.tuned)

    def setting(self) -> dict[str, Any]:
        """Return the part of the identity that all rows of a table share."""
        return {
            "dataset": {
                "name": self.dataset.name,
                "options": self.dataset.hparams,
                "split": self.split,
            },
            "protocol": self.protocol.as_dict(),
            "backbone": vars(self.backbone),
            "precision": self.precision,
        }

    def identity(self) -> dict[str, Any]:
        """Return what makes this run the run it is, except for its seed."""
        identity = {
            "algorithm": vars(self.algorithm),
            "stages": [vars(stage) for stage in self.stages],
            **self.setting(),
        }
        further = {"plugins": self.plugins, "tuned": self.tuned}
        return identity | {key: value for key, value in further.items() if value}

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits of the identity's SHA-256."""
        return canonical_hash(self.identity())

    def folder(self, root: Path) -> Path:
        """Return the run's folder below ``root``."""
        return root / self.dataset.name / self.algo / self.hash / f"seed-{self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``spec.json``."""
        return {
            "format": FORMAT,
            "hash": self.hash,
            "protocol_hash": canonical_hash(self.setting()),
            "seed": self.seed,
            "method": self.method,
            "label": self.label,
            "identity": self.identity(),
            "data": self.data,
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
            algorithm=Component(**identity["algorithm"]),
            stages=tuple(Component(**stage) for stage in identity["stages"]),
            dataset=Component(dataset["name"], dataset["options"]),
            split=dataset["split"],
            protocol=Protocol.from_options(identity["protocol"], "protocol"),
            backbone=BackboneSpec(**identity["backbone"]),
            precision=identity["precision"],
            plugins=identity.get("plugins", {}),
            tuned=identity.get("tuned"),
            seed=spec["seed"],
            method=method_of(spec, identity.get("tuned")),
            data=spec["data"],
        )


def method_label(method: str, tuned: Mapping[str, Any] | None, variant: str = "") -> str:
    """Return how a table names a method.

    Args:
        method: the algorithm with its stages, as typed.
        tuned: how its hyper-parameters were searched for, if they were.
        variant: first digits of the hash, where several methods of one name must be told apart.
    """
    apart = f" #{variant}" if variant else ""
    if not tuned:
        return f"{method}{apart}"
    words = f"{apart} ({describe_tuning(tuned)})"
    if len(method) + len(words) > _LONGEST_LABEL:  # what is longer is cut, and the words go
        method = f"{method[: _LONGEST_LABEL - len(words) - 1]}…"
    return method + words


def describe_tuning(tuned: Mapping[str, Any]) -> str:
    """Return the budget of a search in a few words, different ones for different budgets.

    No comma stands in it, because commas part the names of algorithms.
    """
    search, trials, seed = (tuned.get(key) for key in ("search", "trials", "seed"))
    kind = "" if search == "random" else f"{search} "
    text = f"tuned: {trials} {kind}trials"
    if seed:
        text += f" at seed {seed}"
    fixed = " ".join(key.rpartition(".")[2] for key in tuned.get("fixed", {}))
    return f"{text}; fixed {fixed}" if fixed else text


def method_of(spec: Mapping[str, Any], tuned: Mapping[str, Any] | None) -> str:
    """Return the method that ``spec.json`` names.

    Files written before there was a ``method`` have it within the label, before the words that
    :func:`method_label` makes of the same ``tuned``.
    """
    if "method" in spec:
        return str(spec["method"])
    label = str(spec["label"])
    return label.removesuffix(f" ({describe_tuning(tuned)})") if tuned else label


def canonical_hash(value: Any) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
