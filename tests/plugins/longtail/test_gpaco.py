"""GPaCo and PaCo, against loops written from their papers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ltbench_longtail.gpaco import parametric_contrast
from ltbench_longtail.momentum import MomentumCopy, Queue
from numpy.typing import NDArray
from torch.nn import functional as F

from ltbench.api import UsageError
from ltbench.testing import (
    SmallTraining,
    build_algorithm,
    build_stage,
    random_batch_for,
    take_steps,
    train_info,
)
from ltbench.testing.small_run import check_same, run_small

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


def by_loops(
    z: NDArray[Any],
    d: NDArray[Any],
    y: NDArray[Any],
    *,
    v: NDArray[Any],
    keys: NDArray[Any],
    classes: NDArray[Any],
    alpha: float,
    beta: float,
    tau: float,
) -> float:
    """Return the mean loss; the first keys are the images' own."""
    n = np.array(COUNTS, dtype=float)
    losses = []
    for i in range(len(y)):
        prior = n[d[i]] / n[d[i]].sum()
        centres = prior * np.exp(z[i])
        others = {
            k: np.exp(v[i] @ keys[k] / tau) for k in range(len(keys)) if k != i and classes[k] >= 0
        }
        total = centres.sum() + sum(others.values())
        weighted = beta * np.log(centres[y[i]] / total)
        same = [k for k in others if classes[k] == y[i]]
        weighted += sum(alpha * np.log(others[k] / total) for k in same)
        losses.append(-weighted / (beta + alpha * len(same)))
    return float(np.mean(losses))


@pytest.mark.parametrize("keys", ["network", "momentum"])
def test_the_loss_of_some_steps_by_loops(keys: str) -> None:
    own = ",momentum=0.9" if keys == "momentum" else ""
    options = f"keys={keys}{own},alpha=0.3,beta=0.8,temperature=0.4,queue=20,width=6"
    model = build_algorithm(f"gpaco[{options}]", train_info(COUNTS))
    twin: Any = copy.deepcopy(model)  # its weights are the average, unrolled by hand
    queue: list[tuple[NDArray[Any], int]] = []
    for step in range(4):
        batch = random_batch_for(model, seed=step)
        model.before_step(step, SmallTraining(model, batch))
        with torch.no_grad():
            for mean, now in zip(twin.parameters(), model.parameters(), strict=True):
                mean.copy_(0.9 * mean + 0.1 * now)
        reader: Any = copy.deepcopy(model)  # so that statistics of normalisation are not read twice
        with torch.no_grad():
            features = [reader.features(view) for view in batch.views]
            v = [reader.project(each).double().numpy() for each in features]
            z = [reader.classifier(each).double().numpy() for each in features]
            if keys == "momentum":
                v[1] = twin.project(twin.features(batch.views[1])).double().numpy()
        y, d = batch.y.numpy(), batch.d.numpy()
        number = 1 if keys == "momentum" else 2
        expected = by_loops(
            np.concatenate(z[:number]),
            np.tile(d, number),
            np.tile(y, number),
            v=np.concatenate(v[:number]),
            keys=np.array([*v[0], *v[1], *(vector for vector, _ in queue)]),
            classes=np.array([*y, *y, *(label for _, label in queue)]),
            alpha=0.3,
            beta=0.8,
            tau=0.4,
        )
        found = model.step(batch)["total"].item()
        assert found == pytest.approx(expected, rel=1e-5)
        queue = [*queue, *zip(v[1], y, strict=True)][-20:]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("momentum=0.5", "without keys=momentum"),
        ("keys=momentum,momentum=2", "the most is 1"),
        ("alpha=0,beta=0", "neither centres nor keys have a weight: give one of them more than 0"),
    ],
)
def test_options_without_effect_or_meaning_are_refused(options: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build_algorithm(f"gpaco[{options}]", train_info(COUNTS))


@pytest.mark.parametrize("options", ["alpha=0", "beta=0"])
def test_centres_or_keys_alone_may_have_a_weight(options: str) -> None:
    gpaco = build_algorithm(f"gpaco[{options}]", train_info(COUNTS))
    (losses,) = take_steps(gpaco, [random_batch_for(gpaco)])
    assert np.isfinite(losses["total"])


def test_without_keys_it_is_bsoftmax() -> None:
    info = train_info(COUNTS)
    bsoftmax = build_algorithm("bsoftmax", info)
    batch = random_batch_for(bsoftmax)
    logits = bsoftmax.predict(batch.x)
    centres = logits + bsoftmax.counts.log()[batch.d]
    none = torch.full((len(batch), 5), 3.0)
    found = parametric_contrast(
        centres, none, batch.y, torch.full((5,), -1), alpha=0.5, beta=2.0, smoothing=0.0
    )
    expected = bsoftmax.risks(logits, batch).mean()
    assert found.mean().item() == pytest.approx(expected.item(), rel=1e-6)


def test_smooth_labels_are_those_of_the_centre_alone() -> None:
    centres = torch.tensor([[0.5, -1.0, 2.0, -torch.inf]])
    keys = torch.tensor([[0.1, 0.7, -0.3]])
    y, classes = torch.tensor([1]), torch.tensor([1, 1, 0])
    found = parametric_contrast(centres, keys, y, classes, alpha=0.2, beta=1.0, smoothing=0.3)
    exponentials = np.exp([0.5, -1.0, 2.0, 0.7, -0.3])  # the first key is the image's own
    log_p = np.log(exponentials / exponentials.sum())
    own = 0.7 * log_p[1] + 0.3 * log_p[:3].mean()
    assert found.item() == pytest.approx(-(own + 0.2 * log_p[3]) / 1.2, rel=1e-6)


def test_a_class_that_a_domain_has_not_gives_finite_gradients() -> None:
    model = build_algorithm("gpaco", train_info(COUNTS))
    model.loss(random_batch_for(model)).backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_a_queue_holds_the_last_ones_and_at_most_one_an_image() -> None:
    queue = Queue(5, 1)
    for start in (0, 3, 6):
        vectors = torch.arange(start, start + 3.0)[:, None]
        queue.put(vectors, vectors[:, 0].long())
    vectors, classes = queue.contents()
    assert sorted(classes.tolist()) == [4, 5, 6, 7, 8]
    assert vectors[:, 0].tolist() == classes.tolist()
    queue.put(torch.arange(20.0)[:, None], torch.arange(20))  # more than it holds
    assert sorted(queue.contents()[1].tolist()) == [15, 16, 17, 18, 19]
    model = build_algorithm("gpaco[queue=8192]", train_info(COUNTS))
    assert model.queue.size == 54  # training images
    eight_a_class = build_algorithm("gpaco", train_info(COUNTS))
    assert eight_a_class.queue.size == min(8 * len(COUNTS[0]), 54)
    take_steps(eight_a_class, [random_batch_for(model, seed=seed) for seed in range(2)])
    assert 0 < len(eight_a_class.queue.contents()[0]) <= eight_a_class.queue.size


def test_a_moving_average_is_not_trained_nor_unfrozen() -> None:
    model: Any = build_algorithm("gpaco[keys=momentum,momentum=0.5]", train_info(COUNTS))
    assert not list(model.average.parameters())
    optimised = {id(p) for g in model.optimizers["main"].param_groups for p in g["params"]}
    assert optimised == {id(p) for p in model.parameters()}
    model.requires_grad_(True)
    batch = random_batch_for(model)
    model.before_step(0, SmallTraining(model, batch))
    model.loss(batch).backward()
    assert not any(b.requires_grad or b.grad is not None for b in model.average.buffers())
    stage = build_stage("crt", model)
    take_steps(stage, [random_batch_for(stage, seed=seed) for seed in range(2)])


def test_a_moving_average_leaves_what_is_frozen_to_the_network() -> None:
    model: Any = build_algorithm("gpaco[keys=momentum]", train_info(COUNTS))
    model.backbone.requires_grad_(False)
    partly = MomentumCopy(model, ("backbone", "projection"))
    names = {name for name, _ in partly.named_buffers()}
    assert not any(name.startswith("backbone/layers/0") for name in names)  # the convolution
    assert "projection/0/weight" in names
    batch = random_batch_for(model)
    before = {name: value.clone() for name, value in model.backbone.named_buffers()}
    found = partly.call(model, batch.x)
    partly.follow(model, 0.9)
    assert not any(p.requires_grad for p in model.backbone.parameters())
    # Statistics of normalisation that the keys meet are the average's own.
    assert all(value.equal(before[name]) for name, value in model.backbone.named_buffers())
    torch.testing.assert_close(found, model(batch.x).detach())


def test_a_moving_average_has_nothing_that_checkpoints_leave_out() -> None:
    model: Any = build_algorithm("gpaco[keys=momentum]", train_info(COUNTS))
    model.backbone.layers.register_buffer("frozen", torch.ones(3), persistent=False)
    average = MomentumCopy(model, ("backbone", "projection"))
    assert not [name for name in average.state_dict() if name.endswith("frozen")]
    batch = random_batch_for(model)
    torch.testing.assert_close(average.call(model, batch.x), model(batch.x).detach())


def test_its_statistics_are_those_of_keys_and_predictions_do_not_see_it() -> None:
    model: Any = build_algorithm("gpaco[keys=momentum]", train_info(COUNTS))
    batch = random_batch_for(model)
    take_steps(model, [batch])
    found = dict(model.average.named_buffers())
    running = dict(model.backbone.named_buffers())
    assert not found["backbone/layers/1/running_mean"].equal(running["layers.1.running_mean"])
    model.eval()
    expected = model.classifier(model.features(batch.x))
    torch.testing.assert_close(model.predict(batch.x), expected)
    length = model(batch.x).norm(dim=1)
    torch.testing.assert_close(length, torch.ones_like(length))
    assert F.cosine_similarity(model(batch.x), model(batch.x)).min() > 0.999


@pytest.mark.parametrize("name", ["gpaco[keys=momentum]@ema+crt", "gpaco[keys=momentum]@sam"])
def test_it_is_resumed_bit_for_bit_beneath_modifiers_and_stages(name: str, tmp_path: Path) -> None:
    whole = run_small(name, tmp_path / "whole")
    resumed = run_small(name, tmp_path / "resumed", stops=(2, 5))
    check_same(whole, resumed, name)
