"""The logits that a run keeps: those of its answers, whatever happened on the way."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ltbench.data.catalogue import create_dataset
from ltbench.plugins.names import Name
from ltbench.results.documents import read_predictions
from ltbench.results.folder import RunFolder
from ltbench.results.logits import LOGITS, read_logits
from ltbench.training.run import execute


def run(job, stops=lambda: False):
    return execute(job, lambda _: None, stops)


def split_of(job):
    name = Name(job.spec.dataset.name, dict(job.spec.dataset_options))
    return create_dataset(name, job.data_dir).split()


@pytest.mark.parametrize("algo", ["erm", "boda+crt", "erm+tau-norm"])
def test_they_are_those_of_the_chosen_model_and_name_their_images(make_job, algo):
    job = make_job(algo)
    result, split = run(job), split_of(job)
    test, val = (read_logits(job.folder, part) for part in ("test", "val"))
    answers = read_predictions(job.folder)
    assert np.array_equal(test.logits.argmax(1), answers["prediction"])
    assert np.array_equal(test.classes, answers["class"])
    p = test.probabilities()[np.arange(len(test)), test.classes]
    assert np.allclose(-np.log(p), answers["loss"], atol=0.02)
    for part, found in (("test", test), ("val", val)):
        rows = split.rows(part)
        assert np.array_equal(found.images, split.images[rows])
        assert np.array_equal(found.classes, split.y[rows])
        assert np.array_equal(found.domains, split.d[rows])
    right = [(val.logits.argmax(1) == val.classes)[val.domains == d].mean()
             for d in np.unique(val.domains)]  # fmt: skip
    assert np.mean(right) == pytest.approx(result["val"]["accuracy_average"])


def test_a_run_that_was_stopped_keeps_the_same_bits(make_job):
    whole, broken = make_job("erm+crt", folder="whole"), make_job("erm+crt", folder="broken")
    run(whole)
    polls = iter(range(100))
    assert run(broken, lambda: next(polls) == 9)["status"] == "interrupted"
    run(broken)
    assert (broken.folder / LOGITS).read_bytes() == (whole.folder / LOGITS).read_bytes()


def test_a_run_is_done_only_when_its_logits_are_there(make_job, monkeypatch):
    """A process that ends between the arrays and the result goes on to write both again."""
    job = make_job()
    finish, seen = RunFolder.finish, []

    def torn(self, result):
        seen.append(self.logits.is_file())
        if len(seen) == 1:
            self.logits.write_bytes(b"half")
            raise OSError("the disk is full")
        finish(self, result)

    monkeypatch.setattr(RunFolder, "finish", torn)
    assert run(job)["status"] == "failed"
    assert not RunFolder(job.folder).done
    run(job)
    assert seen == [True, True]
    assert len(read_logits(job.folder, "test"))


def test_runs_without_them_stay_done(make_job):
    job = make_job()
    before = run(job)
    (job.folder / LOGITS).unlink()
    assert run(job) == json.loads(json.dumps(before))
    assert not (job.folder / LOGITS).exists()
