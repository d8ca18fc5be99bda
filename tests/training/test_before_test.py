"""Algorithms that learn on the test images, without their labels, before their test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from ltbench.api import Algorithm, HParams, PluginError, UsageError, hparam, read_runs
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.results.folder import RunFolder
from ltbench.results.logits import LOGITS, read_logits
from ltbench.session.export import _check_test
from ltbench.session.export_sample import Sample
from ltbench.session.temperature import run_temperature
from ltbench.training import final_test
from ltbench.training.checkpoint import load_best
from ltbench.training.run import execute
from ltbench.training.trained_model import load_trained

SEEN: list[list[tuple[torch.Tensor, ...]]] = []
"""The batches of each pass that the algorithms of these tests saw."""


class LearnerHParams(HParams):
    """Of one that learns."""

    first: str = hparam("none", names="augmentations")
    passes: int = hparam(1)
    odd: bool = hparam(False)


class Learner(Algorithm):
    """Adds the mean of the test images' random shifts to a logit (2026)."""

    HParams = LearnerHParams

    @classmethod
    def test_augmentations(cls, hparams):
        return (hparams.first, "protocol") if hparams.passes else ()

    def before_test(self, test):
        assert not self.training
        for _ in range(self.hparams.passes):
            SEEN.append(list(test.views(7)))
        drawn = torch.randn((), generator=self.generator) + torch.randn(())
        with torch.no_grad():
            self.classifier.bias[0] += 5 + drawn
        return {"drawn": float("nan") if self.hparams.odd else float(drawn), "images": len(test)}


@pytest.fixture(autouse=True)
def _theirs() -> Iterator[None]:
    SEEN.clear()
    entry = Entry("algorithm", "learner", Learner, "Learner", "theirs", "1")
    get_plugins()["algorithms"].add(entry)
    yield
    get_plugins.cache_clear()


@pytest.fixture
def learner(make_job):
    def learner(options="", folder="run", **settings):
        settings = {"augmentation": "crop-flip", **settings}
        return make_job(f"learner{options}", folder=folder, **settings)

    return learner


def run(job, stops=lambda: False):
    return execute(job, lambda _: None, stops)


def pixels(batches):
    """Return what one could tell test images apart by, in the order of the pass."""
    return [float(image.double().sum()) for views in batches for image in views[0]]


def test_it_sees_every_test_image_once_a_pass_in_an_order_of_its_own(learner):
    job = learner("[passes=3]")
    result = run(job)
    number = len(read_logits(job.folder, "test"))
    assert [sum(len(views[0]) for views in one) for one in SEEN] == [number] * 3
    assert all(len(views) == 2 for one in SEEN for views in one)
    first, second, third = map(pixels, SEEN)
    assert sorted(first) == sorted(second) == sorted(third)
    assert first != second != third
    before = result["before_test"]
    assert before["images"] == before["learnt"]["images"] == number
    assert before["passes"] == 3
    assert before["augmentations"] == ["none", "crop-flip"]


def test_each_view_is_augmented_by_itself_and_none_is_what_the_test_sees(learner):
    run(learner())
    plain, augmented = zip(*[views for one in SEEN for views in one], strict=True)
    assert not torch.cat(plain).equal(torch.cat(augmented))
    SEEN.clear()
    run(learner(folder="other", evaluation="crop"))
    seen = torch.cat([views[0] for one in SEEN for views in one])
    assert not torch.cat(plain).equal(seen)  # of the centre crop


def test_what_it_learnt_is_tested_and_the_kept_model_is_the_chosen_one(learner):
    job, without = learner(), learner("[passes=0]", folder="without")
    run(job)
    plain = run(without)
    assert "before_test" not in plain
    kept = [load_best(RunFolder(one.folder).best).model for one in (job, without)]
    assert all(value.equal(kept[1][key]) for key, value in kept[0].items())
    logs = [RunFolder(one.folder).log.read_text() for one in (job, without)]
    values = [[json.loads(line)["val"] for line in log.splitlines()] for log in logs]
    assert values[0] == values[1]
    for part in ("test", "val"):  # of one model, for estimators compare both
        learnt, not_learnt = (read_logits(one.folder, part).logits for one in (job, without))
        moved = (learnt - not_learnt).astype(float)
        assert np.abs(moved - moved[:, 1:2])[:, 0].mean() > 1
        assert np.abs(moved - moved[:, 1:2])[:, 2:].max() < 0.05


def test_the_kept_model_has_no_temperature_of_the_other_and_is_not_compared(learner, monkeypatch):
    job = learner(eval_every=2, steps=2)
    # Theirs is no distribution that is installed.
    monkeypatch.setattr("ltbench.training.trained_model._check_installed", lambda *args: None)
    run(job)
    assert "the model that is kept is the one before" in run_temperature(job.folder).why_not
    model = load_trained(job.folder)
    assert model.transductive
    with np.load(job.folder / "predictions.npz") as arrays:
        others = 1 - np.eye(len(model.classes))[arrays["prediction"][:1]]
    _check_test(model, Sample((), rows=(0,)), 1e3 * others)  # answers otherwise, and may
    with pytest.raises(UsageError, match="otherwise than in the run's test"):
        _check_test(replace(model, transductive=False), Sample((), rows=(0,)), 1e3 * others)


def test_a_run_that_was_broken_off_learns_the_same(learner, monkeypatch):
    whole, broken = learner(folder="whole"), learner(folder="broken")
    expected = run(whole)["before_test"]
    polls = iter(range(100))
    assert run(broken, lambda: next(polls) == 2)["status"] == "interrupted"
    learn = Learner.before_test

    def fail(self, test):
        next(test.views(3))
        raise RuntimeError("the power is gone")

    monkeypatch.setattr(Learner, "before_test", fail)
    assert run(broken)["status"] == "failed"
    monkeypatch.setattr(Learner, "before_test", learn)
    assert run(broken)["before_test"] == expected
    assert (broken.folder / LOGITS).read_bytes() == (whole.folder / LOGITS).read_bytes()


def test_other_seeds_draw_otherwise(learner):
    found = []
    for seed in (0, 1):
        found.append(run(learner(folder=f"run-{seed}", seed=seed))["before_test"]["learnt"])
    assert found[0]["drawn"] != found[1]["drawn"]


def test_no_label_and_no_domain_is_within_its_reach(learner, monkeypatch):
    def look(self, test):
        public = [name for name in dir(test) if not name.startswith("_")]
        assert sorted(public) == ["passes", "views"]
        for views in test.views(5):
            assert all(isinstance(view, torch.Tensor) for view in views)
        return {}

    monkeypatch.setattr(Learner, "before_test", look)
    assert run(learner())["before_test"]["learnt"] == {}


@pytest.mark.parametrize("ask", ["extract_features", "extract_logits", "pass_over"])
@pytest.mark.parametrize("part", ["test", "tests"])
def test_a_training_is_given_no_test_image(learner, monkeypatch, ask, part):
    def before_step(self, step, training):
        for allowed in ("train", "val"):
            getattr(training, ask)(allowed)
        getattr(training, ask)(part)

    monkeypatch.setattr(Learner, "before_step", before_step)
    result = run(learner())
    assert result["status"] == "failed"
    assert f"PluginError: Learner asks for the images of '{part}'" in result["error"]


def test_a_record_says_that_it_is_transductive(learner, tmp_path):
    run(learner(folder="runs/one"))
    run(learner("[passes=0]", folder="runs/other"))
    assert [run.transductive for run in read_runs(tmp_path / "runs")] == [True, False]
    again = read_runs(tmp_path / "runs")  # of the index
    assert [run.transductive for run in again] == [True, False]


def test_a_stage_stands_behind_it_where_it_learns_nothing(make_job):
    with pytest.raises(UsageError, match=r"'learner' learns on .* here 'crt': put it last"):
        make_job("learner+crt", augmentation="crop-flip")
    result = run(make_job("learner[passes=0]+crt", augmentation="crop-flip"))
    assert "before_test" not in result
    assert SEEN == []


def spoil(model):
    with torch.no_grad():
        model.classifier.bias[0] = float("nan")


@pytest.mark.parametrize("images", ["these", "validation images"])
def test_a_model_that_is_no_numbers_once_it_learnt_has_diverged(learner, monkeypatch, images):
    validate = final_test._validation

    def spoilt(model, context):
        spoil(model)
        return validate(model, context)

    if images == "these":
        monkeypatch.setattr(Learner, "before_test", lambda self, test: spoil(self) or {})
    else:  # weights that only answers to other images show
        monkeypatch.setattr(final_test, "_validation", spoilt)
    job = learner()
    result = run(job)
    assert result["status"] == "diverged"
    assert f"which learnt on the test images before its test, on {images}" in result["error"]
    assert "other hyper-parameters of what it does there may help" in result["error"]
    assert not (job.folder / LOGITS).exists()
    assert not (job.folder / "predictions.npz").exists()


def test_what_it_learnt_must_fit_the_result(learner):
    result = run(learner("[odd=true]"))
    assert result["status"] == "failed"
    assert "'Learner.before_test' must return numbers, texts and lists" in result["error"]


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        ("", {"augmentation": "none"}, "views 1 and 2 of the test images for 'learner' would be"),
        (
            "[first=crop-flop]",
            {},
            "view 1 of the test images for 'learner', crop-flop: .*crop-flip",
        ),
        ("[first=mixup]", {}, "view 1 of .*'mixup' makes an image of two"),
        ("[first=cutout>crop-flip]", {}, "view 1 of .*put it first"),
    ],
)
def test_views_that_cannot_be_made_are_refused_before_any_training(
    learner, options, settings, message
):
    with pytest.raises(UsageError, match=message):
        learner(options, **settings)


def test_chains_must_be_a_tuple_of_texts(learner, monkeypatch):
    monkeypatch.setattr(Learner, "test_augmentations", classmethod(lambda cls, hparams: "none"))
    with pytest.raises(PluginError, match=r"Learner.test_augmentations returns 'none'.*\(\) where"):
        learner()


def test_sade_weighs_its_experts_for_the_test_alone(make_job):
    on = make_job("sade[scale=5,passes=3,lr=2,batch=8]", folder="on")
    off = make_job("sade[scale=5,aggregate=false]", folder="off")
    learnt = run(on)["before_test"]["learnt"]["experts"]
    assert sum(learnt) == pytest.approx(1, abs=1e-5)
    assert max(learnt) - min(learnt) > 0.01
    assert "before_test" not in run(off)
    kept = [load_best(RunFolder(one.folder).best).model for one in (on, off)]
    assert all(value.equal(kept[1][key]) for key, value in kept[0].items())
    logits = [read_logits(one.folder, "test").logits for one in (on, off)]
    assert not np.array_equal(*logits)


def test_sade_ends_once_an_expert_is_out(make_job):
    result = run(make_job("sade[floor=1]"))
    assert result["before_test"]["passes"] == 1
    longer = make_job("sade[floor=0,passes=2]", folder="two")
    assert run(longer)["before_test"]["passes"] == 2
