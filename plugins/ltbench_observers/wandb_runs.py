"""Weights & Biases: one W&B run for every run."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ltbench.api import HParams, LtbenchError, RunSpec, UsageError, hookimpl, hparam
from ltbench_observers.child_process import ChildProcess
from ltbench_observers.extras import require
from ltbench_observers.history import History, Point
from ltbench_observers.tracker import Tracker
from ltbench_observers.values import config, scalars, test_scalars
from ltbench_observers.wandb_process import Mode, RunDetails, Runs


class WandBHParams(HParams):
    """Where the runs go."""

    project: str = hparam("ltbench", help="project of the W&B runs")
    entity: str = hparam("", help="user or team of the project; empty is your default")
    wait: float = hparam(60.0, low=0.0, high=86400.0, help="most seconds to wait at the end")


class WandB(Tracker):
    """Makes a W&B run of every run, grouped by its hash (the seeds of one algorithm).

    The config is the run's identity, the summary its test metrics. WANDB_MODE=offline writes into
    ``wandb/`` in the run's folder, for ``wandb sync`` to send later. W&B works in a process of its
    own, so that a slow network never holds up a sweep.
    """

    HParams = WandBHParams

    def __init__(self, hparams: WandBHParams) -> None:
        require("wandb")
        super().__init__(hparams)
        self._make = functools.partial(Runs, _mode(), hparams.project, hparams.entity)
        self._process: ChildProcess | None = None

    def write(self, run: RunSpec, folder: Path, history: History) -> None:
        """Log all evaluations."""
        self._log(run, folder, history, history.points)

    def append(self, run: RunSpec, folder: Path, history: History) -> None:
        """Log the last evaluation."""
        self._log(run, folder, history, history.points[-1:])

    def end(self, run: RunSpec, folder: Path, history: History, result: Mapping[str, Any]) -> None:
        """Write the test metrics into the summary and finish the W&B run."""
        status = result.get("status", "done")
        summary = {"status": status, **test_scalars(result)}
        if "error" in result:
            summary["error"] = result["error"]
        self._call("finish", _details(run, folder), summary, 0 if status == "done" else 1)

    @hookimpl
    def ltbench_sweep_finished(self) -> None:
        """Wait until everything is sent, but not for ever.

        Raises:
            LtbenchError: it takes too long.
        """
        child, self._process = self._process, None
        if child is not None and not child.close(self.hparams.wait):
            raise LtbenchError(
                f"W&B had not taken everything after {self.hparams.wait:g} s; send the rest with "
                "`wandb sync` and the folders wandb/*run-* of the runs, or give wandb[wait=…]"
            )

    def _log(self, run: RunSpec, folder: Path, history: History, points: Sequence[Point]) -> None:
        told = [(point.position, _values(point, history)) for point in points]
        self._call("log", _details(run, folder), told)

    def _call(self, method: str, *arguments: Any) -> None:
        if self._process is None:
            self._process = ChildProcess(self._make)
        self._process.call(method, *arguments)


def _values(point: Point, history: History) -> dict[str, Any]:
    stage = point.record["stage"]
    return {"stage": stage, **scalars(point.record), "_timestamp": history.time(point)}


def _details(run: RunSpec, folder: Path) -> RunDetails:
    name = f"{run.label} on {run.dataset.name} seed {run.seed}"
    return RunDetails(folder, f"{run.hash}-{run.seed}", run.hash, name, config(run))


def _mode() -> Mode:
    """Return W&B's mode, having it ask for the API key now if it must.

    Raises:
        UsageError: there is no API key, and no terminal to ask for one.
    """
    import wandb

    mode = str(wandb.setup().settings.mode)
    if mode not in ("online", "shared"):
        return "disabled" if mode == "disabled" else "offline"
    try:
        return "online" if wandb.login(verify=False) else "offline"
    except wandb.errors.UsageError as error:
        raise UsageError(
            "--observer wandb has no API key: type `wandb login`, or set WANDB_MODE=offline"
        ) from error
