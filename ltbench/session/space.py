"""Where a search looks: the distributions that hyper-parameters and settings are drawn from."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltbench.errors import PluginError
from ltbench.plugins.hparams import Bounds, HParams
from ltbench.results.protocol import Protocol, protocol_settings

DIGITS = 3  # significant ones of a drawn number, so that labels and commands stay legible


@dataclass(frozen=True)
class Axis:
    """The values that a search tries for one hyper-parameter, or one setting of the protocol.

    Attributes:
        low, high: ends of an interval, both included.
        log: whether the logarithm is uniform.
        whole: whether the numbers are whole.
        choices: the values instead of an interval, each equally likely.
    """

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] | None = None

    def draw(self, generator: np.random.Generator) -> Any:
        """Return one value."""
        if self.choices is not None:
            return self.choices[int(generator.integers(len(self.choices)))]
        if self.whole and not self.log:
            return int(generator.integers(round(self.low), round(self.high) + 1))
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = float(generator.uniform(low, high))
        return self.fit(math.exp(value) if self.log else value)

    def fit(self, value: float) -> float | int:
        """Return a number of the interval with few digits that is next to ``value``."""
        rounded = round(value) if self.whole else float(f"{value:.{DIGITS}g}")
        fitted = min(max(rounded, self.low), self.high)
        return int(fitted) if self.whole else float(fitted)

    def holds(self, value: Any) -> bool:
        """Return whether a search could try this value."""
        if self.choices is not None:
            return value in self.choices
        return bool(self.low <= value <= self.high)


def find_axes(cls: type[HParams], owner: str) -> dict[str, Axis]:
    """Return the axes of the hyper-parameters that a search varies, by name.

    Those are the ones with an interval or choices, and those that are true or false; of what came
    later than the first runs those with an interval.

    Args:
        cls: the hyper-parameters of an algorithm or stage.
        owner: its name, for messages.

    Raises:
        PluginError: an interval does not suit its logarithmic scale.
    """
    types = typing.get_type_hints(cls)
    found = {key: _axis(bounds, types[key], owner, key) for key, bounds in cls.bounds().items()}
    return {key: axis for key, axis in found.items() if axis is not None}


def protocol_axes(protocol: Protocol, names: Iterable[str]) -> dict[str, Axis]:
    """Return the axes of settings of a protocol that a search varies, by name.

    Args:
        protocol: around whose values they lie.
        names: the settings; what is none, or has nowhere to be searched, has no axis.
    """
    settings = protocol_settings()
    searched = [settings[name] for name in names if name in settings and settings[name].search]
    return {
        one.name: Axis(*one.interval(getattr(protocol, one.name)), one.bounds.log, one.kind is int)
        for one in searched
    }


def _axis(bounds: Bounds, kind: Any, owner: str, key: str) -> Axis | None:
    if (bounds.later or bounds.before is not None) and bounds.search is None:
        return None
    if bounds.choices is not None:
        return Axis(choices=bounds.choices)
    if kind is bool:
        return Axis(choices=(False, True))
    if bounds.search is None or kind not in (int, float):
        return None
    low, high = bounds.search
    if low > high or (bounds.log and low <= 0):
        raise PluginError(
            f"{owner} searches '{key}' from {low:g} to {high:g}, which is no interval"
            + (" on a logarithmic scale" if bounds.log else "")
            + f": give it another with {owner}[{key}=…]"
        )
    return Axis(low, high, bounds.log, kind is int)
