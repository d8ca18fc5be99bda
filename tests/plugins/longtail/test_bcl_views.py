"""BCL contrasts two further views of each image, as its authors do."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ltbench.plugins.resolve import resolve, resolve_written
from ltbench.testing import build_algorithm, plan_small, random_batch, random_batch_for, train_info

COUNTS = [[12, 6, 3, 0], [1, 3, 5, 8], [9, 2, 4, 1]]


def test_three_views_are_the_loss_of_the_authors() -> None:
    """The network and the projection see all views as one batch; the first is not contrasted."""
    tau, mu, scale = 0.1, 0.35, 30.0
    model = build_algorithm("bcl", train_info(COUNTS))
    batch = random_batch_for(model, classes=[0, 1, 2])
    reference, n, y = copy.deepcopy(model), len(batch), batch.y.numpy()
    features = reference.backbone(torch.cat(batch.views))
    weights = reference.class_vectors
    logits = scale * F.normalize(features[:n]) @ F.normalize(weights).T
    prior = reference.counts.log()[batch.d]
    ce = F.cross_entropy(logits + prior, batch.y, reduction="none").mean()
    v = F.normalize(reference.of_features(features)).detach().numpy()[n:]
    centres = F.normalize(reference.of_weights(weights)).detach().numpy()
    everything, classes = np.concatenate([v, centres]), np.concatenate([y, y, np.arange(4)])
    size = np.bincount(classes, minlength=4)
    losses = []
    for i in range(2 * n):
        others = [j for j in range(len(everything)) if j != i]
        shares = [size[classes[j]] - (classes[j] == classes[i]) for j in others]
        exps = [np.exp(v[i] @ everything[j] / tau) / s for j, s in zip(others, shares, strict=True)]
        positive = [v[i] @ everything[j] / tau for j in others if classes[j] == classes[i]]
        losses.append(np.log(np.sum(exps)) - np.mean(positive))
    found = model.loss(batch)
    assert found["ce"].item() == pytest.approx(ce.item(), rel=1e-5)
    assert found["contrast"].item() == pytest.approx(np.mean(losses), rel=1e-5)
    total = ce.item() + mu * np.mean(losses)
    assert found["total"].item() == pytest.approx(total, rel=1e-5)


def test_one_view_is_what_it_was() -> None:
    info = train_info(COUNTS)
    batch = random_batch(info)
    one, three = build_algorithm("bcl[views=1]", info), build_algorithm("bcl", info)
    assert len(type(one).view_augmentations(one.hparams)) == 1
    assert all(a.equal(b) for a, b in zip(one.parameters(), three.parameters(), strict=True))
    found = one.loss(batch)
    features = three.features(batch.x)
    ce = three.risks(three.classifier(features), batch).mean()
    assert found["ce"].equal(ce)
    assert random_batch_for(one).x.equal(batch.x)


def test_runs_of_before_have_one_view_and_are_found() -> None:
    _, old = resolve_written("algorithms", "bcl", {"weight": 0.35, "scale": 30.0})
    assert (old.views, old.scale) == (1, 30.0)
    written = resolve("algorithms", "bcl", {"views": 1})[1].as_dict()
    assert not {"views", "strong"} & written.keys()
    today = resolve("algorithms", "bcl", {})[1].as_dict()
    assert today["views"] == 3
    assert "strong" not in today
    # As it was before views could be chosen.
    assert plan_small("bcl[scale=0,views=1]").hash == "bc621a53ad29"


def test_what_augments_the_further_views_is_the_users() -> None:
    cls, hparams = resolve("algorithms", "bcl", {"strong": "protocol>cutout"})
    assert cls.view_augmentations(hparams) == ("protocol", "protocol>cutout", "protocol>cutout")
