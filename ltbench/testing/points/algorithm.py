"""What every algorithm and every stage does.

The runs are those of ``ltbench run``, on a small data set: planned, trained, evaluated,
checkpointed and resumed by the same code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from ltbench.data.sampling import SAMPLINGS
from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm, named
from ltbench.plugins.batch import Batch
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import parse_name
from ltbench.plugins.stage import Stage
from ltbench.plugins.views import PROTOCOL
from ltbench.testing.point import NotApplicable, Points, Subject
from ltbench.testing.small_data import COUNTS
from ltbench.testing.small_model import (
    SmallTraining,
    build_algorithm,
    build_stage,
    random_batch_for,
    take_steps,
    train_info,
)
from ltbench.testing.small_run import Outcome, check_same, plan_small, run_small

POINTS = Points()
KINDS = ("algorithm", "stage")
DOMAINS = 3  # of the small data set
SINGLE_CLASS_COUNTS = ((6, 4, 0), (3, 8, 2), (5, 0, 7))
STOPS = (3, 8)


@POINTS.add("settings", "It leaves torch's global settings as they are", *KINDS)
def check_settings(subject: Subject) -> None:
    """Check that the next run in the same process computes as if this one had not been."""
    before = _settings()
    with contextlib.suppress(Exception):  # that it raises, other points say
        model = build_small(subject.text)
        take_steps(model, [random_batch_for(model)])
    after = _settings()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_default_dtype, before["default dtype"])
        stack.callback(torch.set_grad_enabled, before["gradients"])
        for key, value in before.items():
            assert after[key] == value, (
                f"{subject.text} changes torch's {key} from {value} to {after[key]} for all runs"
            )


@POINTS.add("loss", "Its loss is finite and differentiable", *KINDS)
def check_loss(subject: Subject) -> None:
    """Check the loss and its gradient on a few batches."""
    name, model = subject.text, build_small(subject.text)
    if not model.optimizers:
        raise NotApplicable("it is not trained")
    if type(model).step is not Algorithm.step:
        raise NotApplicable("it takes its own optimisation steps")
    for seed in range(3):
        batch = random_batch_for(model, seed=seed)
        torch.manual_seed(seed)
        model.generator.manual_seed(seed)
        model.before_step(seed, SmallTraining(model, batch))
        losses = named(model.loss(batch))
        for key, value in losses.items():
            assert value.dim() == 0, f"{name}: the loss '{key}' has the shape {tuple(value.shape)}"
        _check_finite({key: float(value.detach()) for key, value in losses.items()}, name)
        total = losses["total"]
        assert total.requires_grad, f"{name}: the loss is not differentiable: it has no gradient"
        model.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
        for key, gradient in gradients.items():
            assert bool(gradient.isfinite().all()), f"{name}: the gradient of '{key}' is not finite"
        assert any(bool(g.any()) for g in gradients.values()), (
            f"{name}: the loss is not differentiable: its gradient is zero everywhere"
        )


@POINTS.add("single-class", "Batches of a single class, and absent classes, are survived", *KINDS)
def check_single_class(subject: Subject) -> None:
    """Check that batches whose images are all of one class are survived."""
    name = subject.text
    model = build_small(name, SINGLE_CLASS_COUNTS)
    batches = [random_batch_for(model, classes=[0], seed=seed) for seed in range(3)]
    for losses in take_steps(model, batches):
        _check_finite(losses, f"{name} on a batch of a single class")
    for key, value in model.state_dict().items():
        assert not value.is_floating_point() or bool(value.isfinite().all()), (
            f"{name}: '{key}' is not finite after batches of a single class"
        )


@POINTS.add("shapes", "Logits and features have the shapes they should", *KINDS)
def check_shapes(subject: Subject) -> None:
    """Check what ``predict`` and ``features`` return, for several images and for one."""
    name, model = subject.text, build_small(subject.text)
    info = model.train_info
    x = random_batch_for(model, seed=7).x
    model.eval()
    with torch.no_grad():
        for images in (x, x[:1]):
            logits, features = model.predict(images), model.features(images)
            shape, wanted = tuple(logits.shape), (len(images), info.num_classes)
            assert shape == wanted, f"{name}: predict returns {shape} instead of {wanted}"
            shape, wanted = tuple(features.shape), (len(images), model.num_features)
            assert shape == wanted, f"{name}: features returns {shape} instead of {wanted}"
            assert bool(logits.isfinite().all()), f"{name}: some logits are not finite"


@POINTS.add("neighbours", "The answer to an image does not depend on those beside it", *KINDS)
def check_neighbours(subject: Subject) -> None:
    """Check predictions of images asked about together against each alone."""
    name, model = subject.text, build_small(subject.text)
    take_steps(model, [random_batch_for(model, seed=seed) for seed in range(2)])
    model.eval()
    x = random_batch_for(model, seed=7).x
    with torch.no_grad():
        together = model.predict(x)
        alone = torch.cat([model.predict(image[None]) for image in x])
    assert together.shape == alone.shape and torch.allclose(  # noqa: PT018
        together, alone, rtol=1e-3, atol=1e-4
    ), f"{name}: the prediction of an image depends on the others in its batch"


@POINTS.add("moves", "Training changes parameters, and of a frozen model none", *KINDS)
def check_moves(subject: Subject) -> None:
    """Check that training changes the parameters, and a stage none that it holds fixed."""
    name, model = subject.text, build_small(subject.text)
    if not model.optimizers:
        raise NotApplicable("it is not trained")
    before = {key: value.clone() for key, value in model.named_parameters()}
    take_steps(model, [random_batch_for(model, seed=seed) for seed in range(5)])
    moved = {key for key, value in model.named_parameters() if not value.equal(before[key])}
    assert moved, f"{name}: no parameter moves in five steps"
    if isinstance(model, Stage) and model.frozen:
        fixed = {key for key, _ in model.named_parameters() if key.startswith("base.")}
        assert not moved & fixed, f"{name}: '{min(moved & fixed)}' of the frozen model moves"


@POINTS.add("randomness", "Its randomness is that of its run's seed", *KINDS)
def check_randomness(subject: Subject) -> None:
    """Check that no global generator but torch's is drawn from, and that none is seeded."""
    name = subject.text
    python, numpy = random.getstate(), _numpy_state()
    built, stepped = [], []
    for seed in (0, 1):
        model = build_small(name, seed=seed)
        built.append(torch.get_rng_state())
        batch = random_batch_for(model)
        torch.manual_seed(seed)
        model.before_step(0, SmallTraining(model, batch))
        if model.optimizers:
            model.step(batch)
        stepped.append(torch.get_rng_state())
    advice = "draw from self.generator, or from torch"
    assert random.getstate() == python, f"{name} draws from Python's global generator: {advice}"
    assert _numpy_state() == numpy, f"{name} draws from NumPy's global generator: {advice}"
    for states, when in ((built, "when it is built"), (stepped, "in a step")):
        assert not states[0].equal(states[1]), (
            f"{name} seeds torch's global generator {when}: leave that to ltbench"
        )


@POINTS.add("initial-weights", "Different seeds give different initial weights", *KINDS)
def check_initial_weights(subject: Subject) -> None:
    """Check that two seeds start apart."""
    one, other = (build_small(subject.text, seed=seed).state_dict() for seed in (0, 1))
    floats = [key for key, value in one.items() if value.is_floating_point()]
    differs = any(not one[key].equal(other[key]) for key in floats)
    assert differs, f"{subject.text}: seeds 0 and 1 start from the same weights"


@POINTS.add("needs", "Too few domains are refused before any training", *KINDS)
def check_needs(subject: Subject) -> None:
    """Check the refusal, and that it says the number."""
    name, needed = subject.text, domains_needed(subject.text)
    _check_runs_here(name)
    if needed == 1:
        raise NotApplicable("it takes any number of domains")
    refusal = ""
    try:
        plan_small(_chain(name), domains=needed - 1)
    except UsageError as error:
        refusal = str(error)
    assert refusal, f"{name} needs {needed} domains but takes {needed - 1}"
    assert str(needed) in refusal, f"{name}: the refusal does not say {needed}: {refusal}"


@POINTS.add("views", "It looks at every view and second batch that it asks for", *KINDS)
def check_views(subject: Subject) -> None:
    """Check what its views are augmented by, and that a step depends on all that is drawn."""
    name, model = subject.text, build_small(subject.text)
    asked = type(model).view_augmentations(model.hparams)
    assert isinstance(asked, tuple) and all(isinstance(one, str) for one in asked), (  # noqa: PT018
        f"{name}: view_augmentations returns {asked!r} instead of a tuple with the name of one "
        "chain of augmentations for each view"
    )
    assert asked, f"{name}: view_augmentations is empty; for one view it is ('{PROTOCOL}',)"
    assert model.second_sampling in ("", *SAMPLINGS), (
        f"{name}: second_sampling is '{model.second_sampling}' instead of {' or '.join(SAMPLINGS)}"
    )
    if len(asked) == 1 and not model.second_sampling:
        raise NotApplicable("it asks for one view and no second batch")
    if not model.optimizers:
        raise NotApplicable("it is not trained")
    batch, others = (random_batch_for(model, seed=seed) for seed in range(2))
    before = _total(name, batch)
    for number in range(1, len(batch.views)):
        # Other images: a constant added to these, batch normalisation would take away again.
        views = [(others if at == number else batch).views[at] for at in range(len(batch.views))]
        after = _total(name, dataclasses.replace(batch, views=tuple(views)))
        assert after != before, (
            f"{name} asks for {len(asked)} views, and its loss does not depend on view {number + 1}"
        )
    if batch.second is not None:
        after = _total(name, dataclasses.replace(batch, second=others.second))
        assert after != before, (
            f"{name} asks for a second batch, and its loss does not depend on it"
        )


@POINTS.add("by-class", "Images that it augments by class are images still", *KINDS)
def check_augment_by_class(subject: Subject) -> None:
    """Check shape and range, that what is given stays, and that all draws are the generator's."""
    name, model = subject.text, build_small(subject.text)
    if type(model).augment_by_class is Algorithm.augment_by_class:
        raise NotApplicable("it leaves that to chains of augmentations")
    batch = random_batch_for(model)
    x = batch.x.sigmoid()
    given, found = x.clone(), []
    model.generator.manual_seed(0)
    model.before_step(0, SmallTraining(model, batch))
    for _ in range(2):
        own = torch.Generator().manual_seed(0)
        found.append(model.augment_by_class(x, batch.y, batch.d, own))
        assert x.equal(given), f"{name}: augment_by_class changes the images that it is given"
    shape = tuple(found[0].shape)
    assert shape == tuple(x.shape), f"{name}: augment_by_class returns {shape}, not {x.shape}"
    low, high = float(found[0].min()), float(found[0].max())
    assert low >= 0 and high <= 1, (  # noqa: PT018
        f"{name}: augment_by_class returns values from {low:g} to {high:g} instead of 0…1"
    )
    assert found[0].equal(found[1]), f"{name}: augment_by_class does not draw from its generator"


@POINTS.add("run", "A run ends with finite losses and metrics", *KINDS)
def check_run(subject: Subject) -> None:
    """Check a run with several domains and one with as few as possible."""
    for outcome in _wholes(subject):
        assert outcome.log, f"{subject.text}: the run has no evaluation"
        for record in outcome.log:
            _check_finite(record["losses"], f"{subject.text} at step {record['step']}")
        for key, value in outcome.test.items():
            assert value is None or math.isfinite(value), f"{subject.text}: test {key} is {value}"


@POINTS.add("repeat", "The same seed gives the same result", *KINDS)
def check_repeat(subject: Subject) -> None:
    """Check a second run in the same process against the first."""
    (whole, *_) = _wholes(subject)
    again = run_small(_chain(subject.text), subject.folder / "again", domains=DOMAINS)
    check_same(whole, again, f"{subject.text}, run a second time with the same seed,")


@POINTS.add("resume", "A run that is broken off and resumed ends as one that was not", *KINDS)
def check_resume(subject: Subject) -> None:
    """Check runs that are broken off twice, bit for bit."""
    for domains, whole in zip(_domains(subject), _wholes(subject), strict=True):
        folder = subject.folder / f"resumed-{domains}"
        resumed = run_small(_chain(subject.text), folder, domains=domains, stops=STOPS)
        check_same(whole, resumed, f"{subject.text}, broken off twice and resumed,")


def domains_needed(name: str) -> int:
    """Return how many domains an algorithm needs, or the default algorithm of a stage."""
    cls = _class(name)
    if issubclass(cls, Stage):
        base = cls.default_base
        return domains_needed(base) if base else 1
    return cls.min_domains


def build_small(
    name: str,
    counts: Any = None,
    *,
    seed: int = 0,
    label_smoothing: float = 0.0,
    steps: int = 5,
    place: Callable[[Algorithm], Algorithm] = lambda model: model,
) -> Algorithm:
    """Return an algorithm, or a stage on top of its default algorithm, on the small backbone.

    Each of them passes through ``place``, the algorithm before the stage is built on it.
    """
    info = train_info(counts or COUNTS, steps=steps)
    info = dataclasses.replace(info, label_smoothing=label_smoothing)
    cls = _class(name)
    if not issubclass(cls, Stage):
        return place(build_algorithm(name, info, seed=seed))
    base = place(build_algorithm(_base(cls), info, seed=seed))
    return place(build_stage(name, base, seed=seed))


def _class(name: str) -> type[Algorithm]:
    plugins, word = get_plugins(), parse_name(name).name
    kinds = "algorithms" if word in plugins["algorithms"] else "stages"
    cls: type[Algorithm] = plugins[kinds].get(word).load()
    return cls


def _base(cls: type[Stage]) -> str:
    return cls.default_base or "erm"


def _check_runs_here(name: str) -> None:
    if _class(name).needs_texts:
        raise NotApplicable("it needs a text tower, and the small network has none")


def _chain(name: str) -> str:
    """Return what a user types to run it; a stage without a default stands on ERM."""
    cls = _class(name)
    stands = issubclass(cls, Stage) and cls.default_base is None
    return f"erm+{name}" if stands else name


def _domains(subject: Subject) -> list[int]:
    return [DOMAINS, domains_needed(subject.text)]


def _wholes(subject: Subject) -> list[Outcome]:
    """Return runs that were never broken off, one for each number of domains."""

    _check_runs_here(subject.text)

    def find() -> list[Outcome]:
        return [
            run_small(_chain(subject.text), subject.folder / f"whole-{domains}", domains=domains)
            for domains in _domains(subject)
        ]

    return subject.once("wholes", find)


def _total(name: str, batch: Batch) -> float:
    """Return the loss of the first step of a fresh small model."""
    return take_steps(build_small(name), [batch])[0]["total"]


def _check_finite(losses: Mapping[str, float], where: str) -> None:
    for key, value in losses.items():
        assert math.isfinite(value), f"{where}: the loss '{key}' is {value}"


def _numpy_state() -> tuple[Any, ...]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return (kind, np.asarray(keys).tobytes(), *rest)


def _settings() -> dict[str, Any]:
    return {
        "default dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "number of threads": torch.get_num_threads(),
    }
