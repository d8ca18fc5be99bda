"""What was made of other runs is made of those that its identity names, and they are handed in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences
from test_verify import ERM, place, rehashed

MADE = "erm (ensemble of 2) on tiny-mlt seed 0: "


def of_ensemble(members):
    """Return the place of the ensemble."""
    specs = (m for m in members if m.endswith("spec.json"))
    (found,) = (m for m in specs if "combined" in json.loads(members[m])["identity"])
    return found.removesuffix("spec.json")


def remade(members, change):
    """Edit the identity of the ensemble so that its hashes and place fit."""
    at = of_ensemble(members)
    members.edit(at, "spec.json", lambda d: (change(d["identity"]), rehashed(d)))
    spec = json.loads(members[f"{at}spec.json"])
    members.edit(at, "result.json", lambda d: d.update(hash=spec["hash"]))
    members.move(at, at.replace(at.split("/")[-3], spec["hash"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(members=[{}, {}]),
        lambda told: told.update(members=told["members"][:1]),
        lambda told: told["members"][0].update(seed=7),
    ],
)
def test_a_result_that_names_other_members(members, check, change):
    members.edit(of_ensemble(members), "result.json", lambda d: change(d["combined"]))
    assert f"{MADE}it is made of fewer than two runs, or result.json names others" in sentences(
        check(members)
    )


def test_a_soup_of_runs_that_nobody_has(members, check):
    unknown = [{"hash": "a" * 12, "seed": seed, "content": "b" * 64} for seed in (0, 1)]
    soup = {"kind": "soup", "rule": "uniform", "members": unknown}
    remade(members, lambda identity: identity.update(combined=soup))
    members.edit(of_ensemble(members), "spec.json",
                 lambda d: d.update(method="erm (uniform soup of 2)"))  # fmt: skip
    members.edit(of_ensemble(members), "result.json",
                 lambda d: d["combined"].update(members=unknown))  # fmt: skip
    said = sentences(check(members))
    assert "it is made of runs that were not handed in: aaaaaa seed 0, aaaaaa seed 1" in said


@pytest.mark.parametrize("listed", [[], 7, ["x"]])
def test_no_list_of_members_is_told_in_a_sentence(members, check, listed):
    remade(members, lambda identity: identity["combined"].update(members=listed))
    found = check(members)
    assert "cannot be read: spec.json: " in sentences(found)
    assert len(found.runs) == 5


def test_one_run_alone_is_no_ensemble(members, check):
    def change(identity):
        identity["combined"]["members"] = identity["combined"]["members"][:1]

    remade(members, change)
    members.edit(of_ensemble(members), "result.json",
                 lambda d: d["combined"].update(members=d["combined"]["members"][:1]))  # fmt: skip
    assert "it is made of fewer than two runs" in sentences(check(members))


def test_an_ensemble_in_a_table_of_other_runs(members, check):
    remade(members, lambda identity: identity["protocol"].update(steps=300))
    assert f"{MADE}it stands in a table in which none of its members does" in sentences(
        check(members)
    )


def test_members_of_seeds_with_many_digits(members, check):
    """A seed is a whole number of up to 64 bits, and no float."""
    seed = 2**62 + 1
    at = place(members, ERM, 1)
    members.edit(at, "spec.json", lambda d: d.update(seed=seed))
    members.edit(at, "result.json", lambda d: d.update(seed=seed))
    members.move(at, at.replace("seed-1", f"seed-{seed}"))

    def change(listed):
        next(one for one in listed if one["seed"] == 1)["seed"] = seed

    remade(members, lambda identity: change(identity["combined"]["members"]))
    members.edit(of_ensemble(members), "result.json", lambda d: change(d["combined"]["members"]))
    said = sentences(check(members))
    assert "not handed in" not in said
    assert "fewer than two" not in said


@pytest.mark.parametrize(("raised", "badge"), [(False, "recomputed"), (True, "claimed")])
def test_what_is_made_of_a_wrong_run_has_no_badge(members, check, raised, badge):
    if raised:
        members.edit(place(members, ERM, 0), "result.json", lambda d: d["test"].update(accuracy=1))
    found = check(members)
    (ensemble,) = (run for run in found.runs if "ensemble" in run.title)
    assert (ensemble.badge, ensemble.wrong) == (badge, False)
    said = f"{MADE}it is made of runs with which something is wrong: erm on tiny-mlt seed 0"
    assert (said in sentences(found, "unchecked")) is raised
