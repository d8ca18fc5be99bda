"""Runs that are other runs: a seed under two numbers, a method that is another's copy."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences, wrong

from ltbench.results.documents import read_predictions
from ltbench.results.index import read_runs
from ltbench.results.untrusted import read_json, read_result
from ltbench.session.verification.copies import check_copies
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.specification import read_asked
from ltbench.session.verification.verify import verify

NOISE = 1e-4
GIVEN = "f" * 64  # the digest of a checkpoint


def renamed(members, words, seed, number):
    """Hand a seed in under another number, or under a second one."""
    old = f"/seed-{seed}/"
    for member in [m for m in members if words in m and old in m and "ensemble" not in m]:
        at = member.replace(old, f"/seed-{number}/")
        members[at] = members[member]
    for member in [m for m in members if words in m and f"/seed-{number}/" in m]:
        if member.endswith(("spec.json", "result.json")):
            document = json.loads(members[member])
            members[member] = json.dumps({**document, "seed": number}).encode()


def noisy(members, words):
    """Add noise on answers and logits that changes no prediction."""
    generator = np.random.default_rng(0)

    def change(arrays):
        for name in ("confidence", "loss"):
            arrays[name] = (arrays[name] + NOISE * generator.random(arrays[name].shape)).astype(
                "f4"
            )

    members.edit_arrays(words, "predictions.npz", change)


def test_one_seed_under_two_numbers(members, check):
    renamed(members, "/bsoftmax/", 0, 7)
    found = check(members)
    (finding,) = wrong(found)
    assert finding.runs == ("bsoftmax on tiny-mlt seed 0", "bsoftmax on tiny-mlt seed 7")
    assert "one seed was handed in under two numbers" in finding.text
    assert {run.badge for run in found.runs if run.wrong} == {"claimed"}


def test_one_seed_under_two_numbers_with_noise_and_another_log(members, check):
    renamed(members, "/bsoftmax/", 0, 7)
    noisy(members, "seed-7")
    log = members.find("seed-7", "log.jsonl")
    members[log] = members[log].replace(b'"total": 0.', b'"total": 0.1')
    said = sentences(check(members))
    assert "they answer almost alike, and seeds change initial weights" in said


def test_a_method_that_is_the_copy_of_another(members, check):
    """Answers, log and scores of erm under the name of bsoftmax, whose hashes and digests fit."""
    names = ("predictions.npz", "logits.npz", "log.jsonl")
    erm = next(
        m.rpartition("/")[0] for m in members if "/erm/" in m and m.endswith("seed-0/log.jsonl")
    )
    own = next(m.rpartition("/")[0] for m in members if "/bsoftmax/" in m and "/seed-1/" in m)
    for name in names:
        members[f"{own}/{name}"] = members[f"{erm}/{name}"].replace(b'"erm"', b'"bsoftmax"')
    theirs = json.loads(members[f"{erm}/result.json"])
    mine = json.loads(members[f"{own}/result.json"])
    members[f"{own}/result.json"] = (
        json.dumps({**theirs, **{key: mine[key] for key in ("hash", "seed", "label")}})
        .replace('"erm"', '"bsoftmax"')
        .encode()
    )
    said = sentences(check(members))
    assert "bsoftmax on tiny-mlt seed 1, erm on tiny-mlt seed 0: they answer every test" in said
    assert "under other seeds: one method's run was handed in as the other's" in said


def test_methods_that_share_a_seed_may_be_one_training_which_is_said(runs):
    found = Findings()
    check_copies([subject(runs, "erm", 0), like(runs, "bsoftmax", 0, "erm")], found)
    ((kind, text),) = ((f.kind, f.text) for f in found.listed())
    assert kind == "wrong"
    assert "unless their settings make them the same training up to the chosen step" in text


@pytest.mark.parametrize("combined", [False, True])
def test_a_stage_that_leaves_the_model_and_a_soup_of_one_are_no_copies(runs, combined):
    """`wise-ft` may take all of the weights, and a greedy soup one run alone."""
    part, whole = subject(runs, "erm", 0), like(runs, "erm", 0, "erm")
    if combined:
        member = {"hash": part.record.hash, "seed": 0, "method": "erm"}
        object.__setattr__(whole.record, "combined", {"kind": "soup", "members": [member]})
    else:
        whole.spec["identity"]["stages"] = [{"name": "wise-ft", "hparams": {}}]
        object.__setattr__(whole.record, "stages", ("wise-ft",))
    object.__setattr__(whole.record, "hash", "0" * 12)
    found = Findings()
    check_copies([part, whole], found)
    (finding,) = found.listed()
    assert finding.kind == "note"
    assert ("made of the other" if combined else "'wise-ft' is made from the other") in finding.text


def renamed_as(run, hash_, *, seed=0, **more):
    """Return a run with the same files that says to be another one."""
    record = replace(run.record, hash=hash_, seed=seed, **more)
    return replace(run, record=record, spec=json.loads(json.dumps(run.spec)))


def elsewhere(run, folder):
    """Return a run whose files lie in a folder of its own."""
    shutil.copytree(run.record.path, folder)
    return replace(run, record=replace(run.record, path=str(folder)))


def combined_of(*seeds, kind="ensemble"):
    return {"kind": kind, "members": [{"hash": "a" * 12, "seed": s} for s in seeds]}


def test_one_seed_under_two_numbers_behind_an_ensemble_of_both(runs, tmp_path):
    """Each is explained by the ensemble, and nothing explains that they are alike themselves."""
    own = subject(runs, "erm", 0)
    first = elsewhere(renamed_as(own, "a" * 12, seed=0), tmp_path / "0")
    again = elsewhere(renamed_as(own, "a" * 12, seed=1), tmp_path / "1")
    both = elsewhere(renamed_as(own, "b" * 12, combined=combined_of(0, 1)), tmp_path / "both")
    found = Findings()
    check_copies([both, first, again], found)
    (finding,) = (f for f in found.listed() if f.kind == "wrong")
    assert finding.runs == (first.title, again.title)
    assert "one seed was handed in under two numbers" in finding.text


@pytest.mark.parametrize(
    ("algo", "weights", "kind"),
    [
        ("linear-probe", "f" * 64, "note"),
        ("linear-probe", None, "wrong"),
        ("erm", "f" * 64, "wrong"),
    ],
)
def test_seeds_that_cannot_differ_are_no_copies(runs, tmp_path, algo, weights, kind):
    """A classifier that is solved for, on a network whose weights are given, draws nothing."""
    own = subject(runs, "erm", 0)
    own.spec["identity"]["algorithm"] = {"name": algo, "hparams": {}}
    own.spec["identity"]["backbone"]["weights"] = weights
    own = replace(own, asked=read_asked(own.spec))
    seeds = [elsewhere(renamed_as(own, "a" * 12, seed=s), tmp_path / str(s)) for s in (0, 1)]
    found = Findings()
    check_copies(seeds, found)
    (finding,) = found.listed()
    assert finding.kind == kind
    assert ("seeds change nothing" in finding.text) == (kind == "note")


def test_what_was_made_of_one_run_is_no_copy_of_one_another(runs, tmp_path):
    own = elsewhere(renamed_as(subject(runs, "erm", 0), "a" * 12), tmp_path / "own")
    soup = renamed_as(own, "b" * 12, combined=combined_of(0, 1, kind="soup"))
    tuned = renamed_as(own, "c" * 12, stages=("wise-ft",))
    tuned.spec["identity"]["stages"] = [{"name": "wise-ft", "hparams": {}}]
    found = Findings()
    check_copies(
        [elsewhere(soup, tmp_path / "soup"), own, elsewhere(tuned, tmp_path / "tuned")], found
    )
    assert {finding.kind for finding in found.listed()} == {"note"}
    assert len(found.listed()) == 2


def test_the_same_training_chosen_by_another_rule_is_no_copy(runs):
    one, other = subject(runs, "erm", 0), like(runs, "erm", 0, "erm")
    object.__setattr__(other.record, "hash", "0" * 12)
    object.__setattr__(other.record, "protocol", {**one.record.protocol, "select": "accuracy"})
    found = Findings()
    check_copies([one, other], found)
    (finding,) = found.listed()
    assert finding.kind == "note"


def test_seeds_that_know_nothing_yet_are_not_taken_for_copies(archive, data_dir):
    assert "alike" not in sentences(verify(archive, data_dir))


def subject(runs, algo, seed):
    record = next(
        r for r in read_runs(runs)
        if r.algorithm == algo and r.seed == seed and not r.stages and not r.combined
    )  # fmt: skip
    folder = Path(record.path)
    assert len(read_predictions(folder)["class"])
    return Subject(record, read_json(folder / "spec.json"), read_result(folder), None, True, True)


def like(runs, algo, seed, answers):
    """Return a run whose files are those of another."""
    own, theirs = subject(runs, algo, seed), subject(runs, answers, seed)
    return replace(own, record=replace(own.record, path=theirs.record.path))
