"""What a race found, in words and as a document."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ltbench.plugins.measure import Measure
from ltbench.session.race import Outcome
from ltbench.stats.race import FIRST_LOOK, MOST_NEEDED, PROMISED, Drop, Rival, Standing, rival

HEAD = ("method", "seeds", "validation", "test", "")
"""Of :func:`rows`."""


def rows(outcome: Outcome, measure: Measure) -> list[tuple[str, ...]]:
    """Return a row for each method, those that can still be best first, as text.

    Args:
        outcome: of the race.
        measure: what its scores mean.
    """
    standing = outcome.standing
    left = [outcome.raced[i] for i in standing.left] if standing else list(outcome.raced)
    dropped = {outcome.raced[drop.method]: drop for drop in standing.dropped} if standing else {}
    lost = {one.method: f"out at seed {one.seed}, {one.reason}" for one in outcome.lost}
    means = {i: _mean(outcome.scores[i]) for i in range(len(outcome.methods))}
    last = sorted(dropped, key=lambda i: (-dropped[i].seeds, -means[i]))
    found: list[tuple[str, ...]] = []
    for number in (*left, *last, *lost):
        note = lost.get(number, "")
        if number in dropped:
            note = _drop_words(outcome, dropped[number], measure)
        elif number in left:
            note = "best" if standing and standing.decided else "can still be best"
        used = _used(outcome, number, dropped.get(number))
        own = _shown(_own(_mean(outcome.scores[number][:used]), measure), measure)
        test = _shown(_mean(outcome.tests[number][:used]), measure)
        found.append((outcome.methods[number], str(used), own, test, note))
    return found


def paragraph(outcome: Outcome, metric: str, measure: Measure, dataset: str) -> str:
    """Return which method it is, how sure, what is undecided, and what a mistake would cost.

    Args:
        outcome: of the race.
        metric: that decided.
        measure: what its values mean.
        dataset: its name, for the sentence.
    """
    standing = outcome.standing
    gone = [f"{outcome.methods[one.method]} {_left(one.reason)}" for one in outcome.lost]
    if standing is None:
        return " ".join(["Nothing can be said: fewer than two methods are left.", *gone])
    if not standing.seeds:
        why = f", as {outcome.unfinished}" if outcome.unfinished else ""
        return f"Nothing can be said: not all methods have a score at seed 0{why}."
    best = outcome.raced[standing.left[0]]
    seeds = f"{standing.seeds} seed{'s' * (standing.seeds != 1)}"
    score = _shown(_own(standing.means[standing.left[0]], measure), measure)
    test = _mean(outcome.tests[best][: standing.seeds])
    name, count = outcome.methods[best], len(outcome.raced)
    sentences = []
    if standing.decided:
        sentences += [
            f"{name} is the best of {count} methods on {dataset}, by validation {metric} "
            f"({score} over {seeds}).",
            _sure("Such a sentence"),
            _closest(outcome, standing, measure),
        ]
    elif standing.seeds < FIRST_LOOK:
        sentences.append(
            f"After {seeds} of each method on {dataset} nothing is decided, as seeds are compared "
            f"from the {FIRST_LOOK}rd on; by validation {metric}, {name} leads with {score}."
        )
    else:
        sentences += [
            f"{name} leads {count} methods on {dataset}, by validation {metric} ({score} over "
            f"{seeds}), and is not shown to be the best.",
            *_undecided(outcome, standing, measure),
        ]
        if standing.dropped:
            sentences.append(_sure("That the best method is among those left"))
    if not math.isnan(test):
        sentences.append(
            f"On test images, which chose nothing, {name} has {_shown(test, measure)}."
        )
    sentences += gone
    if outcome.unfinished:
        sentences.append(
            f"It ended early, as {outcome.unfinished}; the same command goes on from there."
        )
    elif not standing.decided:
        sentences.append(
            f"All {outcome.most} seeds are used; the same command with more --seeds goes on, and "
            "the error stays as promised."
        )
    return " ".join(sentence for sentence in sentences if sentence)


def document(outcome: Outcome, metric: str, measure: Measure, dataset: str) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    standing = outcome.standing
    left = [outcome.raced[i] for i in standing.left] if standing else []
    dropped = {outcome.raced[drop.method]: drop for drop in standing.dropped} if standing else {}
    lost = {one.method: one for one in outcome.lost}
    methods = []
    for number, name in enumerate(outcome.methods):
        used = _used(outcome, number, dropped.get(number))
        entry: dict[str, Any] = {
            "label": name,
            "hash": outcome.hashes[number],
            "seeds": used,
            "val": [_own(float(v), measure) for v in outcome.scores[number][:used]],
            "test": [None if math.isnan(v) else float(v) for v in outcome.tests[number][:used]],
            "state": "left" if number in left else "waiting",
        }
        if number in lost:
            entry |= {"state": "lost", "seed": lost[number].seed, "reason": lost[number].reason}
        if (drop := dropped.get(number)) is not None:
            entry |= {
                "state": "dropped",
                "by": outcome.methods[outcome.raced[drop.by]],
                "difference": drop.difference,
                "interval": [drop.difference - drop.reach, drop.difference + drop.reach],
            }
        elif standing and standing.seeds and number in left[1:]:
            found = rival(outcome.raced_scores, standing, outcome.raced.index(number))
            entry |= _rival_entry(found)
        methods.append(entry)
    decided = bool(standing and standing.decided)
    return {
        "dataset": dataset,
        "metric": metric,
        "better": measure.better,
        "decided": decided,
        "best": outcome.methods[left[0]] if standing and standing.seeds else None,
        "error": PROMISED,
        "most_seeds": outcome.most,
        "trained": outcome.trained,
        "unfinished": outcome.unfinished or None,
        "methods": methods,
        "verdict": paragraph(outcome, metric, measure, dataset),
    }


def _rival_entry(found: Rival) -> dict[str, Any]:
    known = math.isfinite(found.reach)
    ends = [found.difference - found.reach, found.difference + found.reach] if known else None
    return {
        "difference": found.difference,
        "interval": ends,
        "seeds_needed": found.seeds_needed,
    }


def _sure(said: str) -> str:
    return (
        f"{said} is wrong in at most {100 * PROMISED:.0f} % of races, over all looks and rivals, "
        "for scores no more skewed than those simulated: a method whose seeds now and then "
        "collapse is outside of it."
    )


def _closest(outcome: Outcome, standing: Standing, measure: Measure) -> str:
    """Return the sentence on the method whose drop was the least clear."""
    if not standing.dropped:
        return ""
    drop = min(standing.dropped, key=lambda one: one.difference - one.reach)
    low, high = _span(drop.difference - drop.reach, drop.difference + drop.reach, measure)
    name, by = outcome.methods[outcome.raced[drop.method]], outcome.methods[outcome.raced[drop.by]]
    return (
        f"The least clear was {name}, which after {drop.seeds} seeds was "
        f"{_gap(drop.difference, measure)} behind {by} (between {low} and {high}): so much is lost "
        "by taking it instead."
    )


def _undecided(outcome: Outcome, standing: Standing, measure: Measure) -> list[str]:
    """Return a sentence on each method that can still be best."""
    sentences = []
    for place in standing.left[1:]:
        found = rival(outcome.raced_scores, standing, place)
        name = outcome.methods[outcome.raced[place]]
        sentence = f"{name} is {_gap(found.difference, measure)} behind"
        if math.isfinite(found.reach):
            cost = _gap(max(0.0, found.reach - found.difference), measure)
            sentence += f" and at most {cost} ahead, which is what leaving it can cost"
        needed = found.seeds_needed
        takes = f"more than {MOST_NEEDED}" if needed is None else f"about {needed}"
        sentences.append(f"{sentence}; to tell them apart takes {takes} seeds of each.")
    return sentences


def _drop_words(outcome: Outcome, drop: Drop, measure: Measure) -> str:
    by = outcome.methods[outcome.raced[drop.by]]
    low, high = _span(drop.difference - drop.reach, drop.difference + drop.reach, measure)
    return f"dropped after {drop.seeds} seeds: {low} to {high} behind {by}"


def _left(reason: str) -> str:
    return f"left the race, as a run {reason.rstrip('.')}."


def _used(outcome: Outcome, number: int, drop: Drop | None) -> int:
    if drop is not None:
        return drop.seeds
    have = len(outcome.scores[number])
    raced = outcome.standing is not None and number in outcome.raced
    return min(have, outcome.standing.seeds) if raced and outcome.standing else have


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _own(score: float, measure: Measure) -> float:
    """Return a score as its metric has it."""
    return score if measure.better == "higher" else -score


def _shown(value: float, measure: Measure) -> str:
    if math.isnan(value):
        return "-"
    return f"{100 * value:.1f} %" if measure.unit == "%" else f"{value:.3g} {measure.unit}".strip()


def _gap(value: float, measure: Measure) -> str:
    if measure.unit == "%":
        return f"{100 * value:.1f} points"
    return f"{value:.3g} {measure.unit}".strip()


def _span(low: float, high: float, measure: Measure) -> tuple[str, str]:
    return _gap(low, measure).removesuffix(" points"), _gap(high, measure)
