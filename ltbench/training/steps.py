"""How many optimisation steps a run takes, and under which settings each of its stages does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.resolve import resolve_written
from ltbench.plugins.stage import StageHParams
from ltbench.results.protocol import Protocol
from ltbench.results.run import RunSpec


def stage_steps(spec: RunSpec) -> list[int]:
    """Return the optimisation steps of the algorithm and of every stage after it."""
    steps = [_algorithm_steps(spec)]
    before = steps[0] or spec.protocol.steps  # an algorithm without steps says nothing of stages
    for component in spec.stages:
        stage, hparams = resolve_written("stages", component.name, component.hparams)
        steps.append(stage.steps(before, hparams))
        before = steps[-1] or before  # so does a stage without steps of those behind it
    return steps


def _algorithm_steps(spec: RunSpec) -> int:
    """Return the steps of the algorithm; of one that is not here those of the protocol."""
    name = spec.algorithm.name
    if name not in get_plugins()["algorithms"]:
        return spec.protocol.steps
    cls, hparams = resolve_written("algorithms", name, spec.algorithm.hparams)
    return int(cls.steps(spec.protocol.steps, hparams))


def stage_protocol(protocol: Protocol, model: Algorithm) -> Protocol:
    """Return the protocol with what a stage has of its own: rates, and their course."""
    own = model.hparams
    if not isinstance(own, StageHParams):
        return protocol
    rates = {name: getattr(protocol, name) * factor for name, factor in own.rates().items()}
    changed: dict[str, Any] = rates
    if own.schedule != "protocol":
        changed |= {"schedule": own.schedule, "warmup": 0.0}
    return replace(protocol, **changed)
