"""How many optimisation steps a run takes, and under which settings each of its stages does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.resolve import resolve_written
from ltbench.plugins.stage import StageHParams
from ltbench.results.protocol import Protocol
from ltbench.results.run import RunSpec


def stage_steps(spec: RunSpec) -> list[int]:
    """Return the optimisation steps of the algorithm and of every stage after it."""
    first, hparams = resolve_written("algorithms", spec.algorithm.name, spec.algorithm.hparams)
    steps = [first.steps(spec.protocol.steps, hparams)]
    before = steps[0] or spec.protocol.steps  # an algorithm without steps says nothing of stages
    for component in spec.stages:
        stage, hparams = resolve_written("stages", component.name, component.hparams)
        steps.append(before := stage.steps(before, hparams))
    return steps


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
