"""Quick runs on the small data set, as ``ltbench run`` does them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_chains
from ltbench.plugins.resolve import resolve
from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_data import NAME, register_small_data
from ltbench.training.job import Job
from ltbench.training.run import execute

AUGMENTATION = "crop-flip"
"""What makes several views of an image differ."""


@dataclass(frozen=True)
class Outcome:
    """What a finished run left behind, without the times.

    Attributes:
        spec: of the run.
        log: its evaluations.
        test: its test metrics.
        predictions: its answers on the test images, by name.
        model: the state of the chosen model.
    """

    spec: RunSpec
    log: list[dict[str, Any]]
    test: dict[str, Any]
    predictions: dict[str, Any]
    model: dict[str, torch.Tensor]


def run_small(
    name: str, folder: Path, *, domains: int = 3, seed: int = 0, stops: Sequence[int] = ()
) -> Outcome:
    """Run an algorithm or stage on the small data set, as ``ltbench run`` does.

    Args:
        name: a chain such as ``boda[weight=1]+crt``.
        folder: the run's folder, empty.
        domains: of the data set; with 1 a class is absent.
        seed: of the run.
        stops: break the run off after so many steps, counted over all stages, and resume it.

    Raises:
        AssertionError: the run failed or diverged.
    """
    return carry_out(plan_small(name, domains=domains, seed=seed), folder, Path(), stops)


def plan_small(name: str, *, domains: int = 3, seed: int = 0) -> RunSpec:
    """Return the specification of a run on the small data set.

    Nothing is augmented, unless several views would be the same without.

    Raises:
        UsageError: it is refused.
    """
    register_small_data()
    dataset = str(Name(NAME, {"domains": domains}))
    settings = {"augmentation": AUGMENTATION} if _has_views(name) else {}
    request = Request([name], [dataset], [seed], "fp32", Path(), settings)
    return plan_runs(request).specs[0]


def _has_views(text: str) -> bool:
    """Return whether a part of a method looks at several views."""
    for chain in parse_chains(text):
        for name in chain:
            kinds = "algorithms" if name.name in get_plugins()["algorithms"] else "stages"
            cls, hparams = resolve(kinds, name.name, name.options)
            if len(cls.view_augmentations(hparams)) > 1:
                return True
    return False


def carry_out(spec: RunSpec, folder: Path, data_dir: Path, stops: Sequence[int] = ()) -> Outcome:
    """Carry out a run in this process; see :func:`run_small`.

    Raises:
        AssertionError: the run failed or diverged.
    """
    job = Job(spec, folder, data_dir)
    steps = itertools.count(1)

    def should_stop() -> bool:  # asked once after every step
        return next(steps) in stops

    result: dict[str, Any] = {"status": "interrupted"}
    while result.get("status") == "interrupted":
        result = execute(job, lambda event: None, should_stop)
    assert "test" in result, f"{spec.label} {result['status']}: {result.get('error')}"
    return read_outcome(spec, folder)


def read_outcome(spec: RunSpec, path: Path) -> Outcome:
    """Read what a finished run left in its folder."""
    folder = RunFolder(path)
    log = [json.loads(line) for line in folder.log.read_text(encoding="utf-8").splitlines()]
    for record in log:
        record.pop("seconds")
    with np.load(folder.predictions, allow_pickle=False) as arrays:
        predictions = {key: arrays[key] for key in arrays.files}
    return Outcome(
        spec,
        log,
        json.loads(folder.result.read_text(encoding="utf-8"))["test"],
        predictions,
        torch.load(folder.best, map_location="cpu", weights_only=True)["model"],
    )


def check_same(one: Outcome, other: Outcome, what: str) -> None:
    """Check that two runs agree bit for bit, in every loss, metric, answer and weight.

    Raises:
        AssertionError: they differ; the message begins with ``what``.
    """
    for first, second in zip(one.log, other.log, strict=True):
        assert first == second, (
            f"{what} differs at step {first['step']} of {first['stage']}: "
            f"{_difference(first, second)}"
        )
    assert one.test == other.test, f"{what} differs on test: {_difference(one.test, other.test)}"
    for key, value in one.predictions.items():
        assert np.array_equal(value, other.predictions[key]), f"{what} differs in its {key}s"
    assert one.model.keys() == other.model.keys(), f"{what} has other weights"
    for key, tensor in one.model.items():
        assert tensor.equal(other.model[key]), f"{what} differs in '{key}'"


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Name the first entry in which two mappings differ."""
    for key in one:
        if one[key] != other.get(key):
            if isinstance(one[key], Mapping):
                return f"{key}.{_difference(one[key], other.get(key, {}))}"
            return f"{key} is {one[key]} and {other.get(key)}"
    return "one has entries that the other lacks"
