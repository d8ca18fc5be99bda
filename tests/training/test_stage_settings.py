"""A stage's own length, learning rates and course of them, in runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from ltbench.plugins.stage import StageHParams
from ltbench.results.protocol import Protocol
from ltbench.testing import build_algorithm, build_stage, train_info
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training.loop import StageLoop
from ltbench.training.optimizers import FACTOR, optimizer_maker
from ltbench.training.steps import stage_protocol

COUNTS = [[12, 6, 3, 1], [1, 3, 5, 8]]


def rates(log, stage):
    return [line["lr"] for line in log if line["stage"] == stage]


def test_a_stage_has_its_own_length_rate_and_course(make_job, tmp_path: Path):
    settings = {"steps": 8, "eval_every": 1, "lr": 0.1, "optimizer": "sgd", "warmup": 0.5}
    spec = make_job("erm+crt[steps=4,lr=0.5,schedule=cosine]", **settings).spec
    found = carry_out(spec, tmp_path / "whole", tmp_path)
    assert len(rates(found.log, "erm")) == 8
    cosine = [(1 + torch.cos(torch.tensor(torch.pi * k / 4))).item() / 2 for k in range(4)]
    assert rates(found.log, "crt") == pytest.approx([0.05 * factor for factor in cosine])
    parts = carry_out(spec, tmp_path / "parts", tmp_path, stops=(9, 11))
    check_same(found, parts, "a resumed stage")


def test_without_settings_of_its_own_a_stage_has_the_protocols(make_job, tmp_path: Path):
    settings = {"steps": 4, "eval_every": 1, "lr": 0.1, "warmup": 0.5}
    found = carry_out(make_job("erm+crt", **settings).spec, tmp_path / "run", tmp_path)
    assert rates(found.log, "crt") == rates(found.log, "erm")


def test_mislas_gives_the_scales_the_whole_rate_and_the_classifier_its_share():
    stage = build_stage(
        "mislas[classifier_lr=0.2,lr=0.5]", build_algorithm("erm", train_info(COUNTS))
    )
    protocol = stage_protocol(Protocol(lr=0.1, optimizer="sgd", classifier_lr=3.0), stage)
    (optimizer,) = stage.configure_optimizers(optimizer_maker(protocol, stage)).values()
    of = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert of[id(stage.scales)] == pytest.approx(0.05)
    assert of[id(stage.classifier.weight)] == pytest.approx(0.05 * 3.0 * 0.2)
    assert {group.get(FACTOR, 1.0) for group in optimizer.param_groups} == {1.0, 3.0 * 0.2}


def test_an_algorithm_trains_under_the_protocol_as_it_is():
    protocol = Protocol(schedule="cosine")
    assert stage_protocol(protocol, build_algorithm("erm", train_info(COUNTS))) is protocol


def test_a_warm_up_is_the_protocols_course_alone():
    stage = build_stage("crt[schedule=constant]", build_algorithm("erm", train_info(COUNTS)))
    own = stage_protocol(Protocol(schedule="cosine", warmup=0.1), stage)
    assert (own.schedule, own.warmup) == ("constant", 0.0)
    kept = build_stage("crt", build_algorithm("erm", train_info(COUNTS)))
    assert stage_protocol(Protocol(schedule="cosine", warmup=0.1), kept).warmup == 0.1


def test_statistics_that_the_protocol_freezes_stay_whatever_a_stage_wants(make_job, tmp_path: Path):
    base = build_algorithm("erm", train_info(COUNTS))
    stage = build_stage("crt[shift_bn=true]", base)
    norms = [m for m in base.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    loop = object.__new__(StageLoop)
    loop.model = stage
    for frozen in (True, False):
        loop.protocol = Protocol(freeze_bn=frozen)
        loop._train_mode()
        assert {norm.training for norm in norms} == {not frozen}


@pytest.mark.parametrize("method", ["bcl", "glmc[normalise=always]"])
def test_statistics_of_a_head_are_never_frozen_as_no_weights_came_with_it(method):
    loop = object.__new__(StageLoop)
    loop.model = build_algorithm(method, train_info(COUNTS))
    loop.protocol = Protocol(freeze_bn=True)
    loop._train_mode()
    of_backbone = set(loop.model.backbone.modules())
    norms = [m for m in loop.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert {(norm in of_backbone, norm.training) for norm in norms} == {
        (True, False),
        (False, True),
    }


def test_every_setting_of_stages_came_later_than_the_first_runs():
    assert all(bounds.later for bounds in StageHParams.bounds().values())
    assert StageHParams().as_dict() == {}
    assert [field.name for field in dataclasses.fields(StageHParams)] == ["steps", "lr", "schedule"]
