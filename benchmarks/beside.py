"""Runs of ltbench beside plain training, in one process, on the same images, in turn.

Whoever measures two programs one after the other measures how the machine changed meanwhile. Here a
plain step follows each step of a run, and what is quoted is the median of the ratios.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from plain import LOSSES, Plain

from ltbench.data.catalogue import create_dataset
from ltbench.data.store import open_store
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.names import parse_name
from ltbench.results.run import RunSpec
from ltbench.session.session import Session
from ltbench.training.job import Job
from ltbench.training.run import execute

WARM = 5  # steps that are not counted


class Problem:
    """A data set and a protocol, for runs of ltbench and for plain training.

    Args:
        dataset: name of a data set of 3-channel images without augmentation.
        threads: CPU threads of both.
        precision: of ltbench's runs; plain training is in float32.
    """

    def __init__(self, dataset: str, threads: int, precision: str = "auto") -> None:
        self.name, self.threads, self.precision = dataset, threads, precision
        self.data = create_dataset(parse_name(dataset), Path())
        self.store = open_store(self.data, self.data.split())
        self.x = torch.from_numpy(self.store.images.copy())
        self.y, self.d = (torch.from_numpy(a) for a in (self.store.split.y, self.store.split.d))

    @contextmanager
    def job(self, algo: str, **settings: Any) -> Iterator[Job]:
        """Plan one run of seed 0 in a folder that is gone afterwards."""
        with tempfile.TemporaryDirectory() as place:
            session = Session(Path(place), device="cpu", jobs=1, quiet=True, say=lambda _: None)
            plan = session.plan([algo], [self.name], [0], self.precision, **settings)
            (spec,) = plan.specs
            yield Job(spec, spec.folder(Path(place)), plan.data_dir, "cpu", self.threads)

    def plain(self, spec: RunSpec) -> Plain:
        """Return plain training of the network of a run, with its batch and learning rate."""
        rows = self.store.split.rows("train")
        torch.manual_seed(0)
        backbone = build_backbone(spec.backbone.name, tuple(self.x.shape[1:]), False)
        size, lr = spec.protocol.batch_per_domain, spec.protocol.lr
        return Plain(backbone, self.x[rows], self.y[rows], self.d[rows], batch=size, lr=lr)

    def steps(self, algo: str, beside: str, count: int) -> tuple[list[float], list[float]]:
        """Return seconds of steps of ltbench and of the plain ones between them."""
        ours: list[float] = []
        theirs: list[float] = []
        settings = {"steps": count + WARM + 1, "eval_every": count + WARM + 1}
        with self.job(algo, **settings) as job:
            plain = self.plain(job.spec)
            resumed = 0.0

            def after_step() -> bool:
                nonlocal resumed
                now = time.perf_counter()
                ours.append(now - resumed)
                plain.step(LOSSES[beside])
                resumed = time.perf_counter()
                theirs.append(resumed - now)
                return len(ours) >= count + WARM

            _completed(execute(job, _nobody, after_step), "interrupted")
        return ours[WARM:], theirs[WARM:]

    def runs(self, algo: str, repeats: int, **settings: Any) -> tuple[list[float], list[float]]:
        """Return seconds of whole runs, evaluations and the test included, in turn."""
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(repeats):
            with self.job(algo, **settings) as job:
                began = time.perf_counter()
                _completed(execute(job, _nobody, lambda: False), None)
                ours.append(time.perf_counter() - began)
                theirs.append(self._plain_run(job.spec, algo))
        return ours, theirs

    def _plain_run(self, spec: RunSpec, algo: str) -> float:
        before, began = torch.get_num_threads(), time.perf_counter()
        torch.set_num_threads(self.threads)
        plain = self.plain(spec)
        parts = {part: torch.from_numpy(self.store.split.rows(part)) for part in ("val", "test")}
        batch = spec.protocol.batch_per_domain
        for step in range(1, spec.protocol.steps + 1):
            plain.step(LOSSES[algo])
            if spec.protocol.evaluates_at(step, spec.protocol.steps):
                rows = parts["val"]
                plain.accuracy(self.x[rows], self.y[rows], self.d[rows], batch)
        rows = parts["test"]
        plain.accuracy(self.x[rows], self.y[rows], self.d[rows], batch)
        torch.set_num_threads(before)
        return time.perf_counter() - began


def _nobody(event: Mapping[str, Any]) -> None:
    """Take what a run reports."""


def _completed(outcome: Mapping[str, Any], status: str | None) -> None:
    if outcome.get("status") != status:
        raise RuntimeError(f"the run ended otherwise: {outcome.get('error', outcome)}")


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return how many times faster ltbench is: the median over the pairs."""
    return float(torch.tensor([b / a for a, b in zip(ours, theirs, strict=True)]).median())
