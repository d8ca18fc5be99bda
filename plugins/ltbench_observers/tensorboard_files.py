"""TensorBoard: event files in every run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.api import HParams, RunSpec, hparam
from ltbench_observers.extras import require
from ltbench_observers.history import History, Point
from ltbench_observers.tracker import Tracker
from ltbench_observers.values import config, flat, scalars, test_scalars


class TensorBoardHParams(HParams):
    """How the files are written."""

    flush: int = hparam(10, low=1, high=3600, help="seconds until what was told is on the disk")


class TensorBoard(Tracker):
    """Writes event files into ``tensorboard/`` in every run's folder.

    Scalars are the losses, the validation metrics and the learning rate over the steps of all
    stages; the HPARAMS page has a run's settings with its test metrics. Look at them with
    ``tensorboard --logdir runs``.
    """

    HParams = TensorBoardHParams

    def __init__(self, hparams: TensorBoardHParams) -> None:
        require("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        super().__init__(hparams)
        self._open = SummaryWriter
        self._writers: dict[Path, Any] = {}  # of SummaryWriter, which is not typed

    def write(self, run: RunSpec, folder: Path, history: History) -> None:
        """Begin an event file with all evaluations, which voids those of earlier attempts."""
        if not history.points:
            return
        self._close(folder)
        # The purge has TensorBoard drop what it read from older files. To delete them would stop a
        # TensorBoard that is reading them from ever going on to this one.
        writer = self._open(
            str(folder / "tensorboard"), flush_secs=self.hparams.flush, purge_step=0
        )
        self._writers[folder] = writer
        for point in history.points:
            _add(writer, point, history)

    def append(self, run: RunSpec, folder: Path, history: History) -> None:
        """Add the scalars of the last evaluation."""
        _add(self._writers[folder], history.points[-1], history)

    def end(self, run: RunSpec, folder: Path, history: History, result: Mapping[str, Any]) -> None:
        """Add settings and test metrics of a run that has them, and close its file."""
        from torch.utils.tensorboard import summary

        metrics = test_scalars(result)
        writer = self._writers.get(folder)
        if writer is not None and metrics:
            last = history.points[-1]
            time = history.time(last)
            # SummaryWriter.add_hparams would open a second file, which shows as a second run.
            make: Any = summary.hparams  # not typed
            for part in make(flat(config(run)), metrics):
                writer.file_writer.add_summary(part, last.position, time)
            for name, value in metrics.items():
                writer.add_scalar(name, value, last.position, time)
        self._close(folder)

    def _close(self, folder: Path) -> None:
        if (writer := self._writers.pop(folder, None)) is not None:
            writer.close()


def _add(writer: Any, point: Point, history: History) -> None:
    for name, value in scalars(point.record).items():
        writer.add_scalar(name, value, point.position, history.time(point))
