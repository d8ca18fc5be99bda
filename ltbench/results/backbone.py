"""Which backbone a run has, where its weights start, and how images reach it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from ltbench.errors import UsageError
from ltbench.plugins.backbone_options import BackboneOptions, checked_options
from ltbench.plugins.names import Name
from ltbench.plugins.preprocessing import CROP, Preprocessing, judged
from ltbench.results.untrusted import UnreadableRun, name_in

if TYPE_CHECKING:
    from ltbench.plugins.facts import Facts
    from ltbench.results.protocol import Protocol

_SCALE = ("mean", "std")
_ONLY_WHERE_GIVEN = ("preprocessing", "options")
DATASET = "dataset"
"""What a user types for the preprocessing of the data set."""


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone, and where its weights start.

    Attributes:
        name: as typed; of a model of the hub with its commit.
        pretrained: from the weights that the library names.
        weights: SHA-256 of a local checkpoint, or ``None``.
        preprocessing: ``mean``, ``std``, ``interpolation`` and ``crop``
            (:class:`~ltbench.plugins.preprocessing.Preprocessing`), as far as they are not the
            data set's mean and deviation, bilinear, and 0.875 of the shorter side.
        options: what stands in its brackets, as far as it differs from the defaults
            (:mod:`ltbench.plugins.backbone_options`).
    """

    name: str
    pretrained: bool = False
    weights: str | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name with its options, as typed."""
        return str(Name(self.name, dict(self.options)))

    @property
    def chosen(self) -> BackboneOptions:
        """All options, the defaults too."""
        return checked_options(self.options, self.name)

    def as_dict(self) -> dict[str, Any]:
        """Return what a run's identity holds of it."""
        return {k: v for k, v in vars(self).items() if v or k not in _ONLY_WHERE_GIVEN}

    def scaled(self, facts: Facts) -> Facts:
        """Return the facts with the mean and deviation that the network sees pixels by."""
        found = {key: self.preprocessing.get(key, getattr(facts, key)) for key in _SCALE}
        return replace(facts, mean=tuple(found["mean"]), std=tuple(found["std"]))

    @classmethod
    def from_dict(cls, backbone: Mapping[str, Any]) -> Self:
        """Read what stands in an identity.

        Raises:
            UsageError: its preprocessing or an option is not possible.
            TypeError: it holds something else.
        """
        checked_options(backbone.get("options", {}), f"{backbone.get('name')}")
        judged(backbone.get("preprocessing", {}), "spec.json: 'preprocessing'")
        return cls(**backbone)

    def resizing(self, protocol: Protocol) -> tuple[str, float]:
        """Return the interpolation and the crop's share that a run under ``protocol`` has."""
        interpolation = protocol.interpolation
        if interpolation == "weights":
            interpolation = self.preprocessing.get("interpolation", "bilinear")
        return interpolation, protocol.crop_share or self.preprocessing.get("crop", CROP)

    def whole(self, facts: Facts, protocol: Protocol) -> dict[str, Any]:
        """Return all that images pass through, what is the data set's and the protocol's too."""
        scale = {key: list(self.preprocessing.get(key, getattr(facts, key))) for key in _SCALE}
        interpolation, crop = self.resizing(protocol)
        found = {**scale, "interpolation": interpolation, "evaluation": protocol.evaluation}
        return found | ({"crop": crop} if protocol.evaluation == "crop" else {})


def differing(wanted: Preprocessing, facts: Facts, protocol: Protocol) -> dict[str, Any]:
    """Return the fields of a preprocessing that make a run another than the data set's would.

    Args:
        wanted: for the channels of the data set.
        facts: of the data set.
        protocol: which may fix the interpolation and the crop itself, or crop nothing.
    """
    plain: dict[str, Any] = {key: list(getattr(facts, key)) for key in _SCALE}
    found = {key: value for key, value in wanted.as_dict().items() if key in plain}
    if protocol.interpolation == "weights":
        plain["interpolation"], found["interpolation"] = "bilinear", wanted.interpolation
    if protocol.evaluation == "crop" and not protocol.crop_share:
        plain["crop"], found["crop"] = CROP, wanted.crop
    return {key: value for key, value in found.items() if value != plain[key]}


def preprocessing_text(preprocessing: Mapping[str, Any]) -> str:
    """Return what a user types for the preprocessing that an identity holds."""
    if not preprocessing:
        return DATASET
    return str(Name("own", dict(preprocessing))).removeprefix("own")


def preprocessing_words(preprocessing: Mapping[str, Any], *, started: bool) -> list[str]:
    """Return the option that gives a run the preprocessing of an identity.

    Args:
        preprocessing: as the identity holds it.
        started: whether it started from weights, so that the data set's has to be asked for.
    """
    if not preprocessing and not started:
        return []
    return ["--preprocessing", preprocessing_text(preprocessing)]


def short_name(backbone: str) -> str:
    """Return a backbone's name with the first digits of the commit that it may end in."""
    return re.sub(r"@([0-9a-f]{8})[0-9a-f]{32}(?=\[|$)", r"@\1", backbone)


def read_title(backbone: Mapping[str, Any]) -> str:
    """Return the name with its options of an identity from anywhere.

    Raises:
        UnreadableRun: it has no name, or an option is not possible.
    """
    name = name_in(backbone, "name", "spec.json")
    if not (options := backbone.get("options")):
        return name
    try:
        if not isinstance(options, dict):
            raise UsageError("they are no table")
        return str(Name(name, checked_options(options, name).changed()))
    except UsageError as error:
        raise UnreadableRun(f"spec.json: 'options' of the backbone: {error}") from error


def in_words(found: Mapping[str, Any]) -> str:
    """Return a preprocessing in words, as far as it is known.

    Args:
        found: ``mean``, ``std``, ``interpolation``, and ``crop`` where there is one.
    """
    parts = [
        f"{name} {' '.join(f'{value:.4g}' for value in found[key])}"
        for key, name in (("mean", "mean"), ("std", "std"))
        if key in found
    ]
    parts += [str(found["interpolation"])] if "interpolation" in found else []
    parts += [f"centre crop of {found['crop']:.4g}"] if "crop" in found else []
    return ", ".join(parts)


def known_preprocessing(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preprocessing of an identity from anywhere; an impossible one is not known."""
    found = backbone.get("preprocessing")
    try:
        fields = judged(found, "spec.json") if isinstance(found, dict) else {}
    except UsageError:
        return {}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in fields.items()}
