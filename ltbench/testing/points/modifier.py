"""What every modifier does, on the training of a plain algorithm and of a stage.

The runs are those of ``ltbench run`` on a small data set, as for algorithms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ltbench.plugins.honours import DONE_IN
from ltbench.plugins.loss_scale import LossScale
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.modifier import Modifier, gives_weights, steps_itself
from ltbench.plugins.names import AT
from ltbench.results.protocol import Protocol
from ltbench.testing.point import NotApplicable, Points, Subject
from ltbench.testing.small_model import (
    SmallTraining,
    build_algorithm,
    build_modifier,
    random_batch_for,
    train_info,
)
from ltbench.testing.small_run import Outcome, check_same, run_small
from ltbench.training.optimizers import optimizer_maker

POINTS = Points()
KIND = "modifier"
BASE = "erm"
STEPS = 12
STOPS = (3, 8)


@POINTS.add("needs", "What it needs of an algorithm is something that one can declare", KIND)
def check_needs(subject: Subject) -> None:
    """Check the names of what it needs."""
    for wish in _class(subject).needs:
        assert wish in DONE_IN, (
            f"{_said(subject)} needs '{wish}', and there are {', '.join(DONE_IN)}"
        )


@POINTS.add("weights", "The weights that it gives are those that are trained", KIND)
def check_weights(subject: Subject) -> None:
    """Check names, shapes and values after some steps, and that the model keeps its own."""
    if not gives_weights(_class(subject)):
        raise NotApplicable("it gives none")
    modifier = small_modifier(subject.text)
    for _ in _stepped(modifier, STEPS):
        before = {name: value.detach().clone() for name, value in modifier.trained().items()}
        found = modifier.weights()
        for name, parameter in modifier.trained().items():
            assert parameter.equal(before[name]), (
                f"{_said(subject)} changes the weights in training where it is asked for those to "
                "be evaluated"
            )
        if found is None:
            continue
        assert found.keys() <= before.keys(), (
            f"{_said(subject)} gives '{min(found.keys() - before.keys())}', which is not trained"
        )
        for name, value in found.items():
            assert value.shape == before[name].shape, (
                f"{_said(subject)}: '{name}' has the shape {tuple(value.shape)} instead of "
                f"{tuple(before[name].shape)}"
            )
            assert bool(value.isfinite().all()), f"{_said(subject)}: '{name}' is not finite"


@POINTS.add("moves", "With it training changes parameters", KIND)
def check_moves(subject: Subject) -> None:
    """Check that the losses are finite and that some parameter moves."""
    modifier = small_modifier(subject.text)
    before = _parameters(modifier)
    for losses in _stepped(modifier, STEPS):
        assert "total" in losses, f"{_said(subject)}: the losses of a step lack 'total'"
        for name, value in losses.items():
            assert not value.requires_grad, f"{_said(subject)}: the loss '{name}' is not detached"
            assert bool(value.isfinite()), f"{_said(subject)}: the loss '{name}' is {float(value)}"
    moved = any(not n.equal(b) for n, b in zip(_parameters(modifier), before, strict=True))
    assert moved, f"{_said(subject)}: no parameter moves in {STEPS} steps"


@POINTS.add("accumulate", "Batches of one step move the weights once, if it takes the steps", KIND)
def check_accumulate(subject: Subject) -> None:
    """Take a step that two batches make."""
    if not steps_itself(_class(subject)):
        raise NotApplicable("the algorithm takes the steps")
    modifier = small_modifier(subject.text)
    modifier.model.micro_batches = 2
    before = _parameters(modifier)
    for part in (0, 1):
        modifier.model.micro_batch = part
        _step(modifier, part)
        moved = any(not n.equal(b) for n, b in zip(_parameters(modifier), before, strict=True))
        assert moved == (part == 1), (
            f"{_said(subject)}: the {'last' if part else 'first'} of two batches of a step "
            f"{'moves nothing' if part else 'moves the weights already'}"
        )


@POINTS.add("fp16", "A step on a scaled loss is the same step", KIND)
def check_fp16(subject: Subject) -> None:
    """Compare two steps of SGD on scaled losses with two that are not; Adam knows no scale."""
    if not steps_itself(_class(subject)):
        raise NotApplicable("the algorithm takes the steps")
    scaled, plain = small_modifier(subject.text), small_modifier(subject.text)
    scaled.model.loss_scale = LossScale(torch.device("cpu"))
    sgd = Protocol.from_options({"optimizer": "sgd", "lr": 1e-2}, "protocol")
    for modifier in (scaled, plain):
        modifier.model.optimizers = modifier.model.configure_optimizers(optimizer_maker(sgd))
        for number in range(2):
            _step(modifier, number)
    for one, other in zip(_parameters(scaled), _parameters(plain), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5), (
            f"{_said(subject)} learns something else where the loss is scaled: differentiate "
            "'to_differentiate(loss)' and step by 'descend'"
        )


@POINTS.add("state", "What it returns as its state is all that it goes on from", KIND)
def check_state(subject: Subject) -> None:
    """Hand its state to another one in the middle, and compare what both give."""
    first, second = small_modifier(subject.text), small_modifier(subject.text)
    for number in range(STEPS):
        if number == STEPS // 2:
            second.load_state_dict(first.state_dict())
        for modifier in (first, second):
            _step(modifier, number)
            modifier.after_step(number + 1)
            if number % 2:
                modifier.after_evaluation(number + 1, math.exp(-number) + (number > STEPS // 2))
    one, other = first.weights(), second.weights()
    assert (one is None) == (other is None), f"{_said(subject)}: its state is not all of it"
    for name, value in (one or {}).items():
        assert other is not None
        assert value.equal(other[name]), (
            f"{_said(subject)}: '{name}' differs once it has gone on from its state"
        )
    assert first.finished == second.finished, f"{_said(subject)}: its state is not all of it"


@POINTS.add("run", "A run with it ends with finite losses and metrics", KIND)
def check_run(subject: Subject) -> None:
    """Check runs in which it modifies an algorithm, and a stage."""
    for outcome in _wholes(subject):
        assert outcome.log, f"{_said(subject)}: the run has no evaluation"
        for record in outcome.log:
            for key, value in record["losses"].items():
                assert math.isfinite(value), f"{_said(subject)}: the loss '{key}' is {value}"
        for key, value in outcome.test.items():
            assert value is None or math.isfinite(value), f"{_said(subject)}: test {key} is {value}"


@POINTS.add("repeat", "The same seed gives the same result", KIND)
def check_repeat(subject: Subject) -> None:
    """Check a second run in the same process against the first."""
    for number, (name, whole) in enumerate(zip(_chains(subject), _wholes(subject), strict=True)):
        again = run_small(name, subject.folder / f"again-{number}")
        check_same(whole, again, f"{name}, run a second time with the same seed,")


@POINTS.add("resume", "A run that is broken off and resumed ends as one that was not", KIND)
def check_resume(subject: Subject) -> None:
    """Check runs that are broken off twice, bit for bit."""
    for number, (name, whole) in enumerate(zip(_chains(subject), _wholes(subject), strict=True)):
        resumed = run_small(name, subject.folder / f"resumed-{number}", stops=STOPS)
        check_same(whole, resumed, f"{name}, broken off twice and resumed,")


def small_modifier(text: str) -> Modifier:
    """Return a modifier of a plain algorithm on the small backbone."""
    return build_modifier(text, build_algorithm(BASE, train_info(steps=STEPS)))


def _step(modifier: Modifier, number: int) -> dict[str, Tensor]:
    """Take a step as the training loop does."""
    model = modifier.model
    batch = random_batch_for(model, seed=number)
    torch.manual_seed(number)
    model.generator.manual_seed(number)
    model.before_step(number, SmallTraining(model, batch))
    return modifier.step(batch, model.step)


def _stepped(modifier: Modifier, steps: int) -> Iterator[dict[str, Tensor]]:
    """Take steps, and yield the losses of each once the modifier has looked at it."""
    for number in range(steps):
        losses = _step(modifier, number)
        modifier.after_step(number + 1)
        modifier.after_evaluation(number + 1, 1.0)
        yield losses


def _parameters(modifier: Modifier) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in modifier.model.parameters()]


def _class(subject: Subject) -> type[Modifier]:
    cls: type[Modifier] = subject.entry.load()
    return cls


def _chains(subject: Subject) -> list[str]:
    """Return what a user types: on an algorithm, and on a stage if one is installed that trains."""
    stages = (entry for entry in get_plugins()["stages"] if entry.distribution == "ltbench")
    trained = (e.name for e in stages if e.load().steps(STEPS, e.load().HParams()) > 0)
    stage = next(trained, "")
    own = f"{BASE}{AT}{subject.text}"
    return [own, *([f"{BASE}+{stage}{AT}{subject.text}"] if stage else [])]


def _wholes(subject: Subject) -> list[Outcome]:
    """Return runs that were never broken off."""
    return subject.once(
        "wholes",
        lambda: [
            run_small(name, subject.folder / f"whole-{number}")
            for number, name in enumerate(_chains(subject))
        ],
    )


def _said(subject: Subject) -> str:
    return f"modifier '{subject.text}'"
