"""Float16 with a scaled loss: exact on resume, near float32, and clear where it cannot work."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.loss_scale import LossScale
from ltbench.results.folder import RunFolder
from ltbench.results.protocol import Protocol
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_model import build_algorithm, random_batch, train_info
from ltbench.training.checkpoint import load_checkpoint
from ltbench.training.job import Job
from ltbench.training.optimizers import optimizer_maker
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)
CPU = torch.device("cpu")


@pytest.fixture
def half(tmp_path):
    """Build a job in float16 on the tiny data set."""

    def half(algo="erm", folder="run", **overrides) -> Job:
        small = {"steps": 4, "eval_every": 2, "batch_per_domain": 2}
        request = Request([algo], ["tiny-mlt"], [0], "fp16", tmp_path, small | overrides)
        return Job(plan_runs(request).specs[0], tmp_path / folder, tmp_path)

    return half


def stop_after(steps):
    polls = iter(range(10**9))
    return lambda: next(polls) + 1 >= steps


def log(job):
    lines = RunFolder(job.folder).log.read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def answers(job):
    result = json.loads(RunFolder(job.folder).result.read_text())
    return {k: result[k] for k in ("test", "val", "selection", "confusion")}, log(job)


@pytest.mark.parametrize(("algo", "at"), [("boda+crt", 6), ("urm", 1), ("cdann", 3), ("fish", 3)])
def test_it_resumes_to_the_same_bits(half, algo, at):
    quiet, broken = half(algo, "quiet"), half(algo, "broken")
    execute(quiet, *QUIET)
    assert execute(broken, QUIET[0], stop_after(at)) == {"status": "interrupted"}
    state = load_checkpoint(RunFolder(broken.folder).latest).loss_scale
    assert state["scaler"]["scale"] >= 1
    execute(broken, *QUIET)
    assert answers(quiet) == answers(broken)


@pytest.mark.parametrize("overrides", [{}, {"optimizer": "sgd", "grad_clip": 1.0, "accumulate": 2}])
def test_it_learns_what_float32_learns(half, make_job, overrides):
    overrides |= {"steps": 4, "eval_every": 2, "batch_per_domain": 2}
    jobs = half(**overrides), make_job(folder="single", **overrides)
    for job in jobs:
        execute(job, *QUIET)
    found, expected = map(log, jobs)
    assert "overflowed" not in expected[0]
    for one, other in zip(found, expected, strict=True):
        assert one["losses"]["total"] == pytest.approx(other["losses"]["total"], rel=0.05)
    assert found != expected


class _Spoiled(torch.autograd.Function):
    """The same value with an infinite gradient."""

    @staticmethod
    def forward(ctx, loss):
        return loss.detach().clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.inf


def test_a_step_that_overflows_is_left_out_and_counted(half, monkeypatch):
    spoil(monkeypatch, lambda step: step == 4)
    job = half("erm", steps=9, eval_every=3)
    execute(job, *QUIET)
    assert [line.get("overflowed", 0) for line in log(job)] == [0, 1, 0]


def test_where_all_overflow_the_run_diverges_and_says_so(half, monkeypatch):
    spoil(monkeypatch, lambda step: True)
    failure = execute(half("erm", steps=30, eval_every=10), *QUIET)
    assert failure["status"] == "diverged"
    assert failure["error"] == (
        "the gradients of erm overflowed float16 in all 10 optimiser steps up to step 20, though "
        "the loss was scaled by 0.0625 at last; use --precision bf16 or fp32"
    )
    assert failure["step"] == 20, "ten steps are not enough to find a scale"


def test_where_all_overflow_to_the_end_it_diverges_too(half, monkeypatch):
    spoil(monkeypatch, lambda step: True)
    failure = execute(half("erm", steps=4, eval_every=2), *QUIET)
    assert failure["status"] == "diverged"
    assert "all 2 optimiser steps up to step 4" in failure["error"]


def spoil(monkeypatch, at):
    loss = Algorithm.loss
    monkeypatch.setattr(Algorithm, "before_step", lambda self, step, _: setattr(self, "now", step))

    def spoiled(self, batch):
        found = loss(self, batch)
        return _Spoiled.apply(found) if at(self.now) else found

    monkeypatch.setattr(Algorithm, "loss", spoiled)


@pytest.mark.parametrize("algo", ["sagnet", "mldg", "erm+mislas", "boda[loss=ldam]"])
def test_what_owns_its_step_is_refused_unless_it_scales(half, algo):
    if algo in ("sagnet", "mldg"):
        with pytest.raises(UsageError, match=f"'{algo}' does not honour --precision fp16, for its"):
            half(algo)
    else:
        half(algo)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "lion"])
@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_a_scaled_step_is_the_step(optimizer, clip):
    protocol = {"optimizer": optimizer, "lr": 0.01, "grad_clip": clip}
    make = optimizer_maker(Protocol.from_options(protocol, "protocol"))
    info = train_info()
    batch, models = random_batch(info), []
    for scale in (None, LossScale(CPU)):
        torch.manual_seed(0)
        model = build_algorithm("erm", info)
        model.optimizers, model.loss_scale = model.configure_optimizers(make), scale
        for _ in range(3):
            model.step(batch)
        models.append(model)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_step_without_gradients_is_one():
    layer = nn.Linear(2, 2)
    optimizer, scale = torch.optim.SGD(layer.parameters(), 0.1), LossScale(CPU)
    scale.scaled(torch.zeros((), requires_grad=True)).backward()
    scale.step(optimizer)
    assert scale.overflowed == 0
