"""Every modifier on every algorithm and stage: it works, or is refused with a reason."""

from __future__ import annotations

import pytest
import torch

from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.results.component import Component
from ltbench.testing import (
    SmallTraining,
    build_algorithm,
    build_stage,
    random_batch_for,
    train_info,
)
from ltbench.testing.conformance import check_conformance
from ltbench.testing.small_run import plan_small
from ltbench.training.modification import Modification

STEPS = 4
OPTIONS = {"swa": "[start=0.3]", "swad": "[converge=1]", "lookahead": "[k=2]"}
OWN_STEPS = {"dann", "cdann", "fish", "mldg", "sagnet", "urm", "weight-balancing"}
"""What takes steps of its own, which the two that look twice at a loss refuse."""


def names(kinds: str) -> list[str]:
    return [entry.name for entry in get_plugins()[kinds] if entry.distribution == "ltbench"]


MODIFIERS = names("modifiers")
METHODS = [*names("algorithms"), *(f"erm+{stage}" for stage in names("stages"))]


@pytest.mark.parametrize("name", MODIFIERS)
def test_it_does_what_all_modifiers_do(name, tmp_path):
    check_conformance(name, tmp_path)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("modifier", MODIFIERS)
def test_a_pair_works_or_is_refused(method, modifier):
    try:
        spec = plan_small(f"{method}@{modifier}{OPTIONS.get(modifier, '')}")
    except UsageError as error:
        said = str(error)
        assert "\n" not in said
        assert f"@{modifier}" in said or "class weights" in said or "linear" in said
        if modifier in ("sam", "imbsam"):
            assert "its own" in said or "not trained" in said
        else:
            assert "not trained" in said
        return
    part = spec.parts[-1]
    assert modifier not in ("sam", "imbsam") or part.name not in OWN_STEPS
    model = build_algorithm(spec.algorithm.name, train_info(steps=STEPS))
    if spec.stages:
        model = build_stage(part.name, model)
    modification = Modification(Component(part.name, {}, part.modifiers), model)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for step in range(STEPS):
        batch = random_batch_for(model, seed=step)
        torch.manual_seed(step)
        model.generator.manual_seed(step)
        model.before_step(step, SmallTraining(model, batch))
        losses = modification.step(batch)
        modification.after_step(step + 1)
        for one in modification.modifiers:
            one.after_evaluation(step + 1, 1.0)
        assert all(bool(value.isfinite()) for value in losses.values())
    moved = {n for n, value in model.named_parameters() if not value.equal(before[n])}
    assert moved
    with modification.standing(lambda: None) as given:
        assert given == (modifier not in ("sam", "imbsam"))
        model.eval()
        with torch.no_grad():
            assert bool(model.predict(random_batch_for(model).x).isfinite().all())


@pytest.mark.parametrize("modifier", ["ema", "swa", "swad", "lookahead"])
def test_averages_go_with_every_algorithm_that_is_trained(modifier):
    for method in names("algorithms"):
        plan_small(f"{method}@{modifier}")


def test_which_take_steps_of_their_own():
    refused = set()
    for method in [*names("algorithms"), *names("stages")]:
        try:
            plan_small(f"{method}@sam")
        except UsageError as error:
            if "its own" in str(error):
                refused.add(method)
    assert refused == OWN_STEPS
