"""The core's part of a step on a GPU: the host never waits."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from ltbench.results.folder import RunFolder
from ltbench.training import context as context_module
from ltbench.training.checkpoint import Checkpoint
from ltbench.training.context import open_context
from ltbench.training.loop import StageLoop
from ltbench.training.model import ModelBuilder

SHORT = {"steps": 4, "eval_every": 2, "batch_per_domain": 4}


def stage(job, tmp_path):
    """Return the loop of a run's first stage, and the folder of the run."""
    folder = RunFolder(job.folder)
    folder.start(job.spec.as_dict())
    context = open_context(job, folder, lambda event: None, lambda: False)
    builder = ModelBuilder(context.spec, context.facts, context.split, context.images.device)
    return StageLoop(context, "erm", builder.algorithm(), job.spec.protocol.steps, Checkpoint())


@pytest.mark.parametrize(("accumulate", "augmentation"), [(1, "none"), (2, "crop-flip")])
def test_the_host_waits_at_evaluations_only(
    make_job, tmp_path, monkeypatch, accumulate, augmentation
):
    fake = pytest.importorskip("ltbench.testing.fake_cuda")
    settings = {"accumulate": accumulate, "augmentation": augmentation, **SHORT}
    job, same = make_job(folder="gpu", **settings), make_job(folder="cpu", **settings)
    stage(same, tmp_path).run()
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: object())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 << 30, 8 << 30))
    monkeypatch.setattr(context_module, "_last", {})
    with fake.FakeCuda() as device:
        loop = stage(replace(job, device="cuda"), tmp_path)
        assert loop.context.images.resident
        evaluate, snapshot, waits = loop._evaluate, loop._snapshot, []

        def excused(call):
            def called():
                waits.extend(device.waits)
                found = call()
                device.waits.clear()
                return found

            return called

        loop._evaluate, loop._snapshot = excused(evaluate), excused(snapshot)
        device.waits.clear()
        loop.run()
        waits.extend(device.waits)
    context_module._last.clear()
    assert waits == []
    losses = [
        [json.loads(line)["losses"]["total"] for line in RunFolder(one.folder).log.open()]
        for one in (job, same)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_the_generators_of_a_stage_are_made_once_and_draw_what_new_ones_draw(make_job, tmp_path):
    loop = stage(make_job(augmentation="crop-flip"), tmp_path)
    ((_, of_images),) = loop.batches.generators[0].items()
    drawn = next(iter(loop.batches.stream(0, 1)))
    for generator in (of_images, loop.generator):
        loop._seed(3)
        first = loop.batches.batch(drawn, 4).x
        torch.randn(7, generator=generator)  # an odd number: half of a pair is kept for the next
        torch.randn(1, generator=generator)
        loop._seed(4)
        assert loop.model.generator is loop.generator
        found = torch.randn(5, generator=loop.generator)
        fresh = torch.Generator().manual_seed(loop.generator.initial_seed())
        assert torch.equal(found, torch.randn(5, generator=fresh))
        assert torch.equal(loop.batches.batch(drawn, 4).x, first)
    assert [*loop.batches.generators[0].values()] == [of_images]
