"""Courses of the learning rate: beside timm's schedulers, per step and epoch, and in a run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ltbench.errors import UsageError
from ltbench.results.protocol import Protocol, epoch_steps
from ltbench.testing.small_run import carry_out, check_same

STEPS = 50


def factors(**settings: object) -> list[float]:
    protocol = Protocol.from_options(settings, "protocol")
    return [protocol.lr_factor(step, STEPS) for step in range(STEPS)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"schedule": "cosine"}, {"sched": "cosine"}),
        ({"schedule": "cosine", "min_lr": 0.1}, {"sched": "cosine", "min_lr": 0.1}),
        ({"schedule": "tanh"}, {"sched": "tanh"}),
        ({"schedule": "tanh", "min_lr": 0.2}, {"sched": "tanh", "min_lr": 0.2}),
        ({"schedule": "poly"}, {"sched": "poly", "decay_rate": 1.0}),
        ({"schedule": "poly", "power": 0.9, "min_lr": 0.1},
         {"sched": "poly", "decay_rate": 0.9, "min_lr": 0.1}),
        ({"schedule": "wsd"}, {"sched": "wsd"}),
        ({"schedule": "wsd", "min_lr": 0.3}, {"sched": "wsd", "min_lr": 0.3}),
    ],
)  # fmt: skip
def test_they_are_timms(ours, theirs):
    from timm.scheduler import create_scheduler_v2

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    try:
        scheduler, _ = create_scheduler_v2(optimizer, num_epochs=STEPS, warmup_epochs=0, **theirs)
    except (ValueError, TypeError):
        pytest.skip("this timm has no such schedule")
    if scheduler is None:
        pytest.skip("this timm has no such schedule")
    expected = []
    for step in range(STEPS):
        scheduler.step(step)
        expected.append(optimizer.param_groups[0]["lr"])
    assert factors(**ours) == pytest.approx(expected)


def test_after_a_warm_up_the_course_has_what_is_left():
    whole, rest = factors(schedule="poly"), factors(schedule="poly", warmup=0.2)
    assert rest[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rest[10] == pytest.approx(whole[0])
    assert rest[30] == pytest.approx(whole[25])


def test_a_least_rate_holds_drops_up():
    found = factors(schedule="step", decay_at=[0.2, 0.4, 0.6], min_lr=0.005)
    assert sorted(set(found), reverse=True) == pytest.approx([1, 0.1, 0.01, 0.005])


def lrs(make_job, tmp_path, folder: str, **settings: object) -> list[float]:
    settings = {"lr": 1.0, "max_loss": 1e30, "optimizer": "sgd", "momentum": 0.0, **settings}
    outcome = carry_out(make_job(**settings).spec, tmp_path / folder, tmp_path)
    return [record["lr"] for record in outcome.log]


def test_a_rate_that_changes_per_epoch_stands_still_within_one(make_job, tmp_path):
    """The tiny data set has 31 training images in two domains, so an epoch is 4 steps of 2·4."""
    per_epoch = epoch_steps(31, 2, 4)
    assert per_epoch == 4
    settings = {"lr": 1e-4, "schedule": "poly", "eval_every": 1}
    found = lrs(make_job, tmp_path, "epochs", **settings, schedule_per="epoch")
    assert found == pytest.approx([1e-4 * (1 - step // 4 / 3) for step in range(12)])
    steps = lrs(make_job, tmp_path, "steps", **settings)
    assert steps == pytest.approx([1e-4 * (1 - step / 12) for step in range(12)])
    several = lrs(make_job, tmp_path, "several", **settings, schedule_per="epoch", accumulate=2)
    assert several == pytest.approx([1e-4 * (1 - step // 2 / 6) for step in range(12)])


def test_plateau_drops_where_the_score_no_longer_rises_and_a_resume_remembers(make_job, tmp_path):
    """With no rate to speak of nothing gets better after the first evaluation."""
    settings = {"lr": 1e-12, "schedule": "plateau", "decay_patience": 2, "eval_every": 1}
    spec = make_job(**settings, augmentation="none").spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    expected = [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert [r["lr"] for r in whole.log] == pytest.approx([1e-12 * 0.1**n for n in expected])
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=[4, 6])
    check_same(whole, broken, "plateau, broken off and resumed,")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "step"}, "schedule=step has no steps: say at which shares"),
        ({"schedule": "step", "decay_at": [0.5, 1.5]}, "decay_at=1.5 lies outside of the training"),
        ({"decay_at": [1.0]}, "decay_at=1.0 lies outside of the training"),
        ({"decay_at": [-0.1]}, "decay_at=-0.1 lies outside of the training"),
        ({"schedule": "cosine", "warmup": 1.0}, "warmup=1 leaves no steps to schedule=cosine"),
        ({"warmup": 1.5}, "out of range: the most is 1"),
        ({"schedule": "linear"}, "choose one of constant, step, cosine"),
        ({"schedule": "plateau", "select": "last"}, "schedule=plateau waits for a better"),
        ({"min_lr": 2.0}, "out of range: the most is 1"),
    ],
)
def test_a_schedule_that_cannot_be_is_one_sentence(make_job, settings, message):
    with pytest.raises(UsageError, match=message):
        make_job(**settings)
