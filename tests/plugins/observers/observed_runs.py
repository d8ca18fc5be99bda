"""A run as observers see it, told of as the executors do."""

from __future__ import annotations

import json
from pathlib import Path

from ltbench.plugins.manager import Plugins
from ltbench.plugins.observer import Observer
from ltbench.results.protocol import Protocol
from ltbench.results.run import BackboneSpec, Component, RunSpec


def make_spec(seed: int = 0, stages: tuple[str, ...] = ()) -> RunSpec:
    return RunSpec(
        algorithm=Component("boda", {"weight": 0.5}),
        stages=tuple(Component(name) for name in stages),
        dataset=Component("tiny-mlt", {"domains": 2}),
        split="0" * 64,
        protocol=Protocol(name="tiny", steps=12, eval_every=3),
        backbone=BackboneSpec("digits-cnn"),
        precision="fp32",
        seed=seed,
        method="+".join(["boda[weight=0.5]", *stages]),
        data={"title": "Squares"},
    )


def record(step: int, stage: str = "boda", seconds: float | None = None) -> dict:
    return {
        "stage": stage,
        "step": step,
        "losses": {"total": 2.0 / step if step else 0.0, "ce": 1.0},
        "val": {"accuracy_average": step / 100, "accuracy_zero": None},
        "lr": 1e-3,
        "seconds": step * 10.0 if seconds is None else seconds,
    }


RESULT = {
    "format": 1,
    "test": {"accuracy_average": 0.75, "accuracy_zero": None},
    "timings": {"total_s": 130.0},
}


class Teller:
    """Tells observers of one run as the executors do: the log has each line before they hear."""

    def __init__(self, plugins: Plugins, out: Path, spec: RunSpec) -> None:
        self.plugins, self.spec, self.folder = plugins, spec, spec.folder(out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log.jsonl"

    def write_log(self, *records: dict) -> None:
        self.log.write_text("".join(json.dumps(record) + "\n" for record in records))

    def evaluated(self, *records: dict) -> None:
        for one in records:
            with self.log.open("a") as file:
                file.write(json.dumps(one) + "\n")
            self.told(one)

    def told(self, one: dict) -> None:
        """Tell of an evaluation that the log has, or that lies on another machine."""
        self.plugins.call("ltbench_run_evaluated", run=self.spec, folder=self.folder, record=one)

    def finished(self, result: dict) -> None:
        self.plugins.call("ltbench_run_finished", run=self.spec, folder=self.folder, result=result)


class Sweep:
    """One attempt at a sweep, watched by one observer."""

    def __init__(self, plugins: Plugins, observer: Observer, out: Path) -> None:
        self.plugins, self.observer, self.out = plugins, observer, out
        self.plugins.call("ltbench_sweep_started", runs=[], done=0, out=out)

    def run(self, spec: RunSpec | None = None) -> Teller:
        return Teller(self.plugins, self.out, spec or make_spec())

    def finish(self) -> None:
        self.plugins.call("ltbench_sweep_finished")
        assert not self.plugins.problems()
