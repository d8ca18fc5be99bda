"""What the filters of reports match: names of data sets as people type them, and hashes.

And which runs are left out where independent seeds are needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.spelling import spelled
from ltbench.plugins.unseen_options import EACH, UNSEEN
from ltbench.report.dataset_labels import dataset_label, dataset_labels, full_name
from ltbench.results.frame import Runs
from ltbench.results.scheme import each_hash, each_options, one_unseen
from ltbench.results.tuned import protocol_before


def dataset_names(table: pd.DataFrame) -> pd.Series:
    """Return each run's data set with what its options say, ``cifar100-lt[ratio=50]``.

    See :func:`~ltbench.report.dataset_labels.dataset_labels`.
    """
    names = dataset_labels(list(zip(table["dataset"], table["options"], strict=True)))
    return pd.Series(names, index=table.index, dtype=object)


def other_names(table: pd.DataFrame) -> list[pd.Series]:
    """Return each run's data set with all options, and as it is called where it stands alone."""
    pairs = list(zip(table["dataset"], table["options"], strict=True))
    return [
        pd.Series([name(*pair) for pair in pairs], index=table.index, dtype=object)
        for name in (full_name, dataset_label)
    ]


def each_names(table: pd.DataFrame) -> list[pd.Series]:
    """Return the names under which all domains were left out in turn, ``pacs-mlt[unseen=each]``."""
    pairs = list(zip(table["dataset"], table["options"], strict=True))
    return [
        pd.Series(
            [write(name, whole(options)) if one_unseen(options) else "" for name, options in pairs],
            index=table.index,
            dtype=object,
        )
        for write in (full_name, dataset_label)
        for whole in (each_options, _as_typed)
    ]


def _as_typed(options: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, UNSEEN: EACH}


def each_hashes(table: pd.DataFrame) -> pd.Series:
    """Return the hash of the table that joins each run with those of other unseen domains."""
    hashes = [
        each_hash(run, shared_protocol(run)) if one_unseen(run["options"]) else ""
        for _, run in table.iterrows()
    ]
    return pd.Series(hashes, index=table.index, dtype=object)


def names_a_domain(datasets: Sequence[str]) -> bool:
    """Return whether a filter of data sets names an unseen domain, and not each of them."""
    return any(
        f"{UNSEEN}=" in name and f"{UNSEEN}={EACH}" not in name for name in _parted(datasets)
    )


def _parted(wanted: Sequence[str]) -> list[str]:
    """Return the names of comma lists; commas within brackets part options."""
    return [part.strip() for text in wanted for part in re.split(r",(?![^\[]*\])", text)]


def shared_protocol(run: pd.Series) -> dict[str, Any]:
    """Return the protocol that a run shares with its table: as it was before tuning."""
    return protocol_before(run["protocol"], run["tuned"])


def matching(
    option: str, wanted: Sequence[str], columns: tuple[pd.Series, ...], within: pd.Series
) -> pd.Series:
    """Return which runs of those ``within`` have a wanted name in one of the columns.

    Args:
        option: what the names were given to, for the message.
        wanted: comma lists of names; none lets everything through.
        columns: the names of each run.
        within: the runs that count.

    Raises:
        UsageError: a name matches nothing; the message suggests what it may have meant.
    """
    if not wanted:
        return within
    matched = pd.Series(False, index=within.index)
    known: set[str] = set().union(*(column[within] for column in columns)) - {""}
    for typed in _parted(wanted):
        name = spelled(typed, known)
        hits = pd.Series(False, index=within.index)
        for column in columns:
            hits |= column == name
            if option == "--protocol" and len(name) >= 4:
                hits |= column.str.startswith(name)
        if not (hits & within).any():
            raise UsageError(f"{option} '{name}' matches no run here{suggestion(name, known)}")
        matched |= hits
    return matched


def trained(runs: Runs) -> Runs:
    """Return the runs that were trained, without what was made of other runs."""
    return runs.where(~runs.table["combined"].astype(bool).to_numpy())


def trained_alone(runs: Runs) -> Runs:
    """Return the same for what shows how methods train, and vary over seeds.

    Raises:
        UsageError: all of them were made of other runs.
    """
    found = trained(runs)
    if found.table.empty and not runs.table.empty:
        raise UsageError(
            f"Figures and tables of experiments show runs that were trained, and "
            f"'{runs.table['label'].iloc[0]}' was made of others: `ltbench leaderboard` and "
            "`ltbench show` have it."
        )
    return found
