"""Optimisers by name, and the rates and decays of their groups of parameters."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
import torch
from torch import nn

from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.resolve import resolve
from ltbench.results.folder import RunFolder
from ltbench.results.optimizer_names import optimizer_names
from ltbench.results.protocol import Protocol
from ltbench.testing.small_model import build_algorithm, build_stage, train_info
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training.loop import optimizer_maker
from ltbench.training.optimizers import has_betas
from ltbench.training.run import execute


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(3))]


def test_the_names_are_timms_and_are_known_without_importing_it():
    code = (
        "import sys; from ltbench.results.optimizer_names import optimizer_names as names; "
        "names(); assert 'timm' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    timm_optim = pytest.importorskip("timm.optim")
    listed = getattr(timm_optim, "list_optimizers", None)
    if listed is None:
        pytest.skip("this timm lists none")
    assert set(optimizer_names()) == set(listed()) | {"adam", "adamw", "sgd"}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_those_of_torch_are_torchs(name):
    optimizer = optimizer_maker(Protocol(optimizer=name, momentum=0.5))(parameters())
    assert type(optimizer) is {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}.get(
        name, torch.optim.SGD
    )
    assert len(optimizer.param_groups) == 1
    assert not optimizer.param_groups[0].get("nesterov")
    assert optimizer.param_groups[0].get("momentum", 0.5) == 0.5


def test_others_are_timms_with_the_settings_passed_on():
    protocol = Protocol(optimizer="sgdp", lr=0.3, momentum=0.7, weight_decay=0.2)
    (group,) = optimizer_maker(protocol)(parameters()).param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.3, 0.7, 0.2)
    assert type(optimizer_maker(Protocol(optimizer="lamb"))(parameters())).__name__ == "Lamb"


@pytest.mark.parametrize(
    "name", ["lamb", "lion", "adan", "nadamw", "rmsprop", "sgdp", "adafactor", "madgrad"]
)
def test_a_run_that_is_broken_off_ends_as_one_that_was_not(make_job, tmp_path, name):
    spec = make_job(optimizer=name, lr=1e-3, weight_decay=1e-2).spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=[2, 7])
    check_same(whole, broken, f"{name}, broken off and resumed,")
    assert whole.log[0]["losses"] != whole.log[-1]["losses"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adahessian", "optimizer=adahessian needs second derivatives"),
        ("fusedlamb", "optimizer=fusedlamb is of the package 'apex', which is not installed"),
        ("bnbadam8bit", "is of the package 'bitsandbytes', which is not installed"),
        ("lam", "is not possible; did you mean 'lamb'"),
        ("lbfgs", "is not possible"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(make_job, name, message):
    with pytest.raises(UsageError, match=message):
        make_job(optimizer=name)


def groups(algo: str, **settings: float) -> list[dict]:
    model = build_algorithm(algo, train_info())
    made = model.configure_optimizers(optimizer_maker(Protocol(lr=0.1, **settings), model))
    return [group for optimizer in made.values() for group in optimizer.param_groups]


def rates(model: nn.Module, found: list[dict]) -> dict[str, float]:
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: g["lr"] for g in found for p in g["params"] if id(p) in names}


@pytest.mark.parametrize(
    "algo", ["erm", "dann", "ldam[normalized=true]", "balpoe", "coral[loss=ldam]"]
)
def test_classifier_and_backbone_learn_at_rates_of_their_own(algo):
    model = build_algorithm(algo, train_info())
    protocol = Protocol(lr=0.1, classifier_lr=10.0, backbone_lr=0.5)
    made = model.configure_optimizers(optimizer_maker(protocol, model))
    found = rates(model, [g for o in made.values() for g in o.param_groups])
    assert found.keys() == {name for name, p in model.named_parameters() if p.requires_grad}
    for name, rate in found.items():
        factor = {"classifier": 10.0, "criterion": 10.0, "backbone": 0.5}.get(name.split(".")[0], 1)
        assert rate == pytest.approx(0.1 * factor), name


@pytest.mark.parametrize(
    ("name", "there"),
    [("adam", True), ("adan", True), ("lion", True), ("sgd", False), ("adafactor", False)],
)
def test_which_optimisers_have_betas(name, there):
    assert has_betas(Protocol(optimizer=name)) == there


@pytest.mark.skipif(torch.cuda.is_available(), reason="where a GPU is it can be built")
def test_of_an_optimiser_that_cannot_be_built_here_betas_are_taken_for_granted():
    assert has_betas(Protocol(optimizer="bnbadam"))


def test_a_stages_fresh_classifier_is_the_classifier():
    stage = build_stage("crt", build_algorithm("erm", train_info()))
    made = stage.configure_optimizers(optimizer_maker(Protocol(lr=0.1, classifier_lr=3.0), stage))
    assert rates(stage, made["main"].param_groups) == {
        "classifier.weight": pytest.approx(0.3),
        "classifier.bias": pytest.approx(0.3),
    }


def test_without_factors_there_is_one_group_as_ever():
    assert [len(group["params"]) for group in groups("erm")] == [6]
    assert "lr_factor" not in groups("erm")[0]


def test_decay_of_weights_only():
    plain, spared = groups("erm", weight_decay=0.1, decay_weights_only=True)
    assert {p.ndim for p in plain["params"]} == {2, 4}
    assert {p.ndim for p in spared["params"]} == {1}
    assert (plain["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)


def test_position_embeddings_of_timm_are_spared_as_timm_does():
    cls, hparams = resolve("algorithms", "erm", {})
    backbone = build_backbone("vit_tiny_patch16_224", (3, 32, 32), False)
    model = cls(backbone, train_info(), hparams)
    protocol = Protocol(weight_decay=0.1, decay_weights_only=True, layer_decay=0.5)
    made = model.configure_optimizers(optimizer_maker(protocol, model))["main"].param_groups
    decays = {id(p): g["weight_decay"] for g in made for p in g["params"]}
    named = dict(backbone.model.named_parameters())
    assert decays[id(named["pos_embed"])] == decays[id(named["cls_token"])] == 0.0
    assert decays[id(named["blocks.0.attn.qkv.weight"])] == 0.1
    found = rates(backbone.model, made)
    blocks = [found[f"blocks.{i}.attn.qkv.weight"] for i in range(12)]
    assert all(low == pytest.approx(high / 2) for low, high in itertools.pairwise(blocks))
    assert found["patch_embed.proj.weight"] == pytest.approx(blocks[0] / 2)
    assert found["norm.weight"] == pytest.approx(protocol.lr)


@pytest.mark.parametrize("algo", ["erm+crt", "mldg", "dann", "irm[anneal=4]"])
def test_factors_last_over_a_resume_and_the_log_has_the_rate_without_them(make_job, tmp_path, algo):
    settings = {"classifier_lr": 5.0, "backbone_lr": 0.5, "schedule": "cosine", "grad_clip": 1.0}
    spec = make_job(algo, **settings).spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=[2, 7])
    check_same(whole, broken, f"{algo}, broken off and resumed,")
    plain = carry_out(make_job(algo, schedule="cosine").spec, tmp_path / "plain", tmp_path)
    assert [r["lr"] for r in whole.log] == pytest.approx([r["lr"] for r in plain.log])
    assert whole.log[-1]["losses"] != plain.log[-1]["losses"]


def test_a_classifier_that_learns_next_to_nothing_stays(make_job):
    def classifier(folder: str, **settings: float) -> torch.Tensor:
        job = make_job(folder=folder, lr=0.01, select="last", **settings)
        assert "test" in execute(job, lambda _: None, lambda: False)
        return torch.load(RunFolder(job.folder).best, weights_only=True)["model"][
            "classifier.weight"
        ]

    begun, still = (
        classifier("begun", steps=1, classifier_lr=1e-9),
        classifier("s", classifier_lr=1e-9),
    )
    assert torch.allclose(begun, still, atol=1e-7)
    assert not torch.allclose(classifier("moves"), still, atol=1e-3)


def test_each_of_several_backbones_has_the_rates_of_its_layers():
    cls, hparams = resolve("algorithms", "balpoe", {"experts": 2})
    model = cls(build_backbone("resnet18", (3, 32, 32), False), train_info(), hparams)
    made = model.configure_optimizers(optimizer_maker(Protocol(lr=1.0, layer_decay=0.5), model))
    one, other = (rates(net, made["main"].param_groups) for net in model.backbone.backbones)
    assert one == other
    assert one["model.conv1.weight"] < one["model.layer1.0.conv1.weight"]
    assert one["model.layer1.0.conv1.weight"] < one["model.layer4.1.conv2.weight"]
