"""The trials of tuning as a figure is given them: those that were chosen, in one data frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import pandas as pd

from ltbench.plugins.spelling import spelled
from ltbench.report.dataset_labels import dataset_label
from ltbench.results.trials import TrialRecord, read_trials

_COMMA = re.compile(r",(?![^\[]*\])")  # that parts names, not the options within brackets
_COLUMNS = [field.name for field in fields(TrialRecord) if field.name not in ("run", "options")]


@dataclass(frozen=True)
class Trials:
    """Which trials a figure may ask for; they are read when it does.

    Attributes:
        folders: folders of runs, in which something may have been tuned.
        algos: keep these methods, as typed or as algorithms with their stages; empty for all.
        datasets: keep these data sets.
        protocols: keep these protocols, by name or by the first digits of their hash.
    """

    folders: Sequence[Path] = ()
    algos: Sequence[str] = ()
    datasets: Sequence[str] = ()
    protocols: Sequence[str] = ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The trials, a row each; what :attr:`ltbench.api.FigureData.trials` describes."""
        folders = dict.fromkeys(self.folders)
        records = [trial for folder in folders for trial in read_trials(folder)]
        chosen = [trial for trial in records if self._wants(trial, records)]
        table = pd.DataFrame([[getattr(t, name) for name in _COLUMNS] for t in chosen])
        table = table.set_axis(_COLUMNS, axis=1) if chosen else pd.DataFrame(columns=_COLUMNS)
        table["dataset"] = [dataset_label(t.dataset, t.options) for t in chosen]
        table["metrics"] = [t.run.metrics if t.run else {} for t in chosen]
        scores = pd.DataFrame([t.run.test if t.run else {} for t in chosen], dtype=float)
        return table.join(scores.add_prefix("test_"))

    def _wants(self, trial: TrialRecord, among: Sequence[TrialRecord]) -> bool:
        datasets = {trial.dataset, dataset_label(trial.dataset, trial.options)}
        known = {name for t in among for name in (t.method, t.algo)}
        return (
            _chosen(self.algos, {trial.method, trial.algo}, known)
            and _chosen(self.datasets, datasets, {t.dataset for t in among})
            and _chosen(self.protocols, {trial.protocol}, {t.protocol for t in among},
                        trial.protocol_hash)
        )  # fmt: skip


def _chosen(wanted: Sequence[str], names: set[str], known: set[str], digits: str = "") -> bool:
    """Return whether one of the names is wanted, in any spelling, or digits that begin so."""
    parts = [part.strip() for text in wanted for part in _COMMA.split(text)]
    return not parts or any(
        spelled(part, known | names) in names or (len(part) >= 4 and digits.startswith(part))
        for part in parts
    )
