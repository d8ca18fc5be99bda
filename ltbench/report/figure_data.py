"""What a figure or a table is given: runs, what it may ask about them, and what the user chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from ltbench.report.metrics import Metric, choose_metrics, measures_of, metric
from ltbench.report.selection import Table, done, only_table, split_tables
from ltbench.report.summary import Summary, summarise
from ltbench.report.trials import Trials
from ltbench.report.unseen import join_tables
from ltbench.results.frame import Runs, as_frames


@dataclass(frozen=True)
class Choices:
    """What the user may choose about a figure; each kind looks at some of it.

    Attributes:
        base: ``macro_f1`` or ``accuracy``.
        metric: the metric across data sets or over steps; ``None`` for the base's average.
        seed: which run, where a figure shows one of each method.
        parameter: which hyper-parameter; ``None`` for all that vary.
        points: the most points of a curve or a map, for a drawing that must stay small; ``None``
            for as many as there are.
        domain: the domain whose test images are shown; ``None`` for those of all.
        part: ``train``, ``val`` or ``test``, where a figure counts the images of one.
    """

    base: str = "macro_f1"
    metric: str | None = None
    seed: int | None = None
    parameter: str | None = None
    points: int | None = None
    domain: str | None = None
    part: str = "train"

    @property
    def score(self) -> str:
        """Return the metric, by default the base's average over domains."""
        return self.metric or f"{self.base}_average"


@dataclass(frozen=True)
class FigureData:
    """The runs that a figure or a table shows, and what it asks about them.

    Attributes:
        runs: all of them, done or not: ``runs.table`` has a row for each, and ``runs.scores`` its
            test metrics in the same order (accuracies and F1 in 0…1).
        known: name and facts of a data set of which there are no runs.
        tuning: where trials of tuning are looked for, and which of them.
    """

    runs: Runs
    known: tuple[str, Mapping[str, Any]] | None = None
    tuning: Trials = field(default_factory=Trials)

    @classmethod
    def of_dataset(cls, name: str, facts: Mapping[str, Any]) -> FigureData:
        """Return what there is to draw of a data set without runs."""
        return cls(as_frames([]), (name, facts))

    @property
    def trials(self) -> pd.DataFrame:
        """What `ltbench tune` tried, a row for each trial; read when it is asked for.

        Columns: ``study`` (its file), ``method`` (as typed), ``algo``, ``dataset``, ``protocol``,
        ``protocol_hash`` (of the table in which its best stands), ``axes`` (what was searched),
        ``search`` (the sampler), ``planned`` (trials of the budget), ``seed``, ``number`` (from 0),
        ``status`` (``waiting``, ``done``, ``failed``, ``diverged``), ``metric`` (of validation),
        ``value`` (its score, NaN where there is none), ``metrics`` (what the run declares of its
        metrics) and ``test_<metric>`` for each test metric.
        """
        return self.tuning.frame

    def metric_of_trials(self, name: str) -> Metric:
        """Return how a metric of the trials is shown, by what their runs declare."""
        return metric(name, measures_of(self.trials["metrics"])[0])

    def table(self, purpose: str) -> Table:
        """Return the one table of runs that may be compared.

        Args:
            purpose: what shows them, for the message: ``"a heat map"``.

        Raises:
            UsageError: the runs belong to several; the message says how to choose.
        """
        return only_table(self.runs, purpose)

    def done(self, purpose: str) -> FigureData:
        """Return the same of the runs that have a result.

        Raises:
            UsageError: there is none.
        """
        return replace(self, runs=done(self.runs, purpose))

    def facts(self, purpose: str) -> tuple[str, Mapping[str, Any]]:
        """Return the name of the one data set, and its facts as :meth:`Table.facts` gives them.

        Raises:
            UsageError: as :meth:`table`.
            DataError: the first run's ``spec.json`` lacks them.
        """
        if self.known is not None:
            return self.known
        table = self.table(purpose)
        return table.dataset, table.facts()

    def across_datasets(self, metric: str) -> Summary | None:
        """Return the methods' ranks over data sets, or ``None`` for runs of one data set.

        Raises:
            UsageError: no run has this metric.
        """
        scores = self.runs.scores
        (metric,) = choose_metrics([metric], scores.columns[scores.notna().any()])
        return summarise(join_tables(split_tables(self.runs)), metric)
