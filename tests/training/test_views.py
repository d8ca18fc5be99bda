"""Several views of each image, and batches of a second sampler."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ltbench.api import STRONG_VIEW, Algorithm, Batch, HParams, MixedLabels, Stage, hparam
from ltbench.data.device_images import DeviceImages
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.testing.small_data import register_small_data
from ltbench.testing.small_run import carry_out, check_same
from ltbench.training import loop
from ltbench.training.frozen_network import frozen_network

BEFORE_VIEWS = "5244644e2878c2cf35fb8fbed8994d9ed5864ee9992e7a8fdd5e0bbfd38cc552"
SEEN: list[Batch] = []
"""The batches that the algorithms of these tests were given."""


class Plain(Algorithm):
    """One view (2026)."""

    def loss(self, batch):
        SEEN.append(batch)
        return super().loss(batch)


class TwinsHParams(HParams):
    """Of twins."""

    strong: str = hparam(STRONG_VIEW, names="augmentations")


class Twins(Algorithm):
    """Two views, which are to be alike, and a second batch (2026)."""

    HParams = TwinsHParams
    second_sampling = "reversed"

    @classmethod
    def view_augmentations(cls, hparams):
        return ("protocol", hparams.strong)

    def loss(self, batch):
        SEEN.append(batch)
        one, other = (self.predict(view) for view in batch.views)
        apart = (one - other).square().mean()
        rare = self.mixed_risks(self.predict(batch.second.x), batch.second).mean()
        return {"total": self.mixed_risks(one, batch).mean() + apart + rare, "apart": apart}


class Chosen(Algorithm):
    """A second sampler that an instance chooses, and two views of the protocol (2026)."""

    views = 2

    def __init__(self, backbone, train_info, hparams):
        super().__init__(backbone, train_info, hparams)
        self.second_sampling = "class-balanced"

    def loss(self, batch):
        SEEN.append(batch)
        return super().loss(batch)


class Agreeing(Stage):
    """Trains a classifier on a frozen network by two views (2026)."""

    @classmethod
    def view_augmentations(cls, hparams):
        return ("none", "random-erasing")

    def loss(self, batch):
        SEEN.append(batch)
        one, other = (self.predict(view) for view in batch.views)
        return self.risks(one, batch).mean() + self.risks(other, batch).mean()


LOOKS: list[tuple[int, float, torch.Tensor]] = []
"""What was seen between steps: before which step, at which progress, and the images."""


class Looking(Algorithm):
    """Looks at augmented images and estimates statistics before its steps (2026)."""

    def before_step(self, step, training):
        def look(x, which):
            LOOKS.append((step, training.batches.views[0].parts[0].progress, x.clone()))
            return x

        training.predict_augmented(torch.arange(5), look, self.generator)
        training.estimate_batch_norm()


@pytest.fixture(autouse=True)
def _theirs() -> Iterator[None]:
    SEEN.clear()
    plugins = get_plugins()
    for name, cls in (("plain", Plain), ("twins", Twins), ("chosen", Chosen),
                      ("looking", Looking)):  # fmt: skip
        plugins["algorithms"].add(Entry("algorithm", name, cls, name, "theirs", "1"))
    plugins["stages"].add(Entry("stage", "agreeing", Agreeing, "Agreeing", "theirs", "1"))
    yield
    get_plugins.cache_clear()


@pytest.fixture
def batches(make_job, tmp_path):
    """Return the batches that an algorithm is given in its steps."""

    def batches(algo, folder="run", **settings):
        SEEN.clear()
        settings = {"augmentation": "crop-flip", "steps": 6, **settings}
        carry_out(make_job(algo, **settings).spec, tmp_path / folder, tmp_path)
        return list(SEEN)

    return batches


def images(n=6, domains=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, 4, 4, generator=generator)
    return Batch(x, torch.arange(n), torch.arange(domains).repeat_interleave(n // domains))


def test_a_batch_made_by_hand_has_one_view_and_no_second():
    batch = images()
    assert len(batch.views) == 1
    assert batch.views[0] is batch.x
    assert batch.second is None
    assert replace(batch, x=2 * batch.x).views[0].equal(2 * batch.x)


def test_views_and_second_follow_their_batch():
    one, rare = images(), images(seed=1)
    mixed = MixedLabels(torch.arange(6).flip(0), torch.tensor(0.3))
    whole = replace(one, views=(one.x, one.x + 1), second=rare, mixed=mixed)
    changed = replace(whole, x=one.x - 1)
    assert changed.views[0] is changed.x
    assert changed.views[1] is whole.views[1]
    assert changed.second is rare
    for number, part in enumerate(whole.by_domain()):
        rows = slice(2 * number, 2 * number + 2)
        assert part.x.equal(one.x[rows])
        assert part.views[0] is part.x
        assert part.views[1].equal(one.x[rows] + 1)
        assert part.mixed.y.equal(mixed.y[rows])
        assert part.second.x.equal(rare.x[rows])
        assert part.second.d.equal(part.d)
        assert part.num_domains == part.second.num_domains == 1


def test_the_first_view_is_what_every_algorithm_sees(batches):
    plain, twins = batches("plain", "plain"), batches("twins", "twins")
    assert len(plain) == len(twins) == 6
    for one, both in zip(plain, twins, strict=True):
        assert one.x.equal(both.x)
        assert one.y.equal(both.y)
        assert len(both.views) == 2
        assert both.views[0] is both.x
        assert both.views[1].shape == both.x.shape
        assert not both.views[1].equal(both.x)


def test_batches_of_one_view_are_those_of_before_there_were_views(batches):
    """Recorded before cec6ed8; pixels are whole grey levels, so that no processor rounds them."""
    register_small_data()
    digest = hashlib.sha256()
    for batch in batches("plain", dataset="small-mlt", steps=3):
        levels = (255 * (batch.x + 1) / 2).round().to(torch.uint8)
        for values in (levels, batch.y, batch.d):
            digest.update(values.contiguous().numpy().tobytes())
    assert digest.hexdigest() == BEFORE_VIEWS


def test_views_of_the_same_augmentation_are_drawn_apart(batches):
    for batch in batches("chosen"):
        assert not batch.views[1].equal(batch.x)
        # Of the same images: shifts and mirrors hardly change the mean of the tiny squares.
        apart = (batch.views[1].mean((2, 3)) - batch.x.mean((2, 3))).abs().mean()
        others = (batch.views[1].mean((2, 3)) - batch.x.roll(1, 0).mean((2, 3))).abs().mean()
        assert apart < others


def test_a_second_batch_has_images_of_its_own(batches):
    for sampled in (batches("twins", "twins"), batches("chosen", "chosen")):
        for batch in sampled:
            second = batch.second
            assert len(second.views) == len(batch.views)
            assert second.d.equal(batch.d)
            assert second.num_domains == batch.num_domains
            assert second.second is None
            assert second.x.shape == batch.x.shape
        assert any(not batch.second.x.equal(batch.x) for batch in sampled)
        assert any(not batch.second.y.equal(batch.y) for batch in sampled)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("algo", ["twins", "twins[strong=crop-flip>cutout]@swa", "twins+agreeing"])
def test_a_run_that_is_broken_off_ends_as_one_that_was_not(make_job, tmp_path, algo, accumulate):
    settings = {"accumulate": accumulate, "batch_per_domain": 2, "augmentation": "crop-flip"}
    spec = make_job(algo, steps=8, eval_every=4, **settings).spec
    whole = carry_out(spec, tmp_path / "whole", tmp_path)
    broken = carry_out(spec, tmp_path / "broken", tmp_path, stops=[2, 7])
    check_same(whole, broken, f"{algo}, broken off and resumed,")


def test_every_batch_of_a_step_has_views_of_its_own(batches):
    several = batches("twins", accumulate=3)
    assert len(several) == 18
    assert len({float(batch.views[1].sum()) for batch in several}) == 18
    assert len({float(batch.second.views[1].sum()) for batch in several}) == 18


def test_images_that_are_read_ahead_are_the_same(batches, monkeypatch):
    kept = batches("twins", "kept")
    init = DeviceImages.__init__

    def streamed(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.resident = False

    monkeypatch.setattr(DeviceImages, "__init__", streamed)
    from ltbench.training import context

    context._last.clear()
    try:
        streamed_batches = batches("twins", "streamed")
    finally:
        context._last.clear()
    for one, other in zip(kept, streamed_batches, strict=True):
        for a, b in zip((*one.views, *one.second.views), (*other.views, *other.second.views),
                        strict=True):  # fmt: skip
            assert a.equal(b)


def test_what_a_frozen_network_says_is_looked_up_for_the_first_view_alone(
    make_job, tmp_path, monkeypatch
):
    found = []

    def note(*args):
        found.append(frozen_network(*args))
        return found[-1]

    monkeypatch.setattr(loop, "frozen_network", note)
    job = make_job("erm+agreeing", augmentation="crop-flip", steps=12, batch_per_domain=4)
    looked_up = carry_out(job.spec, tmp_path / "one", tmp_path)
    assert [bool(frozen) for frozen in found] == [False, True]
    monkeypatch.setattr(loop, "frozen_network", lambda *args: None)
    computed = carry_out(job.spec, tmp_path / "other", tmp_path)
    for first, second in zip(looked_up.log, computed.log, strict=True):
        assert first["losses"] == pytest.approx(second["losses"], rel=1e-4)
    for name, tensor in looked_up.model.items():
        assert torch.allclose(tensor, computed.model[name], rtol=1e-3, atol=1e-5), name


def test_statistics_are_estimated_from_first_views(make_job, tmp_path, monkeypatch):
    seen = {}

    def note(model, views):
        seen[type(model).__name__] = [view.clone() for view in views]

    monkeypatch.setattr(loop, "estimate_statistics", note)
    register_small_data()
    for algo in ("plain@ema", "twins@ema"):
        job = make_job(algo, dataset="small-mlt", augmentation="crop-flip", steps=6, eval_every=3)
        carry_out(job.spec, tmp_path / algo, tmp_path)
    assert len(seen["Plain"]) == len(seen["Twins"]) > 0
    assert all(a.equal(b) for a, b in zip(seen["Plain"], seen["Twins"], strict=True))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_what_is_seen_between_steps_is_augmented_the_same_after_a_break(
    make_job, tmp_path, monkeypatch, accumulate
):
    """Where augmentations change in the course of training, as those that grow."""
    estimated = []

    def note(model, views):
        estimated.append([view.clone() for view in views])

    monkeypatch.setattr(loop, "estimate_statistics", note)
    monkeypatch.setattr(loop, "adapting_norms", lambda model: True)
    settings = {"augmentation": "growing-crop", "steps": 4, "eval_every": 4, "batch_per_domain": 2}
    spec = make_job("looking", accumulate=accumulate, **settings).spec
    found = []
    for folder, stops in (("whole", ()), ("broken", (2, 3))):
        LOOKS.clear()
        estimated.clear()
        carry_out(spec, tmp_path / folder, tmp_path, stops)
        found.append((list(LOOKS), list(estimated)))
    (looks, views), (looks_after, views_after) = found
    assert all(progress == step / 4 for step, progress, _ in looks)
    assert len({progress for _, progress, _ in looks}) == 4
    for one, other in zip(looks, looks_after, strict=True):
        assert one[:2] == other[:2]
        assert one[2].equal(other[2])
    assert len(views) == len(views_after) == 4
    for one, other in zip(views, views_after, strict=True):
        assert all(a.equal(b) for a, b in zip(one, other, strict=True))


def test_a_second_batch_of_reversed_counts_prefers_what_is_rare(make_job, tmp_path):
    job = make_job("twins", augmentation="crop-flip", steps=60, eval_every=60, batch_per_domain=8)
    carry_out(job.spec, tmp_path / "run", tmp_path)
    counts = np.array(job.spec.data["counts"]["train"])
    for d, row in enumerate(counts):
        if not row.any():
            continue
        drawn = torch.cat([batch.second.y[batch.second.d == d] for batch in SEEN])
        shares = F.one_hot(drawn, counts.shape[1]).float().mean(0).numpy()
        rarity = np.where(row > 0, 1 / np.maximum(row, 1), 0)
        assert np.abs(shares - rarity / rarity.sum()).max() < 0.08
