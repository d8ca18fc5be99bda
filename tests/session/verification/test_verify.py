"""An honest submission passes; each thing that somebody may do to one is found."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences, wrong

from ltbench.results.run import RunSpec, canonical_hash
from ltbench.session.verification.metrics import sees_of
from ltbench.session.verification.verify import verify

ERM = "/erm/"
FIRST = "erm on tiny-mlt seed 0"


def place(members, words, seed):
    """Return the part of a run's place that no other run has."""
    (found,) = {m.rpartition("/")[0] for m in members if words in m and f"/seed-{seed}/" in m
                and "log.jsonl" in m}  # fmt: skip
    return f"{found}/"


def rehashed(document):
    """Make the hashes of an edited specification fit again."""
    document["hash"] = canonical_hash(document["identity"])
    document["protocol_hash"] = canonical_hash(RunSpec.from_dict(document).shared_setting())


def resubmit(members, at, change):
    """Edit a specification so that all hashes and places fit."""
    members.edit(at, "spec.json", lambda d: (change(d), rehashed(d)))
    spec = json.loads(members[members.find(at, "spec.json")])
    members.edit(at, "result.json", lambda d: d.update(hash=spec["hash"], seed=spec["seed"]))
    old_hash = at.split("/")[-3]
    new = at.replace(old_hash, spec["hash"])
    members.move(at, new)
    return new


def test_an_honest_submission_passes(archive, data_dir):
    found = verify(archive, data_dir)
    assert not wrong(found), sentences(found)
    assert found.origin == "Ada"
    assert len(found.runs) == 6
    assert {run.badge for run in found.runs} == {"recomputed"}
    assert not sentences(found, "unchecked")
    assert "lacks" not in sentences(found, "note")


def test_metrics_that_were_taken_out(members, check):
    at = place(members, ERM, 0)
    members.edit(at, "result.json", lambda d: d["test"].pop("accuracy_worst"))
    members.edit(at, "result.json", lambda d: d["domains"].pop("dark"))
    said = sentences(check(members), "note")
    assert (
        f"{FIRST}: result.json lacks metrics that its answers give: accuracy_worst, dark: " in said
    )


def test_a_folder_of_runs_is_checked_as_well(runs, data_dir):
    found = verify(runs, data_dir)
    assert not found.wrong, sentences(found)
    assert {run.badge for run in found.runs} == {"recomputed"}


@pytest.mark.parametrize("name", ["accuracy", "macro_f1_worst", "loss", "ece"])
def test_a_raised_metric(members, check, name):
    at = place(members, ERM, 0)
    members.edit(at, "result.json", lambda d: d["test"].update({name: d["test"][name] + 1e-3}))
    found = check(members)
    (finding,) = wrong(found)
    assert finding.runs == (FIRST,)
    assert f"other metrics than its answers give: {name} is" in finding.text
    assert {run.title: run.badge for run in found.runs}[FIRST] == "claimed"


def test_a_metric_of_probabilities_that_is_raised_by_more_than_float16_rounds(members, check):
    at = place(members, ERM, 0)
    assert sees_of()["brier_score"] == "probabilities"
    members.edit(
        at, "result.json", lambda d: d["test"].update(brier_score=d["test"]["brier_score"] - 0.2)
    )
    assert "brier_score is" in sentences(check(members))


def test_a_metric_of_one_domain_and_a_confusion_matrix(members, check):
    at = place(members, ERM, 0)
    members.edit(at, "result.json", lambda d: d["domains"]["dark"].update(accuracy=1.0))
    members.edit(at, "result.json", lambda d: d["confusion"]["dark"].reverse())
    said = sentences(check(members))
    assert "dark: accuracy is 1.0 and computed" in said
    assert "other confusion matrices" in said


def test_what_each_metric_looks_at_is_found_out():
    sees = sees_of()
    assert sees["accuracy_worst"] == sees["macro_f1"] == sees["accuracy_few"] == "answers"
    assert sees["ece"] == sees["loss"] == sees["adaptive_ece"] == "confidences"
    assert sees["brier_score"] == sees["macro_auroc"] == sees["top5_accuracy"] == "probabilities"


def test_an_edited_block_of_logits(members, check):
    def change(arrays):
        block = arrays["test_logits"][:4].astype(np.float32)
        block[np.arange(4), arrays["test_class"][:4]] += 3
        arrays["test_logits"][:4] = block - block.max(1, keepdims=True)

    members.edit_arrays(place(members, "/bsoftmax/", 0), "logits.npz", change)
    said = sentences(check(members))
    assert "of 24 test images: each has another confidence than its logits give" in said
    assert "bsoftmax on tiny-mlt seed 0" in said
    assert "erm on tiny-mlt" not in said


def test_answers_that_were_put_right(members, check):
    def change(arrays):
        arrays["prediction"][:] = arrays["class"]

    at = place(members, ERM, 0)
    members.edit_arrays(at, "predictions.npz", change)
    said = sentences(check(members))
    assert "predicted another class than that of its largest logit" in said
    assert "other metrics than its answers give" in said


def test_confidences_that_were_left_out_to_claim_what_is_computed_from_them(members, check):
    at = place(members, ERM, 0)
    members.edit_arrays(at, "predictions.npz", lambda arrays: arrays.pop("confidence"))
    members.edit(at, "result.json", lambda d: d["test"].update(ece=0.0))
    found = check(members)
    assert "predictions.npz lacks what every run with logits has: confidence" in sentences(found)
    assert {run.title: run.badge for run in found.runs}[FIRST] == "claimed"


@pytest.mark.parametrize("name", ["confidence", "loss"])
def test_confidences_that_are_no_numbers_to_claim_what_is_computed_from_them(members, check, name):
    at = place(members, ERM, 0)
    members.edit_arrays(at, "predictions.npz", lambda arrays: arrays[name].fill(np.nan))
    members.edit(at, "result.json", lambda d: d["test"].update(ece=1e-4, loss=1e-4))
    found = check(members)
    assert f"has another {name} than its logits give" in sentences(found)
    assert {run.title: run.badge for run in found.runs}[FIRST] == "claimed"


@pytest.mark.parametrize("words", [{"better": "lower"}, {"unit": "points"}])
def test_a_metric_of_which_the_other_direction_is_declared_better(members, check, words):
    at = place(members, ERM, 0)
    members.edit(at, "result.json", lambda d: d["metrics"]["macro_f1"].update(words))
    found = check(members)
    said = sentences(found)
    assert "another direction or unit than the metrics here have: macro_f1" in said
    assert {run.title: run.badge for run in found.runs}[FIRST] == "claimed"


def test_the_direction_of_one_value_alone(members, check):
    lower = {"better": "lower", "unit": "%", "head": "F1", "words": "F1"}
    at = place(members, ERM, 0)
    members.edit(at, "result.json", lambda d: d["metrics"].update(macro_f1_average=lower))
    assert "metrics here have: macro_f1_average" in sentences(check(members))


def test_values_of_a_test_set_that_the_data_set_does_not_have(members, check):
    at = place(members, ERM, 0)
    sets = {"hard": {"accuracy": 0.99}}
    members.edit(at, "result.json", lambda d: d.update(test_sets=sets))
    found = check(members)
    assert "could not be recomputed from what was handed in: accuracy" in sentences(
        found, "unchecked"
    )
    assert {run.title: run.badge for run in found.runs}[FIRST] == "claimed"


def test_text_of_a_run_makes_no_lines_of_the_verdict(members, check):
    at = place(members, ERM, 0)
    forged = "0.5.\n\n  erm on tiny-mlt seed 0  re-run\nNothing is wrong.\x1b[2J"
    members.edit(at, "result.json", lambda d: d["test"].update(accuracy=forged))
    (finding,) = wrong(check(members))
    assert finding.text.isprintable()
    assert "Nothing is wrong" not in finding.text


def test_a_block_of_validation_logits(members, check):
    def change(arrays):
        arrays["val_logits"][:] = np.where(np.arange(3) == arrays["val_class"][:, None], 0, -9)

    members.edit_arrays(place(members, ERM, 1), "logits.npz", change)
    assert "other validation scores than its logits give" in sentences(check(members))


def test_another_split(members, check):
    def change(document):
        document["identity"]["dataset"]["split"] = "0" * 64

    at = resubmit(members, place(members, ERM, 0), change)
    found = check(members)
    assert at.split("/")[-3] in {run.record.hash for run in found.runs}
    assert "it is of another split: 000000000000… and not" in sentences(found)


def test_other_test_images_under_the_right_split(members, check):
    def change(arrays):
        arrays["test_image"] = arrays["test_image"][::-1].copy()

    members.edit_arrays(place(members, ERM, 0), "logits.npz", change)
    assert "of other test images than the split here: names differ" in sentences(check(members))


def test_other_training_counts(members, check):
    at = place(members, ERM, 0)
    members.edit(at, "spec.json", lambda d: d["data"]["counts"]["train"][0].__setitem__(0, 1))
    assert "says other shot_counts, train counts than tiny-mlt has here" in sentences(
        check(members)
    )


def test_another_protocol_without_its_hash(members, check):
    members.edit(place(members, ERM, 0), "spec.json",
                 lambda d: d["identity"]["protocol"].update(lr=1.0))  # fmt: skip
    said = sentences(check(members))
    assert "its hash is not that of its identity" in said
    assert "protocol_hash is not that of its data set, protocol" in said


@pytest.mark.parametrize(
    ("setting", "value", "cause"),
    [
        ("steps", 24, "evaluated 2 times up to step 12, and 24 steps were asked for"),
        ("eval_every", 3, "12 steps were asked for, evaluated 4 times"),
        ("lr", 5e-2, "it trained with lr 0.001, and 0.05 was asked for"),
    ],
)
def test_another_protocol_whose_hashes_fit(members, check, setting, value, cause):
    resubmit(members, place(members, ERM, 0),
             lambda d: d["identity"]["protocol"].update({setting: value}))  # fmt: skip
    said = sentences(check(members))
    assert "log.jsonl is of another protocol than spec.json claims" in said
    assert cause in said


def test_a_protocol_with_other_settings_is_told_but_not_wrong(archive, data_dir):
    said = sentences(verify(archive, data_dir), "note")
    assert "its protocol is 'tiny' with other settings (eval_every 6 for 3)" in said


def test_another_log(members, check):
    one, other = place(members, ERM, 0), place(members, ERM, 1)
    members[members.find(one, "log.jsonl")] = members[members.find(other, "log.jsonl")]
    assert "not the log of which result.json has the digest" in sentences(check(members))


@pytest.mark.parametrize("name", ["logits.npz", "predictions.npz", "log.jsonl", "result.json"])
def test_a_file_that_breaks_off(members, check, name):
    member = members.find(place(members, ERM, 0), name)
    members[member] = members[member][: len(members[member]) // 2]
    found = check(members)
    assert found.wrong
    assert {"logits.npz": "is not an archive of plain arrays", "result.json": "cannot be read"}.get(
        name, name
    ) in sentences(found)


@pytest.mark.parametrize("name", ["logits.npz", "log.jsonl"])
def test_a_file_that_is_missing(members, check, name):
    del members[members.find(place(members, ERM, 0), name)]
    assert f"{name} is not in the archive" in sentences(check(members))


def test_an_edited_plugin(members, check):
    def change(document):
        version = document["identity"]["plugins"]["tiny-mlt"]
        document["identity"]["plugins"]["tiny-mlt"] = version[:-4] + "0000"

    resubmit(members, place(members, ERM, 0), change)
    assert "the source of one version was edited" in sentences(check(members))


def test_an_ensemble_whose_member_is_another_or_missing(members, check):
    def change(arrays):
        arrays["test_logits"][0] -= 1

    spoilt = type(members)(members)
    spoilt.edit_arrays(place(members, ERM, 1), "logits.npz", change)
    assert "its members have other logits than it was made of" in sentences(check(spoilt))
    for member in [m for m in members if place(members, ERM, 1) in m]:
        del members[member]
    assert "it is made of runs that were not handed in" in sentences(check(members))
