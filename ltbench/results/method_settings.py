"""What a protocol sets of algorithms and stages: the table ``methods`` of its settings.

::

    [methods.bcl]
    temperature = 0.07

    [methods.crt]
    epochs = 10

These take the place of a method's own defaults, and what is typed takes theirs. ``epochs`` are the
steps of a stage. Steps are meant for the protocol's whole length; in a training of another they are
in proportion, or left to the method, as it declares (``steps`` of :func:`ltbench.api.hparam`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.hparams import Bounds, HParams, check_value
from ltbench.plugins.names import format_value

METHODS = "methods"
_EPOCHS, _STEPS = "epochs", "steps"


@dataclass(frozen=True)
class MethodSettings:
    """The settings of methods in a training of a certain length.

    Attributes:
        named: by algorithm or stage, its hyper-parameters, or ``epochs``, by name.
        share: the steps of the training over those of the protocol's whole length.
        an_epoch: steps of an epoch.
        implied: whether the protocol's name stands for them, so that a label need not.
    """

    named: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    share: float = 1.0
    an_epoch: int = 1
    implied: bool = True

    def of(self, method: str, hparams: type[HParams]) -> dict[str, Any]:
        """Return the hyper-parameters that take the place of an algorithm's or stage's defaults.

        Args:
            method: its registered name.
            hparams: the class of its hyper-parameters.

        Raises:
            UsageError: ``epochs`` is no whole number from 1, or the method counts no steps.
        """
        settings, bounds = dict(self.named.get(method, {})), hparams.bounds()
        if _EPOCHS in settings:
            if not (_STEPS in bounds and bounds[_STEPS].steps):
                raise UsageError(f"{METHODS}.{method}: '{method}' has no length of its own")
            where = f"{METHODS}.{method}.{_EPOCHS}={format_value(settings[_EPOCHS])}"
            epochs = check_value(settings.pop(_EPOCHS), int, Bounds(low=1), where)
            settings[_STEPS] = epochs * self.an_epoch
        for key in [key for key in settings if key in bounds and bounds[key].steps]:
            value = settings[key]
            if self.share == 1 or type(value) is not int or value < 1:  # 0 stands for a rule
                continue
            if bounds[key].steps == "whole":
                del settings[key]
            else:
                settings[key] = max(1, round(value * self.share))
        return settings


def joined_methods(lower: object, upper: object) -> dict[str, dict[str, Any]]:
    """Return settings of methods of which the upper ones win, setting by setting.

    Args:
        lower, upper: tables by method, or nothing.
    """
    tables = [table for table in (lower, upper) if isinstance(table, Mapping)]
    names = dict.fromkeys(name for table in tables for name in table)
    return {
        name: {key: value for table in tables for key, value in table.get(name, {}).items()}
        for name in names
    }
