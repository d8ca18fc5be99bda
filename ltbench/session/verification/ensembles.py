"""Checks what was made of other runs against the runs that were handed in beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ltbench.errors import DataError
from ltbench.evaluation.averaged import mean_probabilities
from ltbench.results.combined import ENSEMBLE, Ingredient, combined_method
from ltbench.results.logits import read_logits
from ltbench.results.untrusted import LONGEST_WORD, clean
from ltbench.session.ensemble import digest_logits
from ltbench.session.verification.finding import Findings, Subject

_FLOAT16 = 5e-3


def check_combined(runs: Sequence[Subject], findings: Findings) -> None:
    """Check each ensemble's answers against its members', and that soups have theirs."""
    known = {(run.record.hash, run.record.seed): run for run in runs}
    for run in runs:
        if not run.combined:
            continue
        wanted = [(m["hash"], m["seed"]) for m in run.record.combined["members"]]
        if missing := [
            f"{hash_[:6]} seed {seed}" for hash_, seed in wanted if (hash_, seed) not in known
        ]:
            findings.add(
                "wrong",
                f"it is made of runs that were not handed in: {', '.join(missing[:6])}",
                run,
            )
            continue
        members = [known[key] for key in wanted]
        _check_name(run, members, findings)
        if run.record.combined["kind"] == ENSEMBLE:
            _check_ensemble(run, members, findings)
        else:
            findings.add(
                "unchecked",
                "that its weights are the mean of its members' was not checked: no weights are "
                "handed in",
                run,
            )


def _check_name(run: Subject, members: Sequence[Subject], findings: Findings) -> None:
    """Check that the methods in the name of what was made are its members'."""
    words = run.record.method.rpartition(" (")[2].removesuffix(")")
    expected = combined_method([_ingredient(member) for member in members], words)
    if clean(expected, LONGEST_WORD) != run.record.method:
        findings.add(
            "wrong",
            f"its method is called {clean(run.record.method)}, and of its members it is "
            f"{clean(expected)}",
            run,
        )


def _check_ensemble(run: Subject, members: Sequence[Subject], findings: Findings) -> None:
    if not run.logits or not all(member.logits for member in members):
        findings.add("unchecked", "its mean was not recomputed: no logits were handed in", run)
        return
    try:
        if _contents(run) != {_key(m): digest_logits(_ingredient(m)) for m in members}:
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


def _contents(run: Subject) -> dict[tuple[str, int], str]:
    """Return the digests of the members' logits that an ensemble's identity holds."""
    combined = run.spec["identity"].get("combined", {})
    members: Sequence[Mapping[str, object]] = combined.get("members", [])
    return {
        (str(m.get("hash")), int(str(m.get("seed", -1)))): str(m.get("content")) for m in members
    }


def _ingredient(run: Subject) -> Ingredient:
    return Ingredient(Path(run.record.path), run.spec, run.result, run.record.label)
