"""What registered metrics declare about their values, for ``result.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from ltbench.plugins.manager import OWN, get_plugins
from ltbench.plugins.measure import Measure, find_base


def declared_measures(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return direction, unit and words by base name, of those that any of these metrics has."""
    measures: dict[str, Measure] = {}
    # Where a plugin's metric has the name of one of ltbench's, the value is the plugin's.
    for entry in sorted(get_plugins()["metrics"], key=lambda entry: entry.distribution != OWN):
        measures |= entry.measures
    bases = {base for name in names if (base := find_base(name, measures))}
    return {base: asdict(measures[base]) for base in sorted(bases)}
