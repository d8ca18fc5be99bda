"""Choosing runs by how they stand and by the names that a person types."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.names import parse_chains, parse_names
from ltbench.results.states import RunState


def pick(
    runs: Sequence[RunState],
    states: Collection[str],
    algos: Sequence[str] = (),
    datasets: Sequence[str] = (),
) -> list[RunState]:
    """Return the runs that match; no names let everything through.

    Args:
        runs: how they stand.
        states: those that are wanted.
        algos: comma lists of labels (``boda[weight=0.5]``) or of algorithms with their stages.
        datasets: comma lists of names of data sets.

    Raises:
        UsageError: a name is that of no run here; the message suggests what it may have meant.
    """
    labels = ["+".join(map(str, chain)) for text in algos for chain in parse_chains(text)]
    names = [name.name for text in datasets for name in parse_names(text)]
    _check("--algo", labels, {run.label for run in runs} | {run.algo for run in runs})
    _check("--dataset", names, {run.dataset for run in runs})
    return [
        run
        for run in runs
        if run.state in states
        and (not labels or run.label in labels or run.algo in labels)
        and (not names or run.dataset in names)
    ]


def parse_states(text: str, allowed: Sequence[str]) -> list[str]:
    """Return the states of a comma list, for the option ``--status``.

    Raises:
        UsageError: one of them is not allowed.
    """
    states = [part.strip().replace("_", "-").replace(" ", "-") for part in text.split(",")]
    for state in states:
        if state not in allowed:
            raise UsageError(f"--status {text}: '{state}' is none of {', '.join(allowed)}")
    return states


def _check(option: str, wanted: Sequence[str], there: set[str]) -> None:
    for name in wanted:
        if name not in there:
            raise UsageError(f"{option} {name}: no run here has it{suggestion(name, there - {''})}")
