"""What a frozen network says of the training images is looked up where nothing changes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ltbench.api import Algorithm
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training import loop
from ltbench.training.frozen_network import frozen_network


@pytest.fixture
def found(monkeypatch):
    """Collect what each stage looks up."""
    seen = []

    def note(*args):
        seen.append(frozen_network(*args))
        return seen[-1]

    monkeypatch.setattr(loop, "frozen_network", note)
    return seen


def go(folder: Path, method: str, stops=(), **settings):
    options = {"augmentation": "none", "steps": 12, "batch_per_domain": 4, **settings}
    request = Request([method], ["tiny-mlt"], [0], "fp32", Path(), options)
    return carry_out(plan_runs(request).specs[0], folder, Path(), stops)


@pytest.mark.parametrize("method", ["erm+crt", "erm+lws", "erm+mislas"])
def test_a_stage_learns_the_same_from_what_is_looked_up(tmp_path, monkeypatch, found, method):
    one = go(tmp_path / "one", method)
    assert [bool(frozen) for frozen in found] == [False, True]
    monkeypatch.setattr(loop, "frozen_network", lambda *args: None)
    other = go(tmp_path / "other", method)
    for first, second in zip(one.log, other.log, strict=True):
        assert first["losses"] == pytest.approx(second["losses"], rel=1e-4)
    for name, tensor in one.model.items():
        assert torch.allclose(tensor, other.model[name], rtol=1e-3, atol=1e-5), name
    assert np.array_equal(one.predictions["prediction"], other.predictions["prediction"])


def test_a_resumed_stage_looks_up_the_same(tmp_path, found):
    whole = go(tmp_path / "whole", "erm+crt")
    check_same(go(tmp_path / "broken", "erm+crt", stops=(15, 19)), whole, "a resumed run")
    assert sum(map(bool, found)) == 4


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("erm+crt", {"augmentation": "crop-flip"}),
        ("erm+crt", {"augmentation": "mixup"}),
        ("erm+crt[steps=2]", {}),  # draws fewer images than there are
        ("erm+tau-norm", {}),
    ],
)
def test_where_it_would_change_or_not_pay_nothing_is_looked_up(tmp_path, found, method, settings):
    go(tmp_path / "run", method, **settings)
    assert not any(found)


def test_it_answers_for_its_images_alone_and_leaves_the_model_as_it_was(tmp_path, monkeypatch):
    seen = []

    def note(model, augment, context, drawn):
        frozen = frozen_network(model, augment, context, drawn)
        if frozen is not None:
            rows = torch.from_numpy(context.split.rows("train")[[3, 0, 3]].astype("int64"))
            images, index = context.images.gather(rows.numpy())
            x, _ = augment(images, context.images.sizes[index], index, 1, torch.Generator())
            x = context.normalise(x)
            expected, network = model.features(x), model.backbone
            with frozen.answering(x, rows):
                looked_up, others = model.features(x), model.features(x + 1)
                assert model.backbone is not network
            assert model.backbone is network
            assert torch.allclose(looked_up, expected, atol=1e-5)
            assert torch.allclose(others, model.features(x + 1), atol=1e-5)
            assert "backbone._network" not in " ".join(model.state_dict())
            seen.append(frozen)
        return frozen

    monkeypatch.setattr(loop, "frozen_network", note)
    go(tmp_path / "run", "erm+crt")
    assert seen


class Normalised(Algorithm):
    """A classifier behind batch normalisation of the features (2026)."""

    def make_classifier(self):
        return nn.Sequential(nn.BatchNorm1d(self.num_features), super().make_classifier())


def test_a_classifier_in_training_mode_is_no_obstacle_to_the_choice_of_the_batch(
    tmp_path, monkeypatch
):
    """It is asked about one image, of which batch normalisation knows no variance."""
    seen = []

    def note(model, augment, context, drawn):
        assert not context.evaluator.batch
        modes = [module.training for module in model.modules()]
        seen.append(frozen_network(model, augment, context, drawn))
        assert [module.training for module in model.modules()] == modes
        seen.append(context.evaluator.batch)
        return seen[0]

    monkeypatch.setattr(loop, "frozen_network", note)
    get_plugins()["algorithms"].add(
        Entry("algorithm", "normalised", Normalised, "Normalised", "theirs", "1")
    )
    try:
        options = {"augmentation": "none", "steps": 12, "batch_per_domain": 4}
        request = Request(
            ["normalised"], ["tiny-mlt"], [0], "fp32", Path(), options,
            backbone="digits-cnn[adapt=head]",
        )  # fmt: skip
        carry_out(plan_runs(request).specs[0], tmp_path / "run", Path())
    finally:
        get_plugins.cache_clear()
    frozen, batch = seen
    assert frozen
    assert batch, "what was chosen is kept for the evaluations"
