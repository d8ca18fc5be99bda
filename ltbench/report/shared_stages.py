"""Which methods share their first stage with the reference, by what their runs wrote down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ltbench.report.selection import Table
from ltbench.results.untrusted import read_log

_SETTING = ("algorithm", "hparams", "protocol", "precision", "memory_format")


def sharing_methods(table: Table, reference: str) -> frozenset[str]:
    """Return the methods whose runs went through the same first stage as the reference's.

    `erm` and `erm+crt` of one seed do where nothing else differs: algorithm, hyper-parameters and
    protocol must be the same, and the logs of stage 1 must agree line by line for every seed that
    both have (which they do not if the two were trained by different code or on another device).
    Logs are read of such methods alone.

    Args:
        table: the runs.
        reference: the label of the method that the others are compared with.
    """
    if table.joined:
        return frozenset.intersection(*(sharing_methods(t, reference) for t in table.parts))
    rows = table.runs.table
    done = rows[rows["status"] == "done"]
    runs = {str(label): group for label, group in done.groupby("label", sort=False)}
    if reference not in runs:
        return frozenset()
    own = runs.pop(reference)
    alike = {label: group for label, group in runs.items() if _setting(group) == _setting(own)}
    if not alike:
        return frozenset()
    logs = _logs(own)
    return frozenset(label for label, group in alike.items() if _agree(logs, _logs(group)))


def _setting(runs: pd.DataFrame) -> list[Any]:
    first = runs.iloc[0]
    return [first[name] for name in _SETTING]


def _logs(runs: pd.DataFrame) -> dict[int, dict[Any, Any]]:
    """Return what stage 1 logged at each step, by seed."""
    return {
        seed: _first_stage(Path(path), algorithm)
        for seed, path, algorithm in zip(runs["seed"], runs["path"], runs["algorithm"], strict=True)
    }


def _first_stage(folder: Path, algorithm: str) -> dict[Any, Any]:
    return {
        str(entry.get("step")): (entry.get("losses"), entry.get("val"))
        for entry in read_log(folder)
        if entry.get("stage") == algorithm
    }


def _agree(logs: dict[int, dict[Any, Any]], others: dict[int, dict[Any, Any]]) -> bool:
    """Return whether two methods logged the same for each seed that both have, and anything."""
    common = logs.keys() & others.keys()
    return bool(common) and all(logs[seed] and logs[seed] == others[seed] for seed in common)
