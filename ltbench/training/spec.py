"""A run's specification: everything that makes it what it is, resolved and hashed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from ltbench.training.protocol import Protocol

FORMAT = 1


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
        label: the algorithm as a row of a table names it.
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
    label: str
    plugins: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    tuned: dict[str, Any] | None = None

    @property
    def algo(self) -> str:
        """The algorithm with its stages, for example ``boda+crt``."""
        return "+".join([self.algorithm.name, *(stage.name for stage in self.stages)])

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
            label=spec["label"],
            data=spec["data"],
        )


def canonical_hash(value: Any) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
