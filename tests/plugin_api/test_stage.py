"""A stage on top of an algorithm: whose backbone is it?"""

from __future__ import annotations

import torch

from ltbench.testing import build_algorithm, build_stage, random_batch, take_steps, train_info


def test_the_backbone_stands_once_in_a_checkpoint_however_many_stages_there_are():
    base = build_algorithm("erm", train_info())
    stage = build_stage("tau-norm", build_stage("crt", base))
    keys = [key for key in stage.state_dict() if "backbone" in key]
    assert keys
    assert all(key.startswith("base.base.backbone.") for key in keys)
    assert stage.backbone is base.backbone


def test_a_checkpoint_that_names_it_twice_is_still_read():
    stage = build_stage("crt", build_algorithm("erm", train_info()))
    take_steps(stage, [random_batch(stage.train_info)])
    state = stage.state_dict()
    old = {k.removeprefix("base."): v for k, v in state.items() if k.startswith("base.backbone.")}
    assert old
    other = build_stage("crt", build_algorithm("erm", train_info(), seed=1), seed=1)
    other.load_state_dict({**old, **state})
    x = random_batch(stage.train_info).x
    assert torch.equal(stage.eval().predict(x), other.eval().predict(x))
