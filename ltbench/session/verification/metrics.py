"""Recomputes every metric of a run from its answers, with the metrics' own code.

Logits are kept as float16, and answers beside them as the run had them. So first the answers are
held against the logits, within what float16 rounds, and then the metrics against the answers: those
of right and wrong have to agree to the last digits, those of confidences to what float32 rounds,
and those that look at the probabilities of all classes to a few thousandths and an image.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import DataError, LtbenchError
from ltbench.evaluation.compute import compute_these
from ltbench.evaluation.measures import declared_measures
from ltbench.evaluation.tested import results_of_test
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.measure import find_base, parse_measures
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.text import visible
from ltbench.report.stored_metrics import read_answers
from ltbench.results.documents import read_confusion, read_data_facts
from ltbench.results.logits import MOST_WHOLE, read_logits
from ltbench.results.untrusted import clean
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.rounding import rounding_ends

Sees = Literal["answers", "confidences", "probabilities"]
_EXACT = 1e-9
_FLOAT32 = 1e-5
_FLOAT16 = 5e-3
_MOST = 4  # values that a sentence names
_LONGEST = 24  # characters of one
Sets = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class _Value:
    """A value of a result: where it stands, what it says and what was computed."""

    place: str
    name: str
    said: Any
    found: Any


def check_metrics(run: Subject, findings: Findings, sets: Sets | None) -> bool:
    """Check the metrics of ``result.json``, and return whether they were all recomputed.

    Those of probabilities that nobody keeps, of more than a thousand classes, do not count.

    Args:
        run: the run.
        findings: what is told.
        sets: which test images make each further test set, or ``None`` where that is not known.
    """
    try:
        stored = read_answers(run.folder, probabilities=run.logits)
        facts = read_data_facts(run.folder)

        def compute(p: Predictions) -> dict[str, Any]:
            with np.errstate(all="ignore"):  # what rows do not keep is NaN
                return results_of_test(p, tuple(facts["domains"]), sets or {})

        found = compute(stored.predictions)
    except DataError as problem:
        findings.add("wrong", within(run, problem), run)
        return False
    except LtbenchError as problem:
        findings.add("unchecked", f"metrics were not recomputed: {problem}", run)
        return False
    cut = not run.logits or len(facts["classes"]) > MOST_WHOLE
    sure = not np.isnan(stored.predictions.confidence).any()
    near = _tolerances(run, stored.predictions)
    wrong, unknown, whole = [], [], True
    for value in _values(run.result, found, known_sets=sets is not None):
        sees = sees_of().get(value.name)
        # Of more than a thousand classes only some were kept, of rows only what was predicted.
        blind = (sees == "confidences" and not sure) or (sees == "probabilities" and cut)
        if value.found is ... or sees is None or blind:
            unknown.append(value)
            whole &= blind or value.said is None
        elif not _agree(value, near[sees]):
            wrong.append(value)
    if lost := _lost_in_rounding(run, stored.predictions, wrong, near, compute):
        wrong, whole = [value for value in wrong if value not in lost], False
        unknown += lost
    _tell(run, findings, wrong, unknown)
    if other := _declared_otherwise(run):
        named = ", ".join(other[:_MOST])
        findings.add(
            "wrong",
            f"result.json declares another direction or unit than the metrics here have: {named}",
            run,
        )
    if lacking := _left_out(run.result, found):
        listed = ", ".join(lacking[:_MOST]) + (", …" if len(lacking) > _MOST else "")
        findings.add(
            "note",
            f"result.json lacks metrics that its answers give: {listed}. Another version did not "
            "have them, or somebody took them out",
            run,
        )
    if sets is None and run.result.get("test_sets"):
        findings.add("unchecked", "further test sets were not recomputed: data not here", run)
    return _check_confusion(run, findings, found, facts) and not (wrong or other) and whole


def _tell(run: Subject, findings: Findings, wrong: list[_Value], unknown: list[_Value]) -> None:
    if wrong:
        named = ", ".join(
            f"{v.place}{v.name} is {visible(str(v.said), _LONGEST)} and computed {v.found}"
            for v in wrong[:_MOST]
        )
        more = f" and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        findings.add(
            "wrong", f"result.json holds other metrics than its answers give: {named}{more}", run
        )
    names = sorted({value.name for value in unknown if value.said is not None})
    if names:
        listed = ", ".join(names[: 3 * _MOST]) + (", …" if len(names) > 3 * _MOST else "")
        findings.add("unchecked", f"could not be recomputed from what was handed in: {listed}", run)


def within(run: Subject, problem: Exception) -> str:
    """Return what is wrong with a file, without the temporary folder that it lies in."""
    text = str(problem).replace(f"{run.folder}/", "")
    return text.replace(str(run.folder), "the run").rstrip(".")


def _values(
    result: Mapping[str, Any], found: Mapping[str, Any], *, known_sets: bool
) -> Iterator[_Value]:
    """Yield every metric that a result holds, with what was computed; ``...`` where nothing was.

    Those of further test sets are passed over where it is not known which images these have.
    """
    groups = [("", result.get("test"), found["test"])]
    for key, inside in (("domains", found["domains"]), ("test_sets", found.get("test_sets", {}))):
        told = result.get(key)
        for name, values in (told if isinstance(told, dict) else {}).items():
            computed = inside.get(name, None if key == "domains" or known_sets else ...)
            groups.append((f"{clean(str(name))}: ", values, computed))
    for place, told, computed in groups:
        for name, said in (told if isinstance(told, dict) else {}).items():
            if computed is ...:
                continue
            yield _Value(place, clean(str(name)), said, (computed or {}).get(name, ...))


def _declared_otherwise(run: Subject) -> list[str]:
    """Return the metrics of here whose direction or unit a run declares otherwise.

    By both a table is ordered and printed, so they are part of what a run claims.
    """
    told = run.result.get("test")
    names = [name for name in (told if isinstance(told, dict) else {}) if name in sees_of()]
    here, there = declared_measures(names), parse_measures(run.result.get("metrics"))
    off = []
    for name in names:
        own, theirs = find_base(name, here), find_base(name, there)
        if own and theirs and any(here[own][k] != there[theirs][k] for k in ("better", "unit")):
            off.append(name)
    return off


def _left_out(result: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return the metrics that have a value, of all images or of a domain, and are not told."""
    told, domains = result.get("test"), result.get("domains")
    told, domains = (part if isinstance(part, dict) else {} for part in (told, domains))
    groups = [("", told, found["test"])]
    for name, values in found["domains"].items():
        own = domains.get(name)
        groups.append((f"{clean(name)}: ", own if isinstance(own, dict) else {}, values))
    return [
        f"{place}{name}"
        for place, known, values in groups
        for name, value in values.items()
        if name not in known and value is not None and name in sees_of()
    ]


def _agree(value: _Value, near: float) -> bool:
    said, found = value.said, value.found
    if said is None or found is None:
        return said is found
    if not isinstance(said, int | float) or isinstance(said, bool):
        return False
    try:
        return bool(abs(float(said) - found) <= near * max(1.0, abs(found)))
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _tolerances(run: Subject, p: Predictions) -> dict[Sees, float]:
    """Return by how much a value may differ, by what its metric looks at."""
    fewest = min(map(len, p.by_domain().values()))
    return {
        "answers": _EXACT,
        # The mean of several networks is made in float64, and what was kept of it is not.
        "confidences": _FLOAT16 if run.combined else _FLOAT32,
        # Float16 makes ties, and the order of those is worth an image.
        "probabilities": _FLOAT16 + 1 / fewest,
    }


def _lost_in_rounding(
    run: Subject,
    p: Predictions,
    values: Sequence[_Value],
    near: Mapping[Sees, float],
    compute: Callable[[Predictions], dict[str, Any]],
) -> list[_Value]:
    """Return the values that other logits would give which float16 rounds to those handed in.

    A network that tells classes apart by less than float16 does has ties where it had none, in any
    order, so that AUROC and average precision are known between two ends alone.
    """
    values = [value for value in values if sees_of()[value.name] == "probabilities"]
    if not values:
        return []
    slack, ends = near["probabilities"], []
    try:
        for q in rounding_ends(read_logits(run.folder, "test"), p):
            computed = _values(run.result, compute(q), known_sets=True)
            ends.append({(value.place, value.name): value.found for value in computed})
    except LtbenchError:
        return []
    lost = []
    for value in values:
        between = [x for end in ends if isinstance(x := end.get((value.place, value.name)), float)]
        known = between and isinstance(value.said, int | float)
        if known and min(between) - slack <= value.said <= max(between) + slack:
            lost.append(value)
    return lost


def _check_confusion(
    run: Subject, findings: Findings, found: Mapping[str, Any], facts: Mapping[str, Any]
) -> bool:
    if run.result.get("confusion") == found["confusion"]:
        return True
    classes, names = len(facts["classes"]), list(found["confusion"])
    try:
        said = read_confusion(run.folder, names, classes)
    except DataError as problem:
        findings.add("wrong", within(run, problem), run)
        return False
    stored = read_answers(run.folder, probabilities=False).predictions
    cells = np.zeros_like(said)
    of_domain = {facts["domains"].index(name): place for place, name in enumerate(names)}
    places = np.array([of_domain[d] for d in stored.d.tolist()], dtype=np.int64)
    np.add.at(cells, (places, stored.y, stored.prediction), 1)
    if not np.array_equal(cells, said):
        findings.add(
            "wrong", "result.json holds other confusion matrices than its answers give", run
        )
        return False
    return True


@cache
def sees_of() -> dict[str, Sees]:
    """Return what each registered metric looks at, found out by what changes its values.

    A value that stays where confidences are missing is of answers alone; one that goes where the
    probabilities are missing is of these.
    """
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.ones(8), 64)
    y, d = generator.integers(0, 8, 64), np.arange(64) % 2
    whole = Predictions(
        y, d, p.argmax(1), p.max(1), -np.log(p[np.arange(64), y]),
        np.arange(16).reshape(2, 8), 10, 5, probabilities=p,
    )  # fmt: skip
    blind = replace(whole, confidence=np.full(64, np.nan), nll=np.full(64, np.nan))
    found: dict[str, Sees] = {}
    for entry in get_plugins()["metrics"]:
        with np.errstate(all="ignore"), contextlib.suppress(LtbenchError):
            values, unsure, without = (
                compute_these([entry], p)
                for p in (whole, blind, replace(whole, probabilities=None))
            )
            for name, value in values.items():
                if without.get(name) != value:
                    found[name] = "probabilities"
                else:
                    found[name] = "answers" if unsure.get(name) == value else "confidences"
    return found
