"""How metrics are named, scaled and rounded in reports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ltbench.errors import UsageError, suggestion

DEFAULT_METRICS = (
    "accuracy_average",
    "accuracy_worst",
    "accuracy_many",
    "accuracy_medium",
    "accuracy_few",
    "accuracy_zero",
    "macro_f1_average",
    "macro_f1_worst",
)

DECLARED_METRICS = (
    "accuracy_average",
    "accuracy_worst",
    "macro_f1_average",
    "macro_f1_worst",
)
"""The metrics about which a table makes claims, where they are among its columns."""

_HEADS = {"accuracy": "acc", "macro_f1": "F1", "balanced_accuracy": "bal. acc", "ece": "ECE"}
_WORDS = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "average": "domain-average",
    "worst": "worst-domain",
    "ece": "calibration error",
}
_PARTS = ("average", "worst", "many", "medium", "few", "zero")
_SMALLER_IS_BETTER = ("loss", "ece")


@dataclass(frozen=True)
class Metric:
    """A metric as a column of a table.

    Attributes:
        name: its key in ``result.json``.
        base: what is measured, e.g. ``accuracy``.
        part: over what, e.g. ``worst``; empty for the pooled test set.
    """

    name: str
    base: str
    part: str

    @property
    def smaller_is_better(self) -> bool:
        """Return whether less is better."""
        return self.base.startswith(_SMALLER_IS_BETTER)

    @property
    def in_percent(self) -> bool:
        """Return whether values lie in 0…1 and are printed as percent."""
        return not self.base.startswith("loss")

    @property
    def head(self) -> tuple[str, str]:
        """Return two short lines that head a column."""
        return _HEADS.get(self.base, self.base.replace("_", " ")), self.part or "pooled"

    @property
    def words(self) -> str:
        """Return the name as running text, e.g. "worst-domain accuracy"."""
        part = _WORDS.get(self.part, f"{self.part}-shot" if self.part else "pooled")
        return f"{part} {self.measure}"

    @property
    def measure(self) -> str:
        """Return what is measured, whatever it is over, e.g. "macro-F1"."""
        return _WORDS.get(self.base, self.base.replace("_", " "))

    @property
    def unit(self) -> str:
        """Return the unit of :meth:`scaled` values."""
        return "%" if self.in_percent else ""

    def scaled(self, value: float) -> float:
        """Return percent (points) where the metric is a share, else the value itself."""
        return 100 * value if self.in_percent else value

    def number(self, value: float, *, sign: bool = False) -> str:
        """Return a rounded value: percent with one decimal, a loss with three; "—" for NaN."""
        if math.isnan(value):
            return "—"
        digits = 1 if self.in_percent else 3
        text = f"{self.scaled(value):{'+' if sign else ''}.{digits}f}"
        return text.replace("-", "−")

    def spread(self, value: float) -> str:
        """Return a rounded half-width; without decimals from ten points on, which is enough."""
        return f"{self.scaled(value):.0f}" if self.scaled(value) >= 9.95 else self.number(value)


def metric(name: str) -> Metric:
    """Return how the metric of this name is shown."""
    for part in _PARTS:
        if name.endswith(f"_{part}"):
            return Metric(name, name.removesuffix(f"_{part}"), part)
    return Metric(name, name, "")


def choose_metrics(wanted: Sequence[str] | None, known: Iterable[str]) -> tuple[Metric, ...]:
    """Return the metrics of a table, the primary one first.

    Args:
        wanted: names, or ``None`` for the default columns.
        known: the metrics that at least one run has.

    Raises:
        UsageError: a wanted metric is in no run.
    """
    known = set(known)
    for name in wanted or ():
        if name not in known:
            raise UsageError(f"No run here has the metric '{name}'{suggestion(name, known)}.")
    return tuple(metric(name) for name in dict.fromkeys(wanted or DEFAULT_METRICS))
