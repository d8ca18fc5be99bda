"""Training and testing a run in a folder that nobody has claimed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from ltbench_mdlt.boda import BoDA

from ltbench.data.normalisation import Normalisation
from ltbench.report.stored_metrics import metrics_of_stored
from ltbench.results.folder import RunFolder
from ltbench.testing.small_run import check_same, run_small
from ltbench.training import context as context_module
from ltbench.training.checkpoint import Checkpoint, load_checkpoint, resume
from ltbench.training.context import open_context
from ltbench.training.loop import Interrupted
from ltbench.training.run import execute
from ltbench.training.trainer import train_and_test

KEPT = ("test", "domains", "val", "selection", "confusion", "parameters", "macs")


def train(job, checkpoint=None, should_stop=lambda: False):
    folder = RunFolder(job.folder)
    folder.start(job.spec.as_dict())
    checkpoint = checkpoint or Checkpoint(threads=1)
    return train_and_test(open_context(job, folder, lambda _: None, should_stop), checkpoint)


def test_without_a_claim_the_result_is_the_same_and_is_not_recorded(make_job):
    alone, whole = make_job("boda+crt", folder="alone"), make_job("boda+crt", folder="whole")
    found, expected = train(alone), execute(whole, lambda _: None, lambda: False)
    assert {k: found[k] for k in KEPT} == {k: expected[k] for k in KEPT}
    assert found.keys() == expected.keys()
    written = {path.name for path in alone.folder.rglob("*") if path.is_file()}
    names = "spec.json log.jsonl latest.pt best.pt predictions.npz features.npz logits.npz"
    assert written == set(names.split())


def test_a_stop_is_raised_once_its_checkpoint_is_there_and_training_goes_on_from_it(make_job):
    broken, whole = make_job("erm+crt", folder="broken"), make_job("erm+crt", folder="whole")
    polls = iter(range(100))
    with pytest.raises(Interrupted):
        train(broken, should_stop=lambda: next(polls) == 13)
    folder = RunFolder(broken.folder)
    left = load_checkpoint(folder.latest)
    assert (left.stage, left.step) == (1, 2)
    found, expected = train(broken, resume(folder, 1)), train(whole)
    assert {k: found[k] for k in KEPT} == {k: expected[k] for k in KEPT}


def test_a_checkpoint_whose_log_was_lost_is_not_resumed(make_job):
    job = make_job()
    execute(job, lambda _: None, iter([False] * 6 + [True]).__next__)
    folder = RunFolder(job.folder)
    assert resume(folder, 1).step == 7
    folder.log.write_text("")
    assert (resume(folder, 3).step, resume(folder, 3).threads) == (0, 3)


def test_a_new_stage_begins_with_nothing_of_the_one_before():
    checkpoint = Checkpoint(0, 7, {}, {"main": {}}, None, 5.0, 1.0, 3, 2, {"a": torch.ones(1)})
    checkpoint.running_steps["a"] = 2
    checkpoint.begin_stage(1)
    assert checkpoint == Checkpoint(1, seconds=5.0, evaluating=1.0, log_lines=3, threads=2)


def test_training_and_evaluation_normalise_through_one_object(make_job, monkeypatch):
    made, seen = [], []

    class Counted(Normalisation):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

        def __call__(self, images):
            seen.append(torch.is_grad_enabled())  # evaluation needs no gradients
            return super().__call__(images)

    monkeypatch.setattr(context_module, "Normalisation", Counted)
    job = make_job()
    train(job)
    assert len(made) == 1
    assert seen.count(True) == job.spec.protocol.steps
    assert False in seen


def test_the_older_name_of_a_pass_over_the_data_still_works(tmp_path, monkeypatch):
    asked = []

    def before_step(self, step, training):
        asked.append(step)
        if step >= self.start and (step - self.start) % self.update == 0:
            found = training.pass_over("train")
            self.refresh(found.features, found.y, found.d)

    new = run_small("boda[start=1,update=2]", tmp_path / "new")
    monkeypatch.setattr(BoDA, "before_step", before_step)
    old = run_small("boda[start=1,update=2]", tmp_path / "old")
    assert asked == [0, 1, 2, 3, 4]
    check_same(new, old, "the older name")


def test_the_trainer_knows_of_no_claims():
    folder = Path(context_module.__file__).parent
    for name in ("trainer", "context", "loop", "final_test", "model", "checkpoint", "environment"):
        assert "claim" not in (folder / f"{name}.py").read_text().lower(), name
    assert "claim" in (folder / "run.py").read_text()


def test_what_is_returned_can_be_written(make_job):
    result = train(make_job())
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_what_takes_long_is_computed_of_the_chosen_model_alone(make_job):
    job = make_job()
    result = train(job)
    lines = [json.loads(line) for line in RunFolder(job.folder).log.read_text().splitlines()]
    names = {"balanced_accuracy", "macro_auroc", "brier_score", "top5_accuracy", "f1_few"}
    assert names <= result["test"].keys()
    assert names <= next(iter(result["domains"].values())).keys()
    assert not any(names & line["val"].keys() for line in lines)
    assert not names & result["val"].keys()
    assert {"balanced_accuracy", "macro_auroc", "brier_score", "f1"} <= result["metrics"].keys()


def test_what_was_written_follows_from_what_was_kept(make_job):
    job = make_job()
    result, found = train(job), metrics_of_stored(job.folder)
    assert found.keys() == result["test"].keys()
    for name, value in result["test"].items():  # logits are kept in float16
        assert found[name] == (None if value is None else pytest.approx(value, abs=2e-3)), name
