"""Whole runs in this process: resume, determinism, selection, failure."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from ltbench.plugins.split import Split
from ltbench.results.folder import RunFolder
from ltbench.training.checkpoint import load_best, load_checkpoint
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)


def answers(job):
    folder = RunFolder(job.folder)
    result = json.loads(folder.result.read_text())
    kept = {k: result[k] for k in ("test", "domains", "val", "selection", "confusion")}
    return kept, {k: v.tobytes() for k, v in np.load(folder.predictions).items()}


def stop_after(steps):
    """Ask to stop when the ``steps``-th step is done, counted over all stages."""
    polls = iter(range(10**9))
    return lambda: next(polls) + 1 >= steps


@pytest.mark.parametrize("algo", ["erm", "boda+crt", "dann", "brl"])
@pytest.mark.parametrize("at", [1, 5, 11])
def test_interrupted_and_resumed_equals_uninterrupted(make_job, algo, at):
    quiet, broken = make_job(algo, folder="quiet"), make_job(algo, folder="broken")
    execute(quiet, *QUIET)
    assert execute(broken, QUIET[0], stop_after(at)) == {"status": "interrupted"}
    assert not RunFolder(broken.folder).done
    assert load_checkpoint(RunFolder(broken.folder).latest).step == at
    execute(broken, *QUIET)
    assert answers(quiet) == answers(broken)
    logs = [
        [
            {k: v for k, v in json.loads(line).items() if k != "seconds"}
            for line in RunFolder(job.folder).log.read_text().splitlines()
        ]
        for job in (quiet, broken)
    ]
    assert logs[0] == logs[1]


def test_interrupted_at_every_step_it_still_ends_the_same(make_job):
    quiet, broken = make_job("boda+crt", folder="quiet"), make_job("boda+crt", folder="broken")
    execute(quiet, *QUIET)
    attempts = 1
    while execute(broken, QUIET[0], lambda: True) == {"status": "interrupted"}:
        attempts += 1
    assert attempts > 20
    assert answers(quiet) == answers(broken)


def test_a_torn_log_and_a_truncated_checkpoint_only_cost_time(make_job):
    quiet, broken = make_job(folder="quiet"), make_job(folder="broken")
    execute(quiet, *QUIET)
    execute(broken, QUIET[0], stop_after(7))
    folder = RunFolder(broken.folder)
    folder.latest.write_bytes(folder.latest.read_bytes()[:1000])
    folder.log.write_text(folder.log.read_text() + '{"stage": "erm", "st')
    execute(broken, *QUIET)
    assert answers(quiet) == answers(broken)
    assert len(folder.log.read_text().splitlines()) == 4


def test_focal_without_focus_is_erm_to_the_last_bit(make_job):
    erm, focal = make_job("erm", folder="erm"), make_job("focal[gamma=0]", folder="focal")
    execute(erm, *QUIET)
    execute(focal, *QUIET)
    assert answers(erm)[1] == answers(focal)[1]


def test_the_chosen_model_is_the_one_that_is_tested(make_job):
    job = make_job("boda+crt", steps=30, eval_every=2)
    result = execute(job, *QUIET)
    lines = [json.loads(line) for line in RunFolder(job.folder).log.read_text().splitlines()]
    last = [line for line in lines if line["stage"] == "crt"]
    values = [line["val"]["macro_f1_average"] for line in last]
    assert result["selection"]["value"] == max(values)
    assert result["selection"]["step"] == last[values.index(max(values))]["step"]
    assert load_best(RunFolder(job.folder).best).step == result["selection"]["step"]


def test_stage_two_stands_on_stage_one_of_its_own_seed(make_job):
    """The features that crt froze are those of the same seed's boda, not of seed 0's."""
    for seed in (0, 1):
        alone, both = (make_job(a, seed, f"{a}-{seed}") for a in ("boda", "boda+crt"))
        execute(alone, *QUIET)
        execute(both, *QUIET)
        first = load_best(RunFolder(alone.folder).best).model
        second = load_best(RunFolder(both.folder).best).model
        assert torch.equal(
            first["backbone.layers.0.weight"], second["base.backbone.layers.0.weight"]
        )


def test_selection_by_accuracy(make_job):
    result = execute(make_job(select="accuracy"), *QUIET)
    assert result["selection"]["metric"] == "accuracy_average"


def test_a_diverged_run_says_so_and_starts_afresh(make_job):
    job = make_job("misbehave[how=nan,at=7]")
    failure = execute(job, *QUIET)
    assert failure["status"] == "diverged"
    folder = RunFolder(job.folder)
    assert json.loads(folder.error.read_text())["status"] == "diverged"
    assert not folder.done
    assert not folder.latest.exists()


STEEP = {"optimizer": "sgd", "lr": 1e3, "eval_every": 1, "max_loss": 1e38}
"""With these the weights become NaN before a loss in training does."""


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_step_after_which_the_weights_are_no_numbers_has_diverged(make_job):
    job = make_job(**STEEP)
    failure = execute(job, *QUIET)
    assert failure["status"] == "diverged"
    assert re.match(r"the loss of erm on validation images at step \d+ is nan", failure["error"])
    folder = RunFolder(job.folder)
    assert json.loads(folder.error.read_text())["status"] == "diverged"
    assert not folder.latest.exists()


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_and_so_it_has_where_its_test_is_the_first_to_see_them(make_job, monkeypatch):
    validated = execute(make_job(**STEEP), *QUIET)
    job = make_job(folder="last", **STEEP | {"select": "last", "steps": validated["step"]})
    rows = Split.rows

    def without_validation(self, part):
        return rows(self, part)[: 0 if part == "val" else None]

    monkeypatch.setattr(Split, "rows", without_validation)
    failure = execute(job, *QUIET)
    assert failure["status"] == "diverged"
    assert failure["error"].startswith("the loss of erm on test images is nan")
    assert not RunFolder(job.folder).done


def test_a_loss_above_the_bound_is_diverged(make_job):
    assert execute(make_job(max_loss=1e-9), *QUIET)["status"] == "diverged"


def test_a_failed_run_keeps_its_traceback_and_goes_on_where_it_was(make_job):
    job = make_job("misbehave[at=7]")
    failure = execute(job, *QUIET)
    assert failure["status"] == "failed"
    assert "told to raise" in failure["traceback"]
    assert load_checkpoint(RunFolder(job.folder).latest).step == 6


def test_results_name_their_surroundings(make_job):
    result = execute(make_job(), *QUIET)
    assert result["environment"]["threads"] == 1
    assert result["environment"]["distributions"]["tiny-mlt"][:4] == "1.0 "
    assert result["environment"]["code"].count("+") == 1
    assert result["peak_memory_mb"] > 0


def test_changed_images_are_noticed(make_job):
    job = make_job()
    spec = replace(job.spec, split="0" * 64)
    failure = execute(replace(job, spec=spec), *QUIET)
    assert "changed after the run was planned" in failure["error"]


def test_bf16_resumes_to_the_same_bits(make_job, other_precision):
    quiet, broken = (other_precision(make_job(folder=f), "bf16") for f in ("a", "b"))
    execute(quiet, *QUIET)
    execute(broken, QUIET[0], stop_after(5))
    execute(broken, *QUIET)
    assert answers(quiet) == answers(broken)


def test_a_full_disk_fails_the_run_and_not_the_process(make_job, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    job = make_job()
    monkeypatch.setattr("ltbench.results.folder.os.fsync", full)
    failure = execute(job, *QUIET)
    assert failure["status"] == "failed"
    assert "No space left on device" in failure["error"]
    left = {path.name for path in job.folder.rglob("*") if path.is_file()}
    assert left <= {"spec.json", "log.jsonl"}, "nothing half-written, and no claim"


def test_a_stage_that_refuses_its_base_does_so_before_training(make_job):
    job = make_job("mtl+tau-norm")
    failure = execute(job, *QUIET)
    assert "linear in its features" in failure["error"]
    assert failure["step"] == 0
    assert not RunFolder(job.folder).log.read_text()


def test_results_say_what_the_model_costs(make_job):
    result = execute(make_job(), *QUIET)
    convolutions = 9 * (3 * 64 + 64 * 128 + 2 * 128 * 128) + 64 + 3 * 128
    assert result["parameters"] == convolutions + 2 * (64 + 3 * 128) + 128 * 3 + 3
    # 3×3 convolutions on 12×12 and, from the second on, 6×6 pixels, then the classifier.
    assert result["macs"] == 144 * 9 * 3 * 64 + 36 * 9 * (64 + 128 + 128) * 128 + 128 * 3
