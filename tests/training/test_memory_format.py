"""Channels last is another order in memory and nothing else, for all that may be trained."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from ltbench.plugins.manager import get_plugins
from ltbench.testing.small_model import (
    build_algorithm,
    build_stage,
    random_batch_for,
    take_steps,
    train_info,
)
from ltbench.training.model import placed
from ltbench.training.run import execute

CPU = torch.device("cpu")
NAMES = sorted(e.name for e in get_plugins()["algorithms"] if e.distribution == "ltbench")
STAGES = sorted(e.name for e in get_plugins()["stages"] if e.distribution == "ltbench")


def losses(name, memory_format, stage=None):
    info = train_info()
    model = placed(build_algorithm(name, info), CPU, memory_format)
    batches = [random_batch_for(model, seed=seed) for seed in range(3)]
    first = take_steps(model, batches)
    if stage is not None:
        model = placed(build_stage(stage, model), CPU, memory_format)
        batches = [random_batch_for(model, seed=seed) for seed in range(3)]
        first += take_steps(model, batches)
    return [value for step in first for _, value in sorted(step.items())]


@pytest.mark.parametrize("name", NAMES)
def test_an_algorithm_takes_the_same_steps_in_both_formats(name):
    expected = losses(name, "contiguous")
    assert losses(name, "channels-last") == pytest.approx(expected, rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_takes_the_same_steps_in_both_formats(stage):
    expected = losses("erm", "contiguous", stage)
    assert losses("erm", "channels-last", stage) == pytest.approx(expected, rel=2e-3, abs=2e-3)


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(4, 3, 2, 2))
        self.register_buffer("memory", torch.randn(2, 3, 4, 5, 6))
        self.register_buffer("table", torch.randn(2, 3))


def test_what_has_not_four_dimensions_stays_as_it_is():
    """torch refuses channels last for five dimensions, which algorithms' buffers may have."""
    model = placed(Odd(), CPU, "channels-last")
    assert model.kernel.is_contiguous(memory_format=torch.channels_last)
    assert isinstance(model.kernel, nn.Parameter)
    assert model.memory.is_contiguous()
    assert model.table.is_contiguous()
    assert placed(Odd(), CPU, "contiguous").kernel.is_contiguous()


def in_format(job, memory_format):
    return replace(job, spec=replace(job.spec, memory_format=memory_format))


def test_a_run_computes_in_its_format_and_resumes_to_the_same_bits(make_job):
    quiet, broken, plain = (make_job(folder=name, backbone="digits-cnn") for name in "abc")
    quiet, broken = (in_format(job, "channels-last") for job in (quiet, broken))
    whole = execute(quiet, lambda event: None, lambda: False)
    stops = iter([False] * 3 + [True] * 99)
    assert execute(broken, lambda event: None, lambda: next(stops))["status"] == "interrupted"
    resumed = execute(broken, lambda event: None, lambda: False)
    assert resumed["test"] == whole["test"]
    best = [torch.load(job.folder / "checkpoint" / "best.pt")["model"] for job in (quiet, broken)]
    assert all(torch.equal(best[0][key], best[1][key]) for key in best[0])
    kernels = [value for value in best[0].values() if value.dim() == 4]
    assert any(not value.is_contiguous() for value in kernels)
    other = execute(plain, lambda event: None, lambda: False)
    assert other["hash"] != whole["hash"]
    assert other["test"]["accuracy_average"] == pytest.approx(
        whole["test"]["accuracy_average"], abs=0.3
    )
