"""Runs whose training is modified: what is evaluated, kept and resumed, bit for bit."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from ltbench_baselines.erm import ERM
from torch.nn.functional import cross_entropy

from ltbench.models.adaptation.adapted import adapted
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.backbone_options import checked_options
from ltbench.results.component import Component
from ltbench.results.folder import RunFolder
from ltbench.results.logits import read_logits
from ltbench.results.protocol import Protocol
from ltbench.testing import build_algorithm, random_batch, train_info
from ltbench.testing.small_data import COUNTS
from ltbench.testing.small_run import carry_out, check_same, plan_small, run_small
from ltbench.training import loop
from ltbench.training.batch_norm import adapting_norms, estimate_statistics
from ltbench.training.checkpoint import load_checkpoint
from ltbench.training.modification import Modification
from ltbench.training.optimizers import optimizer_maker
from ltbench.training.run import execute

STEPS = 12
COMPOSED = "coral[loss=bsoftmax]@ema+crt"
DENSE = {"eval_every": 1, "lr": 0.05}


@pytest.mark.parametrize(
    "algo",
    ["erm@sam[rho=0]", "erm@ema[decay=0]", "erm@lookahead[k=1,alpha=1]", "groupdro@sam[rho=0]"],
)
def test_at_its_limit_a_run_is_the_plain_one(tmp_path, algo):
    plain, modified = (run_small(name, tmp_path / name) for name in (algo.partition("@")[0], algo))
    for record in modified.log:
        record["stage"] = record["stage"].partition("@")[0]
    check_same(plain, modified, algo)


@pytest.mark.parametrize(
    "algo",
    [
        COMPOSED,
        "erm@swad[converge=1,patience=2]",
        "erm@swa[start=0.3]+crt@ema",
        "erm@sam@ema",
        "ldam@imbsam@lookahead[k=2]",
    ],
)
def test_a_run_that_is_broken_off_after_any_step_ends_as_one_that_was_not(make_job, tmp_path, algo):
    spec = make_job(algo, steps=5, eval_every=2).spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    for stop in range(1, 10):
        broken = carry_out(spec, tmp_path / f"broken-{stop}", tmp_path, stops=[stop])
        check_same(whole, broken, f"{algo}, broken off after step {stop},")


def test_the_parts_of_a_composition_are_in_the_log(tmp_path):
    outcome = run_small(COMPOSED, tmp_path)
    assert list(dict.fromkeys(record["stage"] for record in outcome.log)) == ["coral@ema", "crt"]


def weights_seen(monkeypatch) -> list[dict[str, torch.Tensor]]:
    """Note the trained weights after each step, and return where."""
    seen: list[dict[str, torch.Tensor]] = []
    after = loop.Modification.after_step

    def note(self, step):
        after(self, step)
        seen.append({n: p.detach().clone() for n, p in self.model.named_parameters()})

    monkeypatch.setattr(loop.Modification, "after_step", note)
    return seen


def test_the_average_is_kept_and_the_training_goes_on_from_its_own(make_job, monkeypatch):
    settings = {"select": "last", "eval_every": 3, "augmentation": "none"}
    seen = weights_seen(monkeypatch)
    job = make_job("erm@swa[start=0,cycle=1,schedule=protocol]", **settings)
    assert "test" in execute(job, lambda _: None, lambda: False)
    modified = list(seen)
    seen.clear()
    assert "test" in execute(make_job(folder="plain", **settings), lambda _: None, lambda: False)
    plain = list(seen)
    for one, other in zip(modified, plain, strict=True):
        assert all(one[name].equal(value) for name, value in other.items())
    best = torch.load(RunFolder(job.folder).best, weights_only=True)["model"]
    initial = carry_initial(make_job)
    for name in plain[0]:
        mean = torch.stack([initial[name], *(one[name] for one in plain)]).double().mean(0)
        assert torch.allclose(best[name].double(), mean, atol=1e-6), name


def test_the_kept_average_has_statistics_of_its_own_and_is_what_is_validated(tmp_path, monkeypatch):
    seen: list[tuple[torch.nn.Module, list[torch.Tensor]]] = []
    estimate = loop.estimate_statistics

    def note(model, batches):
        seen.append((copy.deepcopy(model), [x.clone() for x in batches]))
        estimate(model, seen[-1][1])

    monkeypatch.setattr(loop, "estimate_statistics", note)
    spec = plan_small("erm@swa[start=0,cycle=1,schedule=protocol]")
    spec = replace(spec, protocol=replace(spec.protocol, select="last", lr=0.05))
    folder = RunFolder(tmp_path / "run")
    carry_out(spec, folder.path, tmp_path)
    best = torch.load(folder.best, weights_only=True)["model"]
    model, batches = seen[-1]
    assert sum(len(x) for x in batches) >= sum(map(sum, COUNTS))
    (norm,) = adapting_norms(model)
    model.load_state_dict(best)
    inputs: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach().double()))
    for x in batches:
        model.eval().predict(x)
    mean = torch.stack([x.mean((0, 2, 3)) for x in inputs]).mean(0)
    variance = torch.stack([x.var((0, 2, 3)) for x in inputs]).mean(0)
    assert torch.allclose(norm.running_mean.double(), mean, atol=1e-5)
    assert torch.allclose(norm.running_var.double(), variance, atol=1e-5)
    last = json.loads(folder.log.read_text().splitlines()[-1])["val"]
    kept = read_logits(folder.path, "val")
    z, y = torch.from_numpy(kept.logits).double(), torch.from_numpy(kept.classes)
    assert last["accuracy"] == pytest.approx(float((z.argmax(1) == y).double().mean()))
    assert last["loss"] == pytest.approx(float(cross_entropy(z, y)), rel=1e-3)


def carry_initial(make_job) -> dict[str, torch.Tensor]:
    """Return the first weights of a run, those of one that does not learn."""
    job = make_job(folder="still", lr=1e-12, select="last", optimizer="sgd", momentum=0.0)
    assert "test" in execute(job, lambda _: None, lambda: False)
    return torch.load(RunFolder(job.folder).best, weights_only=True)["model"]


def test_once_there_is_an_average_what_was_in_training_is_not_chosen(make_job, tmp_path):
    late = "erm@swa[start=0.9]"
    outcome = carry_out(make_job(late, eval_every=1).spec, tmp_path / "run", tmp_path)
    result = RunFolder(tmp_path / "run").result.read_text()
    assert '"step": 11' in result or '"step": 12' in result
    assert len(outcome.log) == STEPS


def test_a_valley_that_is_over_ends_the_stage(make_job, tmp_path):
    """With a rate this large the loss rises at once."""
    spec = make_job("erm@swad[converge=1,patience=2,tolerance=1]", **DENSE | {"lr": 0.5}).spec
    log = carry_out(spec, tmp_path / "run", tmp_path).log
    assert log[-1]["step"] < STEPS
    assert log[-1]["stopped"] is True


def test_a_valley_that_was_never_found_leaves_the_best_in_training(make_job, tmp_path):
    plain = carry_out(make_job().spec, tmp_path / "plain", tmp_path)
    modified = carry_out(make_job("erm@swad[converge=50]").spec, tmp_path / "swad", tmp_path)
    for record in modified.log:
        record["stage"] = "erm"
    check_same(plain, modified, "a run of swad without a valley")


def test_statistics_are_the_mean_over_the_batches():
    model = build_algorithm("erm", train_info())
    batches = [random_batch(model.train_info, seed=seed).x for seed in range(5)]
    (norm,) = adapting_norms(model)
    seen: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    momentum = norm.momentum
    estimate_statistics(model, batches)
    mean = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variance = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
    assert torch.allclose(norm.running_mean, mean, atol=1e-5)
    assert torch.allclose(norm.running_var, variance, atol=1e-5)
    assert norm.momentum == momentum
    assert not model.training


def test_frozen_statistics_are_left_alone(tmp_path, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(loop, "estimate_statistics", lambda model, batches: asked.append(1))
    spec = plan_small("erm@ema")
    for frozen in (True, False):
        asked.clear()
        protocol = replace(spec.protocol, freeze_bn=frozen)
        carry_out(replace(spec, protocol=protocol), tmp_path / f"run-{frozen}", tmp_path)
        assert bool(asked) != frozen


def test_a_frozen_network_keeps_its_statistics(tmp_path):
    base, averaged = (run_small(name, tmp_path / name) for name in ("erm", "erm+crt@ema"))
    for name, value in base.model.items():
        if name.startswith("backbone."):
            assert averaged.model[f"base.{name}"].equal(value), name


def test_the_model_is_what_it_was_after_another_stood_in_it():
    model = build_algorithm("erm", train_info())
    part = Component("erm", {}, (Component("ema", {"decay": 0.9}),))
    modification = Modification(part, model)
    for step in range(3):
        modification.step(random_batch(model.train_info, seed=step))
        modification.after_step(step + 1)
    before = copy.deepcopy(model.state_dict())

    def adapt() -> None:
        assert not model.classifier.weight.equal(before["classifier.weight"])
        estimate_statistics(model, [random_batch(model.train_info).x])

    with modification.standing(adapt) as given:
        assert given
    for name, value in model.state_dict().items():
        assert value.equal(before[name]), name


def test_frozen_weights_are_not_copied_while_an_average_stands_there(monkeypatch):
    name = "test_vit"
    options = checked_options({"adapt": "lora"}, name)
    network = adapted(build_backbone(name, (3, 32, 32), False), options, name, 5)
    model = ERM(network, replace(train_info(), image_shape=(3, 32, 32)), ERM.HParams())
    model.optimizers = model.configure_optimizers(optimizer_maker(Protocol(lr=0.1)))
    modification = Modification(Component("erm", {}, (Component("ema", {"decay": 0.9}),)), model)
    modification.step(replace(random_batch(model.train_info), x=torch.rand(12, 3, 32, 32)))
    modification.after_step(1)
    copied, clone = [], torch.Tensor.clone
    monkeypatch.setattr(torch.Tensor, "clone", lambda t: (copied.append(t.numel()), clone(t))[1])
    with modification.standing(lambda: None) as given:
        assert given
    assert sum(copied) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("algo", ["erm@sam", "erm@ema", "ldam@imbsam", "erm@swad[converge=1]"])
@pytest.mark.parametrize(
    "settings",
    [
        {"accumulate": 3, "batch_per_domain": 2},
        {"deterministic": True},
        {"patience": 2, "eval_every": 1},
        {"select": "last"},
        {"schedule": "plateau", "eval_every": 2},
        {"grad_clip": 0.5, "dropout": 0.2, "label_smoothing": 0.1},
    ],
    ids="-".join,
)
def test_settings_of_the_protocol_go_on_to_work(make_job, tmp_path, algo, settings):
    spec = make_job(algo, **settings).spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=[2, 7])
    check_same(whole, broken, f"{algo} with {settings}, broken off and resumed,")


@pytest.mark.parametrize("algo", ["erm@sam", "erm@ema", "ldam@imbsam@lookahead"])
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_so_do_precisions(make_job, other_precision, tmp_path, algo, precision):
    spec = other_precision(make_job(algo), precision).spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=[2, 7])
    check_same(whole, broken, f"{algo} in {precision}, broken off and resumed,")


def test_a_run_whose_losses_explode_diverges(make_job):
    job = make_job("erm@sam@ema", max_loss=1e-6)
    assert execute(job, lambda _: None, lambda: False)["status"] == "diverged"


def test_the_next_stage_begins_without_the_averages_of_the_last(make_job):
    job = make_job("erm@ema+crt")
    steps = iter(range(1, 100))
    execute(job, lambda _: None, lambda: next(steps) == STEPS + 3)
    checkpoint = load_checkpoint(RunFolder(job.folder).latest)
    assert (checkpoint.stage, checkpoint.modifiers, checkpoint.given) == (1, [], False)
