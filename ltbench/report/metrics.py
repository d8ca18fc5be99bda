"""How metrics are named, scaled and rounded in reports."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.builtin import MEASURES
from ltbench.plugins.measure import Measure, find_base
from ltbench.plugins.spelling import spelled

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

BUILT_IN = {base: Measure(**words) for base, words in MEASURES.items()}
"""What is known of runs from before ``result.json`` held the declarations of its metrics."""

_PARTS = {
    "": "pooled", "average": "domain-average", "worst": "worst-domain", "many": "many-shot",
    "medium": "medium-shot", "few": "few-shot", "zero": "zero-shot",
}  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """A metric as a column of a table.

    Attributes:
        name: its key in ``result.json``.
        part: over what, e.g. ``worst``; empty for the pooled test set.
        declared: what its values mean; ``None`` where nobody says, and more is taken for better.
        domain: the unseen domain that it is of, in a table of all of them in turn.
    """

    name: str
    part: str = ""
    declared: Measure | None = None
    domain: str = ""

    @property
    def base(self) -> str:
        """Return what is measured, whatever it is over, as names have it."""
        return self.name.removesuffix(f"_{self.part}") if self.part else self.name

    @property
    def smaller_is_better(self) -> bool:
        """Return whether less is better."""
        return self.declared is not None and self.declared.better == "lower"

    @property
    def in_percent(self) -> bool:
        """Return whether values lie in 0…1 and are printed as percent."""
        return self.unit == "%"

    @property
    def unit(self) -> str:
        """Return the unit of :meth:`scaled` values, as it stands behind a number."""
        return self.declared.unit if self.declared else ""

    @property
    def head(self) -> tuple[str, str]:
        """Return two short lines that head a column."""
        head = (self.declared and self.declared.head) or self.base.replace("_", " ")
        if self.domain:
            return head, f"{self._within.replace('_', ' ')} {self.domain}".strip()
        return head, self.part.replace("_", " ") or "pooled"

    @property
    def _within(self) -> str:
        """Return the part without the unseen domain."""
        return self.part.removesuffix(unseen_name("", self.domain)[1:]).rstrip("_")

    @property
    def short(self) -> str:
        """Return :attr:`head` in one line, e.g. "acc average"."""
        return " ".join(self.head)

    @property
    def words(self) -> str:
        """Return the name as running text, e.g. "worst-domain accuracy"."""
        if self.domain:
            part = _PARTS.get(self._within, self._within.replace("_", "-")) if self._within else ""
            return f"{part} {self.measure} on unseen {self.domain}".strip()
        return f"{_PARTS.get(self.part, self.part.replace('_', '-'))} {self.measure}"

    @property
    def sentence_start(self) -> str:
        """Return :attr:`words` with a capital letter."""
        return self.words[:1].upper() + self.words[1:]

    @property
    def measure(self) -> str:
        """Return what is measured, whatever it is over, e.g. "macro-F1"."""
        return (self.declared and self.declared.words) or self.head[0]

    @property
    def axis(self) -> str:
        """Return :attr:`words` with the unit, for the axis of a figure."""
        return f"{self.words}, {self.unit}" if self.unit else self.words

    def scaled(self, value: float) -> float:
        """Return percent (points) where the metric is a share, else the value itself."""
        return 100 * value if self.in_percent else value

    def number(self, value: float, *, sign: bool = False) -> str:
        """Return a rounded value: percent with one decimal, all else with three; "—" for NaN."""
        if math.isnan(value):
            return "—"
        digits = 1 if self.in_percent else 3
        text = f"{self.scaled(value):{'+' if sign else ''}.{digits}f}"
        return text.replace("-", "−")

    def mean(self, value: float, half_width: float = math.nan) -> str:
        """Return "67.1 ±1.2": a mean with half its interval, where that is known.

        "1.4 (0.2–9.3)" where ± would leave the scale of a share. Seeds that all agree have none.
        """
        from ltbench.stats.intervals import mean_interval  # scipy takes as long as all else here

        text = self.number(value)
        low, high = mean_interval(value, half_width, share=self.in_percent)
        if math.isnan(low):
            return text
        if math.isclose(value - low, half_width):
            return f"{text} ±{self.spread(half_width)}"
        return f"{text} ({self.between(low, high)})"

    def between(self, low: float, high: float) -> str:
        """Return "0.2–9.3"; without decimals where ten points lie between, which is enough."""
        if self.scaled(high - low) >= 9.95:
            return f"{self.scaled(low):.0f}–{self.scaled(high):.0f}"
        return f"{self.number(low)}–{self.number(high)}"

    def difference(self, size: float) -> str:
        """Return "2.0 points", or a difference in the metric's own unit: "0.100"."""
        text = self.number(size)
        return f"{text} points" if self.in_percent else self.with_unit(text)

    def with_unit(self, text: str) -> str:
        """Return a number's text with the unit behind it."""
        return text + (self.unit if self.in_percent or not self.unit else f" {self.unit}")

    def spread(self, value: float) -> str:
        """Return a rounded half-width; without decimals from ten points on, which is enough."""
        return f"{self.scaled(value):.0f}" if self.scaled(value) >= 9.95 else self.number(value)


def unseen_name(name: str, domain: str) -> str:
    """Return the name of a metric on one unseen domain, where every domain is unseen in turn."""
    return f"{name.removesuffix('_average').removesuffix('_worst')}_unseen_{domain}"


def unseen_metric(name: str, measures: Mapping[str, Measure], domain: str) -> Metric:
    """Return how what :func:`unseen_name` makes of a metric and a domain is shown."""
    whole = metric(name.removesuffix(unseen_name("", domain)), measures)
    return Metric(name, name[len(whole.base) + 1 :], whole.declared, domain)


def metric(name: str, measures: Mapping[str, Measure] = BUILT_IN) -> Metric:
    """Return how the metric of this name is shown, given what is declared by base names."""
    base = find_base(name, measures)
    if base is not None:
        return Metric(name, name[len(base) + 1 :], measures[base])
    part = next((part for part in _PARTS if part and name.endswith(f"_{part}")), "")
    return Metric(name, part)


def measures_of(
    declarations: Iterable[Mapping[str, Mapping[str, str]]],
) -> tuple[dict[str, Measure], list[str]]:
    """Return what runs declare, the commonest where they differ, and of what they disagree.

    Args:
        declarations: of each run, by base name; empty for runs of older versions, of which only
            the metrics of the core are known.
    """
    votes: dict[str, Counter[tuple[str, ...]]] = {}
    for declared in declarations:
        for base, words in declared.items():
            votes.setdefault(base, Counter())[tuple(words.values())] += 1
    found = {base: Measure(*count.most_common(1)[0][0]) for base, count in votes.items()}
    # Other words for the same numbers are no disagreement.
    disputed = [base for base, count in votes.items() if len({words[:2] for words in count}) > 1]
    return BUILT_IN | found, disputed


def choose_metrics(wanted: Sequence[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the metrics of a table, the primary one first.

    Args:
        wanted: names, or ``None`` for the default columns.
        known: the metrics that at least one run has.

    Raises:
        UsageError: a wanted metric is in no run.
    """
    known = set(known)
    chosen = [spelled(name, known) for name in wanted or ()]
    for name in chosen:
        if name not in known:
            raise UsageError(f"No run here has the metric '{name}'{suggestion(name, known)}")
    return tuple(dict.fromkeys(chosen or DEFAULT_METRICS))
