"""What registered metrics declare about their values, for ``result.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from ltbench.plugins.manager import get_plugins
from ltbench.plugins.measure import Measure, find_base


def declared_measures(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return direction, unit and words by base name, of those that any of these metrics has."""
    measures: dict[str, Measure] = {}
    for entry in get_plugins()["metrics"]:
        measures |= entry.measures
    bases = {base for name in names if (base := find_base(name, measures))}
    return {base: asdict(measures[base]) for base in sorted(bases)}
