"""Methods of which a part would begin after the last step, so that it never does."""

from __future__ import annotations

from collections.abc import Iterator

from ltbench.plugins.resolve import resolve_written
from ltbench.results.component import Component
from ltbench.results.run import RunSpec
from ltbench.session.plan import Plan
from ltbench.training.steps import stage_steps


def late_starts(plan: Plan) -> list[str]:
    """Return a sentence on each method of which a part begins after its training has ended."""
    specs = {(spec.dataset_name, spec.hash): spec for spec in plan.specs}
    return list(dict.fromkeys(said for spec in specs.values() for said in _of_run(spec)))


def _of_run(spec: RunSpec) -> Iterator[str]:
    kinds = ("algorithms", *["stages"] * len(spec.stages))
    for kind, part, steps in zip(kinds, spec.parts, stage_steps(spec), strict=True):
        components = [(kind, part), *(("modifiers", one) for one in part.modifiers)]
        for key, first in (late for one in components for late in _late(*one, steps)):
            yield (
                f"{spec.label} on {spec.dataset_name}: {key}={first} is a step that the training, "
                f"of {steps}, does not come to: what begins there has no effect"
            )


def _late(kind: str, part: Component, steps: int) -> Iterator[tuple[str, int]]:
    """Yield the hyper-parameters that are a first step after the last one, and that step."""
    _, hparams = resolve_written(kind, part.name, part.hparams)
    for key, bounds in hparams.bounds().items():
        if bounds.begins and (first := getattr(hparams, key)) >= max(1, steps):
            yield key, first
