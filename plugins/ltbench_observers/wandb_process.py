"""The side that talks to Weights & Biases, in a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Mode = Literal["online", "offline", "disabled"]


@dataclass(frozen=True)
class RunDetails:
    """What Weights & Biases is told of a run when it begins.

    Attributes:
        folder: of the run; W&B makes its ``wandb/`` there.
        id: the same whenever and wherever this run runs, so that a resume continues.
        group: shared by the seeds.
        name: for people.
        config: the run's settings.
    """

    folder: Path
    id: str
    group: str
    name: str
    config: dict[str, Any]


class Runs:
    """The W&B runs that are open.

    Args:
        mode: whether they are sent now, kept for later, or dropped.
        project: that they belong to.
        entity: the user or team of the project; empty for the user's default.
    """

    def __init__(self, mode: Mode, project: str, entity: str) -> None:
        self.mode, self.project, self.entity = mode, project, entity
        self.open: dict[str, Any] = {}

    def log(self, details: RunDetails, points: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Log points of a run by their steps; what W&B has of it already is not told again."""
        run = self._run(details)
        for step, values in points:
            if step >= run.step:  # a resumed run stands at the step after its last
                run.log(values, step=step)

    def finish(self, details: RunDetails, summary: dict[str, Any], exit_code: int) -> None:
        """Say how a run ended."""
        run = self._run(details)
        run.summary.update(summary)
        del self.open[details.id]
        run.finish(exit_code=exit_code)

    def close(self) -> None:
        """Finish the runs that were broken off."""
        for run in self.open.values():
            run.finish(exit_code=1)

    def _run(self, details: RunDetails) -> Any:
        if details.id not in self.open:
            self.open[details.id] = self._begin(details)
        return self.open[details.id]

    def _begin(self, details: RunDetails) -> Any:
        import wandb

        # Every attempt tells the whole run, for offline folders cannot be joined: of several with
        # one id, `wandb sync` keeps the last.
        for old in (details.folder / "wandb").glob(f"offline-run-*-{details.id}"):
            shutil.rmtree(old, ignore_errors=True)
        return wandb.init(
            mode=self.mode,
            project=self.project,
            entity=self.entity or None,
            dir=str(details.folder),
            id=details.id,
            resume="allow",
            reinit="create_new",
            group=details.group,
            name=details.name,
            config=details.config,
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_code=True,
                disable_git=True,
                x_disable_stats=True,  # of this process; the run computes in another
            ),
        )
