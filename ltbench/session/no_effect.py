"""What of methods has no effect in the runs of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from ltbench.plugins.hparams import HParams
from ltbench.plugins.names import format_value
from ltbench.plugins.resolve import resolve_written
from ltbench.plugins.views import view_chains
from ltbench.results.protocol import Protocol
from ltbench.results.run import RunSpec
from ltbench.session.augmentations import mixing_augmentation
from ltbench.session.plan import Plan
from ltbench.session.protocol_checks import with_named
from ltbench.training.optimizers import has_betas
from ltbench.training.steps import stage_steps


def no_effect(plan: Plan) -> list[str]:
    """Return a sentence on each part of a method that is without effect."""
    specs = {(spec.dataset_name, spec.hash): spec for spec in plan.specs}
    return list(dict.fromkeys(said for spec in specs.values() for said in _of_run(spec)))


def _of_run(spec: RunSpec) -> Iterator[str]:
    where, protocol = spec.dataset_name, spec.protocol
    kinds = ("algorithms", *["stages"] * len(spec.stages))
    for kind, part, steps in zip(kinds, spec.parts, stage_steps(spec), strict=True):
        cls, hparams = resolve_written(kind, part.name, part.hparams)
        modifiers = [resolve_written("modifiers", one.name, one.hparams) for one in part.modifiers]
        for own in (hparams, *(own for _, own in modifiers)):
            for said in (*_late_starts(own, steps), *_idle_betas(own, protocol)):
                yield f"{spec.label} on {where}: {said}"
        if not steps:
            continue
        for name, one in with_named(part.name, cls, hparams):
            if said := _too_few(name, one.min_per_domain, protocol):
                yield f"{spec.label} on {where}: {said}"
        for chain in view_chains(cls, hparams, protocol.augmentation):
            if (mixing := mixing_augmentation(chain)) and (said := _too_few(mixing, 2, protocol)):
                yield f"augmentation {chain} on {where}: {said}"


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


def _too_few(name: object, needed: int, protocol: Protocol) -> str:
    """Return what is said of who sets more images of a domain against one another than there are.

    Args:
        name: of an algorithm, or of an augmentation that mixes images with others of their domain.
        needed: how many of them there must be.
        protocol: of the run.
    """
    if protocol.batch_per_domain >= needed:
        return ""
    return (
        f"'{name}' mixes, weighs or compares {needed} or more images of a domain with one another, "
        f"and a batch has {protocol.batch_per_domain}: that part has no effect"
    )
