"""The first steps of a training may be the classifier's alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ltbench.errors import UsageError
from ltbench.session.plan import Request, plan_runs
from ltbench.testing import build_algorithm, random_batch, train_info
from ltbench.testing.small_data import NAME, register_small_data
from ltbench.testing.small_model import SmallTraining
from ltbench.testing.small_run import carry_out, check_same


def plan(algo, **settings):
    register_small_data()
    request = Request([algo], [NAME], [0], "fp32", Path(), overrides=settings)
    return plan_runs(request).specs[0]


def backbone_of(outcome):
    return {k: v for k, v in outcome.model.items() if k.startswith("backbone.")}


def stepped(name, *, rests):
    model = build_algorithm(name, train_info())
    before = {key: value.clone() for key, value in model.named_parameters()}
    batch = random_batch(model.train_info)
    model.before_step(0, SmallTraining(model, batch))
    model.backbone_rests = rests
    model.step(batch)
    return {key for key, value in model.named_parameters() if not value.equal(before[key])}


@pytest.mark.parametrize("name", ["erm", "coral", "irm", "rsc", "miro", "fishr", "ldam"])
def test_while_the_backbone_rests_all_but_it_moves(name):
    moved = stepped(name, rests=True)
    assert moved
    assert not any(key.startswith("backbone.") for key in moved)
    assert any(key.startswith("backbone.") for key in stepped(name, rests=False))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("algo", ["erm", "erm@sam", "erm@ema"])
def test_the_network_moves_after_the_first_steps_alone(tmp_path, algo, optimizer, monkeypatch):
    from ltbench.plugins.algorithm import Algorithm

    seen = []
    features = Algorithm.features

    def watch(self, x):
        if self.training:
            weight = next(self.backbone.parameters())
            seen.append((self.backbone_rests, weight.detach().clone()))
        return features(self, x)

    monkeypatch.setattr(Algorithm, "features", watch)
    spec = plan(algo, head_steps=3, steps=6, eval_every=6, optimizer=optimizer)
    carry_out(spec, tmp_path / "run", Path())
    passes = len(seen) // 6
    rests = [rest for rest, _ in seen[::passes]]
    assert rests == [True] * 3 + [False] * 3
    first = seen[0][1]
    still = [weight.equal(first) for _, weight in seen[::passes]]
    assert still[:4] == [True] * 4
    assert not any(still[4:])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_run_that_is_broken_off_among_them_goes_on_as_one_that_was_not(tmp_path, optimizer):
    spec = plan("erm@ema", head_steps=3, steps=6, eval_every=2, optimizer=optimizer)
    whole = carry_out(spec, tmp_path / "whole", Path())
    resumed = carry_out(spec, tmp_path / "resumed", Path(), stops=(2, 4))
    check_same(whole, resumed, "a run with head_steps")


def test_without_them_a_run_is_what_it_was():
    assert "head_steps" not in plan("erm").protocol.as_dict()
    assert plan("erm").hash == plan("erm", head_steps=0).hash != plan("erm", head_steps=2).hash


def test_the_stages_after_have_none(tmp_path):
    outcome = carry_out(plan("erm+crt", head_steps=2, steps=4), tmp_path / "run", Path())
    assert outcome.log[-1]["stage"] == "crt"
    assert torch.isfinite(torch.tensor(outcome.log[-1]["losses"]["total"]))


def test_a_stage_that_stops_among_them_leaves_the_next_one_its_backbone(tmp_path):
    """Without a break the next stage is given the very model that stopped."""
    settings = {"head_steps": 30, "steps": 32, "eval_every": 1, "patience": 1, "lr": 1e-5}
    whole = carry_out(plan("erm+finetune", **settings), tmp_path / "whole", Path())
    first = [record for record in whole.log if record["stage"] == "erm"]
    assert first[-1]["stopped"]
    assert len(first) < 30
    alone = carry_out(plan("erm", **settings), tmp_path / "alone", Path())
    for key, value in backbone_of(alone).items():
        if key.endswith("0.weight"):  # of the convolution; statistics change in any case
            assert not whole.model[f"base.{key}"].equal(value)


@pytest.mark.parametrize("algo", ["dann", "sagnet", "fish", "mldg"])
def test_methods_that_take_their_own_steps_are_refused(algo):
    with pytest.raises(UsageError, match=f"'{algo}' does not honour head_steps=2"):
        plan(algo, head_steps=2)


def test_as_many_as_there_are_steps_are_refused():
    with pytest.raises(UsageError, match="head_steps=5 leave none of the 5 steps"):
        plan("erm", head_steps=5, steps=5)
