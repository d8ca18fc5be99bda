"""Which parts of a run are trained on validation images."""

from __future__ import annotations

from ltbench.plugins.resolve import resolve_written
from ltbench.results.run import RunSpec

TRAINED = "trained"
"""What :meth:`ltbench.api.Algorithm.uses_validation` returns of them."""


def trained_on_validation(spec: RunSpec) -> list[str]:
    """Return the algorithm and stages of a run that are trained on validation images.

    Raises:
        UsageError: something that the run names does not exist.
        PluginError: a plugin cannot be imported.
    """
    kinds = ["algorithms", *("stages" for _ in spec.stages)]
    written = zip(kinds, spec.parts, strict=True)
    found = [(p.title, *resolve_written(kind, p.name, p.hparams)) for kind, p in written]
    return [name for name, cls, own in found if cls.uses_validation(own) == TRAINED]


def as_result(names: list[str]) -> dict[str, list[str]]:
    """Return what ``result.json`` says of them: nothing where there are none."""
    return {"trained_on_validation": names} if names else {}
