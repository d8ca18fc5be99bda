"""How images reach a network: the scale of their pixels, and how they are resized and cropped.

Weights go with the preprocessing that they were trained with. A backbone says what its own are, a
configuration beside a file of weights does, or a user. Configurations come from elsewhere, so
:meth:`Preprocessing.from_config` judges them field by field. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle, islice
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.names import format_value
from ltbench.plugins.text import visible

INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
CROP = 0.875
"""Share of the shorter side that a centre crop keeps unless something else is said: 224 of 256."""
_MOST_CHANNELS = 64
_LONGEST = 40  # letters of what is out of place
_LARGEST = 1e3  # of a mean or a deviation of pixels that lie in 0…1
_SMALLEST = 1e-6  # of a deviation
LEAST_CROP = 0.05
"""The smallest share of the shorter side that a crop may keep."""
_NAMES_IN_CONFIGS = {"crop_pct": "crop"}  # timm's, and ours


@dataclass(frozen=True)
class Preprocessing:
    """What is done to images before a network sees them.

    Attributes:
        mean: taken from pixels that are scaled to 0…1, one number a channel.
        std: what they are then divided by, one number above 0 a channel.
        interpolation: how images are resized: ``bilinear``, ``bicubic`` or ``nearest``.
        crop: share of the shorter side that a centre crop keeps, above 0 and at most 1. It
            counts where the protocol evaluates by a crop.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    crop: float = CROP

    def for_channels(self, channels: int) -> Preprocessing:
        """Return the same for images of another number of channels.

        For one channel mean and deviation are the means over the channels, as timm sums the first
        weights of a network over them. For more than there are they are repeated in turn.
        """
        mean, std = (_fitted(values, channels) for values in (self.mean, self.std))
        return replace(self, mean=mean, std=std)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], where: str, default: Preprocessing
    ) -> Preprocessing:
        """Judge the fields of a configuration, which may come from anywhere.

        Args:
            config: ``mean``, ``std``, ``interpolation`` and ``crop``, which timm calls
                ``crop_pct``; others are passed over.
            where: what the message of an error begins with.
            default: gives what the configuration leaves out.

        Raises:
            UsageError: a field is not possible.
        """
        return replace(default, **judged(config, where))


def declared_by(target: object) -> Any:
    """Return what a registered class or function declares; a ``partial`` does as well."""
    own = getattr(target, "preprocessing", None)
    if own is None and isinstance(target, partial):
        return declared_by(target.func)
    return own


def judged(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the fields of a preprocessing that a configuration has, in their types.

    Raises:
        UsageError: one of them is not possible.
    """
    given = {_NAMES_IN_CONFIGS.get(key, key): value for key, value in config.items()}
    found: dict[str, Any] = {}
    for key, low in (("mean", -_LARGEST), ("std", _SMALLEST)):
        if given.get(key) is not None:
            found[key] = _numbers(given[key], low, f"{where}: '{key}'")
    lengths = {len(found[key]) for key in ("mean", "std") if key in found}
    if len(lengths) > 1:
        raise UsageError(f"{where}: 'mean' and 'std' are of different lengths")
    if given.get("interpolation") is not None:
        found["interpolation"] = _one_of(given["interpolation"], f"{where}: 'interpolation'")
    if given.get("crop") is not None:
        crop = _number(given["crop"], LEAST_CROP, 2.0, f"{where}: 'crop'")
        found["crop"] = min(crop, 1.0)  # a few of timm's pad the image; what is outside is nothing
    return found


def both_or_neither(found: Mapping[str, Any], where: str) -> None:
    """Check that a configuration says of pixels all or nothing.

    Raises:
        UsageError: it has a mean without a deviation, or the other way round.
    """
    if ("mean" in found) is not ("std" in found):
        raise UsageError(f"{where} gives 'mean' or 'std' alone: they go together")


def _fitted(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if channels == 1 < len(values):
        return (sum(values) / len(values),)
    return tuple(islice(cycle(values), channels))


def _numbers(value: Any, low: float, where: str) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= _MOST_CHANNELS:
        raise UsageError(f"{where} is not a list of 1 to {_MOST_CHANNELS} numbers, one a channel")
    return tuple(_number(one, low, _LARGEST, where) for one in value)


def _number(value: Any, low: float, high: float, where: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # as NaN is not
        raise UsageError(f"{where} is {_shown(value)}: it takes numbers from {low:g} to {high:g}")
    return float(value)


def _one_of(value: Any, where: str) -> str:
    if not isinstance(value, str) or value not in INTERPOLATIONS:
        known = ", ".join(INTERPOLATIONS)
        raise UsageError(f"{where} is {_shown(value)}: choose one of {known}")
    return value


def _shown(value: Any) -> str:
    text = visible(format_value(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
