"""Which plugins a run is made of, for sentences on what it did."""

from __future__ import annotations

from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.plugins.resolve import MODIFIERS
from ltbench.results.run import RunSpec


def whose(spec: RunSpec) -> str:
    """Return the third parties' plugins of a run, or its algorithm where it has none.

    For example ``algorithm 'mine' of my-methods 1.0``.
    """
    plugins = get_plugins()
    names = [("algorithms", spec.algorithm.name), *(("stages", s.name) for s in spec.stages)]
    names += [(MODIFIERS, modifier.name) for part in spec.parts for modifier in part.modifiers]
    names += [("datasets", spec.dataset.name), ("backbones", spec.backbone.name)]
    entries = [
        entry for kinds, name in names for entry in plugins[kinds] if entry.name == name
    ] + list(plugins["metrics"])
    foreign = [entry for entry in entries if entry.distribution != "ltbench"]
    if not foreign:
        return f"{spec.label} on {spec.dataset_name}"
    return " or ".join(dict.fromkeys(map(_described, foreign)))


def _described(entry: Entry) -> str:
    return f"{entry.kind} '{entry.name}' of {entry.distribution} {entry.version}"
