"""The trials of studies as figures read them: what was tried, and what it scored.

``<out>/.tuning/.studies/<task>/*.json`` are the studies, and the runs of their trials lie in
``<out>/.tuning``. Both may come from anywhere and are judged field by field: a study that does not
fit is passed over.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord, canonical_hash
from ltbench.results.sweeps import TUNING
from ltbench.results.tuned import HPARAMS
from ltbench.results.untrusted import UnreadableRun, clean, mapping_in, name_in, numbers, read_json

STUDIES = ".studies"
"""Folder, below that of tuning, of the files of studies."""
# Of what a study asks, what all rows of a table share; the rest is the method's own.
_SETTING = ("dataset", "protocol", "backbone", "precision")
_MOST = 100_000  # trials of a study


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study that can be read.

    Attributes:
        study: the study's file.
        method: the algorithm with its stages and what was fixed, as typed; ``algo`` without that.
        options: every option of the data set.
        protocol_hash: of the table in which the best of the study stands.
        axes: what was searched, parted by commas.
        planned: trials of the study's budget.
        number: of the trial, from 0 on, in the order in which they were proposed.
        status: ``waiting``, ``done``, ``failed`` or ``diverged``.
        metric: the validation metric that the study maximises.
        value: its validation score, NaN where it has none.
        run: its run, if it is there: test scores, hyper-parameters, protocol.
    """

    study: str
    method: str
    algo: str
    dataset: str
    options: dict[str, Any]
    protocol: str
    protocol_hash: str
    axes: str
    search: str
    planned: int
    seed: int
    number: int
    status: str
    metric: str
    value: float
    run: RunRecord | None


def has_studies(out: Path) -> bool:
    """Return whether anything was tuned in a folder of runs."""
    return next((out / TUNING / STUDIES).glob("*/*.json"), None) is not None


def read_trials(out: Path) -> list[TrialRecord]:
    """Return the trials of all studies in a folder of runs, study after study.

    Args:
        out: the folder; where it is none, or nothing was tuned in it, there are none.
    """
    if not has_studies(out):
        return []
    root = out / TUNING
    files = sorted((root / STUDIES).glob("*/*.json"))
    runs = {os.path.normpath(run.path): run for run in read_runs(root)}
    return [trial for file in files for trial in _readable(file, root, runs)]


def _readable(file: Path, root: Path, runs: Mapping[str, RunRecord]) -> list[TrialRecord]:
    try:
        return list(_trials(file, root, runs))
    except (UnreadableRun, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return []


def _trials(file: Path, root: Path, runs: Mapping[str, RunRecord]) -> Iterator[TrialRecord]:
    document = read_json(file) or {}
    asked, results = mapping_in(document, "asked", file.name), document["results"]
    protocol, dataset = (mapping_in(asked, key, file.name) for key in ("protocol", "dataset"))
    counts = numbers(document)
    shared: dict[str, Any] = {
        "study": str(file),
        "method": name_in(document, "algo", file.name),
        "algo": clean("+".join(map(str, asked["algorithm"]))),
        "dataset": name_in(dataset, "name", file.name),
        "options": dict(mapping_in(dataset, "options", file.name)),
        "protocol": clean(str(protocol.get("name", ""))),
        "protocol_hash": canonical_hash({key: asked[key] for key in _SETTING}),
        "axes": clean(", ".join(map(str, document.get("axes") or [HPARAMS]))),
        "search": clean(str(document.get("search", ""))),
        "planned": int(counts["trials"]),
        "seed": int(counts["seed"]),
        "metric": name_in(document, "metric", file.name),
    }
    for result in results[:_MOST]:
        run = runs.get(os.path.normpath(root / str(result["folder"])))
        yield TrialRecord(**shared, **_outcome(result), run=run)


def _outcome(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return number, status and score of a trial."""
    found = numbers(result)
    return {
        "number": int(found["number"]),
        "status": clean(str(result["status"])),
        "value": found.get("value", math.nan),
    }
