"""``ltbench tables anova``: do the methods differ at all?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ltbench.plugins.experiment_table import ExperimentTable
from ltbench.plugins.hparams import HParams, hparam
from ltbench.plugins.names import split_list

if TYPE_CHECKING:
    from ltbench.report.figure_data import FigureData
    from ltbench.report.section import Section


class AnovaHParams(HParams):
    """Which metrics are analysed."""

    metrics: str = hparam(
        "", help="Metrics by their full names, separated by commas.  [default: all with values]"
    )


class Anova(ExperimentTable):
    """ANOVA (analysis of variance) over methods, on each metric: do they differ at all?

    F and p of the classical analysis (Fisher), which papers print; of Welch's, which does not
    suppose equal variances; the calibrated p, which is right at few seeds; and that after Holm's
    correction over the metrics that carry claims. It does not say which methods differ: `ltbench
    leaderboard` and `ltbench stats` do. RUNS are folders of runs, by default ./runs.

    \b
    Examples:
      ltbench tables anova
      ltbench tables anova --dataset digits-mini-mlt \\
          --metrics macro_f1_average,accuracy_worst -o anova.csv
    """

    HParams = AnovaHParams
    hparams: AnovaHParams

    def sections(self, data: FigureData) -> Sequence[Section]:
        """Return one table for each data set and protocol."""
        from ltbench.report.analysis import anova_sections
        from ltbench.report.content import build
        from ltbench.report.metrics import DEFAULT_METRICS

        if self.hparams.metrics.strip():
            return anova_sections(build(data.runs, metrics=split_list(self.hparams.metrics)))
        known = list(data.runs.scores.columns[data.runs.scores.notna().any()])
        first = [name for name in DEFAULT_METRICS if name in known]
        metrics = list(dict.fromkeys([*first, *known])) or None
        return anova_sections(build(data.runs, metrics=metrics), only_scored=True)
