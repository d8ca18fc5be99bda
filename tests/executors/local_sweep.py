"""A sweep on real worker processes, with all that happens in it."""

from __future__ import annotations

from ltbench.executors.local import LocalExecutor
from ltbench.executors.slots import Slots
from ltbench.plugins.hparams import HParams


class Sweep:
    """Runs jobs and keeps what happened."""

    def __init__(self, slots: int = 1) -> None:
        self.events: list[tuple[str, str]] = []
        self.results: dict[str, dict] = {}
        self.said: list[str] = []
        self.executor = LocalExecutor(Slots(("cpu",) * slots), HParams())
        self.executor.say = self.said.append
        self.meanwhile = lambda job, event: None

    def observe(self, job, event):
        name = f"{job.spec.label} {job.spec.seed}"
        self.events.append((event["event"], name))
        if event["event"] == "finished":
            self.results[name] = dict(event["result"])
        self.meanwhile(job, event)

    def run(self, jobs):
        self.executor.run(jobs, self.observe)
        return self

    def order(self, event):
        return [name for kind, name in self.events if kind == event]
