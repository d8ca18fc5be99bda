"""How many optimisation steps a run takes."""

from __future__ import annotations

from ltbench.plugins.resolve import resolve
from ltbench.results.run import RunSpec


def stage_steps(spec: RunSpec) -> list[int]:
    """Return the optimisation steps of the algorithm and of every stage after it."""
    steps = [spec.protocol.steps]
    for component in spec.stages:
        stage, hparams = resolve("stages", component.name, component.hparams)
        steps.append(stage.steps(steps[-1], hparams))
    return steps
