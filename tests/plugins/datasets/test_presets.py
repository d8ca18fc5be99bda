"""The presets of the literature plan what their papers say, and run on small networks."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from ltbench.cli.run import run
from ltbench.cli.soup import soup
from ltbench.plugins.manager import get_plugins
from ltbench.results.folder import RunFolder
from ltbench.results.index import read_runs
from ltbench.session.plan import plan_runs
from ltbench.session.presets import command_of, find_preset
from ltbench.testing.small_data import register_small_data
from ltbench.testing.small_run import carry_out
from ltbench.training.checkpoint import load_best

NAMES = [entry.name for entry in get_plugins()["presets"] if entry.distribution == "ltbench"]
SMALL = "test_vit[adapt=adaptformer,head=cosine,init=class-mean]"
OF_NAMES = (
    "vit_base_patch16_clip_quickgelu_224.openai[adapt=adaptformer,head=cosine,init=class-mean]"
)


def planned(*words):
    words = [*words, "--precision", "fp32", "--dry-run", "--json"]
    result = CliRunner().invoke(run, words)
    assert result.exit_code == 0, result.exception or result.output
    return json.loads(result.stdout)


def settings(name):
    return get_plugins()["protocols"].get(name).load()


def test_there_are_four():
    assert sorted(NAMES) == ["diwa", "erm-plus-plus", "lift", "lift-plus"]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_command_that_plans_the_same(name):
    # The text tower of open_clip may not be here.
    other = ["--backbone", OF_NAMES] if name.startswith("lift") else []
    rest = ["--dataset", "digits-mini-mlt", *other]
    whole = shlex.split(command_of(find_preset(name), "digits-mini-mlt"))[2:]
    found = planned("--preset", name, *rest)
    assert [one["hash"] for one in planned(*whole, *rest)] == [one["hash"] for one in found]
    assert len(found) == {"diwa": 18}.get(name, 5)


@pytest.mark.parametrize("name", ["lift", "lift-plus"])
def test_lift_plans_on_lists_of_a_thousand_classes(name, tmp_path):
    from PIL import Image

    root = tmp_path / "imagenet"
    for part in ("train", "val", "test"):
        lines = []
        for c, synset in enumerate(["n01440764", "n01443537"]):
            path = f"{'val' if part == 'test' else 'train'}/{synset}/{part}_{c}.JPEG"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (30, 24), (40 * c, 9, 9)).save(root / path)
            lines.append(f"{path} {c}")
        (root / f"ImageNet_LT_{part}.txt").write_text("\n".join(lines) + "\n")
    words = ["--dataset", "imagenet-lt", "--data-dir", str(tmp_path), "--backbone", OF_NAMES]
    (found,) = planned("--preset", name, *words, "--seeds", "1")
    assert "logit-adjust" in found["label"]


@pytest.mark.parametrize("name", ["lift", "lift-plus"])
def test_lift_trains_a_small_transformer(name, tmp_path, monkeypatch):
    words = ["--preset", name, "--backbone", SMALL, "--no-pretrained", "--image-size", "32"]
    words += ["--dataset", "small-mlt", "--steps", "3", "--batch-size", "4", "--seeds", "1"]
    words += ["--eval-every", "3", "--precision", "fp32", "--device", "cpu", "--jobs", "1"]
    carried_out(words, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["erm-plus-plus", "diwa"])
def test_the_others_train_a_small_network(name, tmp_path, monkeypatch):
    words = ["--preset", name, "--backbone", "small-cnn", "--no-pretrained", "--steps", "4"]
    words += ["--dataset", "small-mlt", "--batch-size", "4", "--seeds", "1", "--precision", "fp32"]
    words += ["--head-steps", "2"] if name == "erm-plus-plus" else []
    carried_out(words, tmp_path, monkeypatch)


def carried_out(words, folder, monkeypatch):
    """Carry out the last run that a command plans, in this process."""
    register_small_data()
    plans = []
    keep = lambda request, **more: plans.append(plan_runs(request, **more)) or plans[-1]  # noqa: E731
    monkeypatch.setattr("ltbench.session.session.plan_runs", keep)
    planned(*words)
    outcome = carry_out(plans[0].specs[-1], folder / "run", folder)
    assert outcome.log


def test_lift_is_the_setting_of_the_paper():
    lift, plus = settings("lift"), settings("lift-plus")
    assert (lift["lr"], lift["epochs"], plus["lr"], plus["epochs"]) == (0.01, 10, 0.02, 5)
    shared = {"batch_per_domain": 128, "optimizer": "sgd", "momentum": 0.9, "weight_decay": 5e-4}
    assert shared.items() <= lift.items() & plus.items()
    assert plus["augmentation"] == "growing-crop"
    # OpenAI's weights were trained with QuickGELU, and the authors start from the classes' names.
    network = "vit_base_patch16_clip_quickgelu_224.openai[adapt=adaptformer,head=cosine,init=text]"
    assert lift["backbone"] == plus["backbone"] == network


def test_lift_differs_from_clip_in_the_start_of_the_classifier_alone():
    lift, clip = settings("lift"), settings("clip")
    assert {key for key in lift | clip if lift.get(key) != clip.get(key)} == {"backbone"}
    assert lift["backbone"].replace("text", "class-mean") == clip["backbone"]


def test_erm_plus_plus_is_the_setting_of_the_paper():
    given, base = settings("erm-plus-plus"), settings("domainbed")
    own = {"backbone": "resnet50.ram_in1k", "freeze_bn": False, "head_steps": 500}
    assert {key for key in given | base if given.get(key) != base.get(key)} == own.keys()
    assert own.items() <= given.items()
    part = find_preset("erm-plus-plus").options["algo"]
    assert part == "erm@swa[start=0.12,cycle=1,schedule=protocol]"
    assert round(0.12 * given["steps"]) == 600


def test_what_diwa_prints_makes_the_mean_of_its_runs(tmp_path):
    out = tmp_path / "runs"
    words = ["--preset", "diwa", "--protocol", "diwa[lr=[1e-2,1e-3]]", "--dataset", "tiny-mlt"]
    words += ["--backbone", "digits-cnn-narrow", "--no-pretrained", "--steps", "3", "--jobs", "1"]
    words += ["--batch-size", "4", "--augmentation", "none", "--precision", "fp32"]
    done = CliRunner().invoke(run, [*words, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (line,) = re.findall(r"ltbench (soup .*--uniform)", done.output)
    made = CliRunner().invoke(soup, [*shlex.split(line)[1:], "--device", "cpu", "--json"])
    assert made.exit_code == 0, made.output
    (mean,) = json.loads(made.stdout)["made"]
    found = load_best(RunFolder(Path(mean["folder"])).best).model
    members = [Path(one.path) for one in read_runs(out) if not one.combined]
    states = [load_best(RunFolder(folder).best).model for folder in members]
    assert len(states) == 2
    for name, value in found.items():
        wanted = torch.stack([state[name].double() for state in states]).mean(0)
        assert torch.allclose(value.double(), wanted, atol=1e-6), name
    assert any(not value.equal(states[1][name]) for name, value in states[0].items())


def test_diwa_varies_what_the_paper_does():
    protocol = find_preset("diwa").options["protocol"]
    assert "lr=[1e-05,3e-05,5e-05]" in protocol
    assert "weight_decay=[1e-06,0.0001]" in protocol
    assert "dropout=[0.0,0.1,0.5]" in protocol
