"""How many optimisation steps a run takes, over all of its stages."""

from __future__ import annotations

from ltbench.plugins.manager import get_plugins
from ltbench.plugins.stage import Stage
from ltbench.results.run import RunSpec


def total_steps(spec: RunSpec) -> int:
    """Return the optimisation steps of the algorithm and of every stage after it."""
    steps = total = spec.protocol.steps
    for component in spec.stages:
        stage: type[Stage] = get_plugins()["stages"].get(component.name).load()
        steps = stage.steps(steps, stage.HParams.from_options(component.hparams, component.name))
        total += steps
    return total
