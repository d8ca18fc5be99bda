"""What of methods has no effect in the runs of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from ltbench.plugins.hparams import HParams
from ltbench.plugins.names import format_value
from ltbench.plugins.resolve import resolve_written
from ltbench.results.protocol import Protocol
from ltbench.results.run import RunSpec
from ltbench.session.plan import Plan
from ltbench.training.optimizers import has_betas
from ltbench.training.steps import stage_steps


def no_effect(plan: Plan) -> list[str]:
    """Return a sentence on each part of a method that is without effect."""
    specs = {(spec.dataset_name, spec.hash): spec for spec in plan.specs}
    return list(dict.fromkeys(said for spec in specs.values() for said in _of_run(spec)))


def _of_run(spec: RunSpec) -> Iterator[str]:
    kinds = ("algorithms", *["stages"] * len(spec.stages))
    for kind, part, steps in zip(kinds, spec.parts, stage_steps(spec), strict=True):
        for registry, one in ((kind, part), *(("modifiers", one) for one in part.modifiers)):
            _, hparams = resolve_written(registry, one.name, one.hparams)
            for said in (*_late_starts(hparams, steps), *_idle_betas(hparams, spec.protocol)):
                yield f"{spec.label} on {spec.dataset_name}: {said}"


def _late_starts(hparams: HParams, steps: int) -> Iterator[str]:
    """Yield what is said of hyper-parameters that are a first step after the last one."""
    for key, bounds in hparams.bounds().items():
        if bounds.begins and (first := getattr(hparams, key)) >= max(1, steps):
            yield (
                f"{key}={first} is a step that the training, of {steps}, does not come to: what "
                "begins there has no effect"
            )


def _idle_betas(hparams: HParams, protocol: Protocol) -> Iterator[str]:
    """Yield what is said of betas that were given for an optimiser without any."""
    bounds = hparams.bounds()
    for key, value in hparams.changed().items():
        if bounds[key].betas and not has_betas(protocol):
            yield (
                f"{key}={format_value(value)} is one of an optimiser's betas, and "
                f"{protocol.optimizer} has none: it has no effect"
            )
