"""What of methods has no effect in the runs of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from ltbench.plugins.hparams import HParams
from ltbench.plugins.names import format_value
from ltbench.plugins.resolve import resolve_written
from ltbench.plugins.views import view_chains
from ltbench.results.component import Component
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


def without_effect(spec: RunSpec, tested: int | None = None) -> Iterator[str]:
    """Yield a sentence on each part of a run's methods that changes nothing of what is learnt.

    Args:
        spec: the run.
        tested: the step of the algorithm whose weights are tested, where it is known and there are
            no stages; the last one otherwise.
    """
    for kind, part, steps in _trainings(spec):
        taken = steps if tested is None else min(steps, tested)
        cls, hparams = resolve_written(kind, part.name, part.hparams)
        for own in (hparams, *_of_modifiers(part)):
            yield from _late_starts(own, steps, taken)
        if not steps:
            continue
        for name, one in with_named(part.name, cls, hparams):
            if said := _too_few(name, one.min_per_domain, spec.protocol):
                yield said


def _of_run(spec: RunSpec) -> Iterator[str]:
    where, protocol = spec.dataset_name, spec.protocol
    yield from (f"{spec.label} on {where}: {said}" for said in without_effect(spec))
    for kind, part, steps in _trainings(spec):
        cls, hparams = resolve_written(kind, part.name, part.hparams)
        for own in (hparams, *_of_modifiers(part)):
            yield from (f"{spec.label} on {where}: {said}" for said in _idle_betas(own, protocol))
        for chain in view_chains(cls, hparams, protocol.augmentation) if steps else ():
            if (mixing := mixing_augmentation(chain)) and (said := _too_few(mixing, 2, protocol)):
                yield f"augmentation {chain} on {where}: {said}"


def _trainings(spec: RunSpec) -> Iterator[tuple[str, Component, int]]:
    """Yield the algorithm and its stages: their registry, what they are, their steps."""
    kinds = ("algorithms", *["stages"] * len(spec.stages))
    yield from zip(kinds, spec.parts, stage_steps(spec), strict=True)


def _of_modifiers(part: Component) -> list[HParams]:
    """Return the hyper-parameters of the modifiers of a training."""
    return [resolve_written("modifiers", one.name, one.hparams)[1] for one in part.modifiers]


def _late_starts(hparams: HParams, steps: int, tested: int) -> Iterator[str]:
    """Yield what is said of hyper-parameters that are a first step after the tested weights."""
    for key, bounds in hparams.bounds().items():
        if not bounds.begins or (first := getattr(hparams, key)) < max(1, tested):
            continue
        if first < steps:
            yield f"{key}={first} is no step before the chosen one, {tested}"
        else:
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
