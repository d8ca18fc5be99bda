"""Many runs in Python: a sequence that can be filtered, compared, drawn and looked into."""

from __future__ import annotations

import operator
import os
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ltbench.errors import UsageError
from ltbench.plugins.text import visible
from ltbench.python.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ltbench.python.shown import Shown
    from ltbench.report.content import Content
    from ltbench.results.frame import Runs as Frames
    from ltbench.results.run import RunRecord

Names = str | Sequence[str]
"""One name, a comma list of them, or several."""
Place = str | os.PathLike[str]


class Runs(Sequence[Run]):
    """Runs of one or several folders, as :func:`load` reads them or ``ltbench.run`` trains them.

    A sequence of :class:`~ltbench.python.run.Run`: ``runs[0]``, ``runs[:5]``, ``len(runs)``.
    """

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self._records = tuple(records)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Run]:
        return map(Run, self._records)

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> Runs: ...

    def __getitem__(self, index: int | slice) -> Run | Runs:
        if isinstance(index, slice):
            return Runs(self._records[index])
        return Run(self._records[index])

    def __repr__(self) -> str:
        methods = list(dict.fromkeys(run.label for run in self._records))
        datasets = list(dict.fromkeys(run.dataset for run in self._records))
        failed = len(self.failed)
        what = f"{len(self)} runs" if len(self) != 1 else "1 run"
        of = f" of {', '.join(methods[:4])}{', …' * (len(methods) > 4)}" if methods else ""
        on = f" on {', '.join(datasets[:4])}{', …' * (len(datasets) > 4)}" if datasets else ""
        return f"<{what}{of}{on}{f', {failed} failed' if failed else ''}>"

    @property
    def failed(self) -> Runs:
        """Those that failed or diverged; ``runs.failed[0].reason`` says why."""
        return Runs(run for run in self._records if run.status in ("failed", "diverged"))

    @property
    def done(self) -> Runs:
        """Those that have a result."""
        return Runs(run for run in self._records if run.status == "done")

    def where(
        self,
        *,
        algo: Names = (),
        dataset: Names = (),
        protocol: Names = (),
        seed: int | Sequence[int] | None = None,
    ) -> Runs:
        """Return the runs that match.

        Args:
            algo: methods as a leaderboard names them, or algorithms with their stages.
            dataset: data sets, with or without options.
            protocol: names of protocols, or first digits of their hashes.
            seed: one or several seeds.

        Raises:
            UsageError: a name matches nothing, and the message suggests what may be meant; or what
                is given is neither a name nor a number.
        """
        from ltbench.report.selection import select_runs

        records = self._records
        if algo or dataset or protocol:
            asked = {"algo": algo, "dataset": dataset, "protocol": protocol}
            names = (_several(one, what) for what, one in asked.items())
            paths = set(select_runs(self._frames, *names).table["path"])
            records = tuple(run for run in records if run.path in paths)
        if seed is not None:
            one = _whole(seed)
            seeds = _wholes(seed) if one is None else [one]
            if seeds is None:
                raise UsageError(f"seed is a number, or a list of them, and not {_shown(seed)}")
            records = tuple(run for run in records if run.seed in seeds)
        return Runs(records)

    def frame(self) -> pd.DataFrame:
        """Return a tidy table: one row for each run and metric of its test.

        Columns ``method``, ``dataset``, ``protocol``, ``protocol_hash``, ``backbone``,
        ``precision``, ``seed``, ``status``, ``metric``, ``value`` (accuracies and F1 in 0…1),
        ``seconds``, ``hash`` and ``folder``. A run without a result has one row without a metric.
        """
        import pandas as pd

        from ltbench.report.dataset_labels import dataset_labels

        labels = dataset_labels([(run.dataset, run.options) for run in self._records])
        rows = [
            {
                "method": run.label,
                "dataset": dataset,
                "protocol": str(run.protocol.get("name", "")),
                "protocol_hash": run.protocol_hash,
                "backbone": run.backbone,
                "precision": run.precision,
                "seed": run.seed,
                "status": run.status,
                "metric": metric,
                "value": value,
                "seconds": run.seconds,
                "hash": run.hash,
                "folder": run.path,
            }
            for run, dataset in zip(self._records, labels, strict=True)
            for metric, value in (run.test or {"": float("nan")}).items()
        ]
        return pd.DataFrame(rows, columns=None if rows else list(_COLUMNS))

    def leaderboard(
        self, *, metrics: Names = (), reference: str = "erm", resamples: int = 0
    ) -> Shown:
        """Return the leaderboards of the runs, as ``ltbench leaderboard`` prints them.

        Args:
            metrics: columns, the first of which sorts; none for the usual ones.
            reference: the method that others are compared with.
            resamples: test sets drawn for intervals over test images; 0 leaves them out.

        Raises:
            UsageError: there are no runs, or a metric is not there.
        """
        from ltbench.python.shown import Shown
        from ltbench.report.leaderboard import leaderboard_report

        return Shown(leaderboard_report(self._content(metrics, reference, resamples)))

    def stats(
        self,
        *,
        metrics: Names = (),
        reference: str = "erm",
        resamples: int = 1000,
        power: float | None = None,
        rope: float | None = None,
    ) -> Shown:
        """Return the analysis behind the leaderboards, as ``ltbench stats`` prints it.

        Args:
            metrics, reference, resamples: as for :meth:`leaderboard`.
            power: for how large a difference of the first metric the seeds are asked, in points.
            rope: across data sets, methods that differ by less points are practically equal.

        Raises:
            UsageError: there are no runs, or a metric is not there.
        """
        from ltbench.python.shown import Shown
        from ltbench.report.analysis import analysis_report

        content = self._content(metrics, reference, resamples)
        return Shown(analysis_report(content, resamples=resamples, power=power, rope=rope))

    def figure(
        self,
        kind: str,
        *,
        score: str = "f1",
        metric: str | None = None,
        seed: int | None = None,
        parameter: str | None = None,
    ) -> Figure:
        """Return a figure of matplotlib, as ``ltbench figures`` draws it; a notebook shows it.

        Args:
            kind: of the registered figures: ``violin``, ``heatmap``, ``convergence``, …
            score: ``f1`` or ``accuracy``.
            metric: a metric by its full name, where a figure shows one.
            seed: which run, where a figure shows one of each method.
            parameter: which hyper-parameter, where a figure shows several.

        Raises:
            UsageError: there is no such kind, or the runs do not suit it.
        """
        from ltbench.python.notebook import show_figures
        from ltbench.report.figure_data import Choices, FigureData
        from ltbench.report.figures import draw
        from ltbench.report.filters import trained_alone
        from ltbench.report.look import style

        if score not in ("f1", "accuracy"):
            raise UsageError(f"score is 'f1' or 'accuracy', not '{score}'")
        base = "macro_f1" if score == "f1" else "accuracy"
        data = FigureData(trained_alone(self._frames))
        with style():
            figure, _ = draw(kind, data, Choices(base, metric, seed, parameter))
        show_figures()
        return figure

    @cached_property
    def _frames(self) -> Frames:
        from ltbench.results.frame import as_frames

        if not self._records:
            raise UsageError("there are no runs here")
        return as_frames(self._records)

    def _content(self, metrics: Names, reference: str, resamples: int) -> Content:
        from ltbench.report.leaderboard import load_content

        wanted = [name for text in _several(metrics, "metrics") for name in text.split(",")]
        return load_content(
            self._frames, metrics=wanted or None, reference=reference, resamples=resamples
        )


_COLUMNS = (
    "method", "dataset", "protocol", "protocol_hash", "backbone", "precision", "seed", "status",
    "metric", "value", "seconds", "hash", "folder",
)  # fmt: skip


def load(*folders: Place) -> Runs:
    """Read the runs below one or several folders, by default ``runs``.

    A run that lies in two of them counts once.

    Raises:
        UsageError: a folder does not exist, or there is no run in any of them.
    """
    from ltbench.results.folders import read_folders

    return Runs(read_folders([Path(place) for place in folders or ("runs",)]))


def _several(names: Names, what: str) -> list[str]:
    """Return one or several names as a list.

    Raises:
        UsageError: they are none.
    """
    found = names if isinstance(names, Iterable) and not isinstance(names, str) else [names]
    found = list(found)
    for one in found:
        if not isinstance(one, str):
            raise UsageError(f"{what} is a name, or a list of names, and not {_shown(one)}")
    return found


def _whole(value: Any) -> int | None:
    """Return a whole number, NumPy's too; ``None`` of what is none."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _wholes(values: Any) -> list[int] | None:
    """Return several whole numbers; ``None`` where one is none."""
    found = list(map(_whole, values)) if isinstance(values, Iterable) else [None]
    wholes = [one for one in found if one is not None]
    return wholes if len(wholes) == len(found) else None


def _shown(value: object) -> str:
    return visible(reprlib.repr(value))
