"""The settings ``dropout`` and ``drop_path``: in training alone, and as often as they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from timm.layers import DropPath

from ltbench.data.catalogue import open_dataset
from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.names import Name
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_model import build_algorithm, build_stage, random_batch, train_info
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training.model import ModelBuilder
from ltbench.training.run import execute


@pytest.mark.parametrize("algo", ["erm", "mtl", "urm", "balpoe", "coral[loss=ldam]"])
def test_the_share_of_the_features_is_dropped_in_training_alone(algo):
    info = replace(train_info(batch_per_domain=64), dropout=0.25)
    model, plain = build_algorithm(algo, info), build_algorithm(algo, replace(info, dropout=0.0))
    x = random_batch(info).x
    torch.manual_seed(1)
    found, whole = model.features(x), plain.features(x)
    dropped = (found == 0) & (whole != 0)
    assert float(dropped.float().sum() / (whole != 0).sum()) == pytest.approx(0.25, abs=0.03)
    if algo != "urm":  # whose features pass through tanh
        assert torch.allclose(found[~dropped], whole[~dropped] / 0.75, atol=1e-5)
    model.eval(), plain.eval()
    assert torch.equal(model.features(x), plain.features(x))


def test_a_frozen_model_drops_nothing():
    info = replace(train_info(), dropout=0.5)
    stage = build_stage("crt", build_algorithm("erm", info))
    x = random_batch(info).x
    assert torch.equal(stage.features(x), stage.features(x))


@pytest.mark.parametrize("setting", [{"dropout": 0.3}, {"drop_path": 0.4}])
def test_a_run_that_is_broken_off_ends_as_one_that_was_not(tmp_path, setting):
    spec = of_timm(**setting)
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=[2])
    check_same(whole, broken, "with something dropped, broken off and resumed,")


def of_timm(**settings):
    given = {"steps": 4, "batch_per_domain": 2, "eval_every": 2, **settings}
    request = Request(
        ["erm"], ["tiny-mlt"], [0], "fp32", Path(), given, backbone="vit_tiny_patch16_224"
    )
    spec = plan_runs(request).specs[0]
    return replace(spec, protocol=replace(spec.protocol, image_size=16))


def paths(name: str, share: float) -> list[float]:
    backbone = build_backbone(name, (3, 32, 32), False, share)
    return [m.drop_prob for m in backbone.modules() if isinstance(m, DropPath)]


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "vit_tiny_patch16_224"])
def test_the_deepest_path_is_left_out_as_often_as_the_setting_says(name):
    assert max(paths(name, 0.4)) == pytest.approx(0.4)
    assert not any(paths(name, 0.0))


def test_a_run_has_the_paths_of_its_protocol():
    dataset, split = open_dataset(Name("tiny-mlt", {}), None)
    spec = of_timm(drop_path=0.2)
    facts = spec.protocol.sized(dataset.facts)
    model = ModelBuilder(spec, facts, split, torch.device("cpu")).algorithm()
    found = [m.drop_prob for m in model.modules() if isinstance(m, DropPath)]
    assert max(found) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("backbone", "setting", "message"),
    [
        ("digits-cnn", {"drop_path": 0.1}, "backbone 'digits-cnn' has no paths to drop"),
        ("resnet32", {"drop_path": 0.1}, "backbone 'resnet32' has no paths to drop"),
        ("vgg11", {"drop_path": 0.1}, "backbone 'vgg11' has no paths to drop"),
        ("digits-cnn", {"layer_decay": 0.5}, "'digits-cnn' does not say which layer is below"),
    ],
)
def test_a_backbone_without_what_a_setting_speaks_of_is_named(backbone, setting, message):
    given = {"image_size": 32, **setting}
    request = Request(["erm"], ["tiny-mlt"], [0], "fp32", Path(), given, backbone=backbone)
    with pytest.raises(UsageError, match=message):
        plan_runs(request)


def test_dropout_changes_a_run(make_job):
    losses = [
        execute(make_job(folder=str(p), dropout=p), lambda _: None, lambda: False)["val"]["loss"]
        for p in (0.0, 0.5)
    ]
    assert losses[0] != losses[1]
