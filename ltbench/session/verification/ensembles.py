"""Checks what was made of other runs against the runs that were handed in beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ltbench.errors import DataError
from ltbench.evaluation.averaged import mean_probabilities
from ltbench.results.combined import ENSEMBLE, Ingredient, combined_method, seed_of
from ltbench.results.logits import read_logits
from ltbench.results.untrusted import LONGEST_WORD, clean
from ltbench.session.ensemble import digest_logits
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.learnt_on import check_learnt_of_members

_FLOAT16 = 5e-3
Contents = Mapping[tuple[str, int], str]


def check_combined(runs: Sequence[Subject], findings: Findings) -> None:
    """Check each ensemble's answers against its members', and that soups have theirs.

    Members are those of the identity, whose hash a run has; ``result.json`` has to name the same.
    """
    known = {_key(run): run for run in runs}
    for run in runs:
        if not run.combined:
            continue
        contents = _contents(run)
        told = {(m["hash"], m["seed"]) for m in run.record.combined["members"]}
        members = [known[key] for key in contents if key in known]
        if len(contents) < 2 or told != contents.keys():
            text = "it is made of fewer than two runs, or result.json names others than spec.json"
            findings.add("wrong", text, run)
        elif missing := [f"{key[0][:6]} seed {key[1]}" for key in contents if key not in known]:
            findings.add(
                "wrong",
                f"it is made of runs that were not handed in: {', '.join(missing[:6])}",
                run,
            )
        else:
            _check_made(run, members, contents, findings)


def check_members(runs: Sequence[Subject], findings: Findings) -> set[str]:
    """Say what was made of runs with which something is wrong, and return the folders of it.

    It is as good as they are: of what is wrong with those all has to be known by then.
    """
    known = {_key(run): run for run in runs}
    found: set[str] = set()
    for run in (run for run in runs if run.combined):
        members = [known[key] for key in _contents(run) if key in known]
        if bad := [one.title for one in members if findings.wrong_with(one)]:
            text = f"it is made of runs with which something is wrong: {', '.join(bad[:6])}"
            findings.add("unchecked", text, run)
            found.add(run.record.path)
    return found


def _check_made(
    run: Subject, members: Sequence[Subject], contents: Contents, findings: Findings
) -> None:
    """Check what was made of runs that are all here."""
    if run.record.protocol_hash not in {member.record.protocol_hash for member in members}:
        findings.add("wrong", "it stands in a table in which none of its members does", run)
    told = [(m["hash"], m["seed"]) for m in run.record.combined["members"]]
    members = sorted(members, key=lambda member: told.index(_key(member)))
    ingredients = [_ingredient(member) for member in members]
    _check_name(run, ingredients, findings)
    check_learnt_of_members(run, members, ingredients, findings)
    if run.record.combined["kind"] == ENSEMBLE:
        _check_ensemble(run, members, contents, findings)
    else:
        findings.add(
            "unchecked",
            "that its weights are the mean of its members' was not checked: no weights are "
            "handed in",
            run,
        )


def _check_name(run: Subject, ingredients: Sequence[Ingredient], findings: Findings) -> None:
    """Check that the methods in the name of what was made are its members'."""
    words = run.record.method.rpartition(" (")[2].removesuffix(")")
    expected = combined_method(ingredients, words)
    if clean(expected, LONGEST_WORD) != run.record.method:
        findings.add(
            "wrong",
            f"its method is called {clean(run.record.method)}, and of its members it is "
            f"{clean(expected)}",
            run,
        )


def _check_ensemble(
    run: Subject, members: Sequence[Subject], contents: Contents, findings: Findings
) -> None:
    if not run.logits or not all(member.logits for member in members):
        findings.add("unchecked", "its mean was not recomputed: no logits were handed in", run)
        return
    try:
        if contents != {_key(m): digest_logits(_ingredient(m)) for m in members}:
            findings.add("wrong", "its members have other logits than it was made of", run)
            return
        own = read_logits(run.folder, "test").probabilities()
        found = mean_probabilities(read_logits(m.folder, "test").probabilities() for m in members)
    except (DataError, ValueError) as problem:
        findings.add("wrong", f"its mean cannot be recomputed: {problem}", run)
        return
    if own.shape != found.shape or np.abs(own - found).max(initial=0) > _FLOAT16:
        findings.add("wrong", "its logits are not the mean of its members'", run)


def _key(run: Subject) -> tuple[str, int]:
    return run.record.hash, run.record.seed


def _contents(run: Subject) -> Contents:
    """Return the digests of what was taken of each member, by the identity."""
    members = run.spec["identity"]["combined"].get("members", [])
    return {(clean(str(m.get("hash"))), seed_of(m)): str(m.get("content")) for m in members}


def _ingredient(run: Subject) -> Ingredient:
    return Ingredient(Path(run.record.path), run.spec, run.result, run.record.label)
