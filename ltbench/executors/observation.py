"""What happens in a sweep, told to every observer, and what came of each run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.plugins.manager import Plugins
from ltbench.training.job import Job


class Observation:
    """Turns the events of an executor into calls of the observer hooks.

    Attributes:
        outcomes: how each run ended: ``done``, ``failed``, ``diverged`` or ``interrupted``.
        causes: why, where it failed.
    """

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.outcomes: dict[Path, str] = {}
        self.causes: dict[Path, str] = {}

    def __call__(self, job: Job, event: Mapping[str, Any]) -> None:
        """Take one event; see :data:`ltbench.executors.base.Observe`."""
        happened = dict(event)
        run: dict[str, Any] = {"run": job.spec, "folder": job.folder}
        match happened.pop("event"):
            case "started":
                self.plugins.call("ltbench_run_started", **run)
            case "step":
                self.plugins.call("ltbench_run_progressed", **run, **happened)
            case "evaluated":
                self.plugins.call("ltbench_run_evaluated", **run, record=happened)
            case "finished":
                result = happened["result"]
                self.outcomes[job.folder] = result.get("status", "done")
                self.causes[job.folder] = result.get("error", "")
                self.plugins.call("ltbench_run_finished", **run, result=result)
