"""The conformance kit: what every algorithm and every stage must do.

Each check raises ``AssertionError`` with one sentence. The runs are those of ``ltbench run``, on a
small data set: planned, trained, evaluated, checkpointed and resumed by the same code.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_name
from ltbench.plugins.registry import Entry
from ltbench.plugins.stage import Stage
from ltbench.results.folder import RunFolder
from ltbench.testing.small_data import NAME, register_small_data
from ltbench.testing.small_model import (
    build_algorithm,
    build_stage,
    random_batch,
    take_steps,
    train_info,
)
from ltbench.training.job import Job
from ltbench.training.plan import Request, plan_runs
from ltbench.training.run import execute
from ltbench.training.spec import RunSpec

SINGLE_CLASS_COUNTS = ((6, 4, 0), (3, 8, 2), (5, 0, 7))


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


def check_conformance(name: str, folder: Path) -> None:
    """Check everything about a registered algorithm or stage.

    Args:
        name: ``name[key=value,…]``; of a stage, which then stands on its default algorithm.
        folder: an empty folder for the runs.

    Raises:
        AssertionError: with one sentence on the first thing that is not as it must be.
        UsageError: there is no such algorithm or stage.
    """
    register_small_data()
    entry = find_entry(name)
    check_declaration(entry)
    check_single_class(name)
    check_predictions(name)
    check_parameters_move(name)
    check_needs(name)
    for domains in (3, domains_needed(name)):
        where = folder / f"{domains}-domains"
        whole = run_small(name, where / "whole", domains=domains)
        check_finite(whole, name)
        resumed = run_small(name, where / "resumed", domains=domains, stops=(3, 8))
        check_same(whole, resumed, f"{name}, broken off twice and resumed,")


def find_entry(name: str) -> Entry:
    """Return the registered algorithm or stage of ``name[key=value,…]``.

    Raises:
        UsageError: there is neither.
    """
    plugins = get_plugins()
    word = parse_name(name).name
    kinds = "algorithms" if word in plugins["algorithms"] else "stages"
    return plugins[kinds].get(word)


def domains_needed(name: str) -> int:
    """Return how many domains an algorithm needs, or the default algorithm of a stage."""
    cls = find_entry(name).load()
    if issubclass(cls, Stage):
        base = cls.default_base
        return domains_needed(base) if base else 1
    needed: int = cls.min_domains
    return needed


def check_declaration(entry: Entry) -> None:
    """Check the summary, the docstring and the declared hyper-parameters."""
    cls: type[Algorithm] = entry.load()
    where = f"{entry.kind} '{entry.name}'"
    wanted = Stage if entry.kind == "stage" else Algorithm
    assert issubclass(cls, wanted), f"{where} is no subclass of {wanted.__name__}"
    assert entry.summary, f"{where} is registered without a summary"
    assert vars(cls).get("__doc__"), f"{where} has no docstring"
    hparams = cls.HParams.from_options({}, entry.name)
    again = cls.HParams.from_options(hparams.as_dict(), entry.name)
    assert hparams == again, f"{where}: its default hyper-parameters do not survive being read back"
    json.dumps(hparams.as_dict(), allow_nan=False)
    for key, bounds in cls.HParams.bounds().items():
        for end in bounds.search or ():
            inside = (bounds.low is None or end >= bounds.low) and (
                bounds.high is None or end <= bounds.high
            )
            assert inside, f"{where}: the search range of '{key}' leaves its bounds"
        if bounds.log and bounds.search:
            assert bounds.search[0] > 0, f"{where}: '{key}' cannot be searched on a log scale"


def check_single_class(name: str) -> None:
    """Check that batches whose images are all of one class are survived."""
    model = build_small(name, SINGLE_CLASS_COUNTS)
    batches = [random_batch(model.train_info, classes=[0], seed=seed) for seed in range(3)]
    for losses in take_steps(model, batches):
        _check_losses(losses, f"{name} on a batch of a single class")
    for key, value in model.state_dict().items():
        assert not value.is_floating_point() or bool(value.isfinite().all()), (
            f"{name}: '{key}' is not finite after batches of a single class"
        )


def check_predictions(name: str) -> None:
    """Check shapes, and that the answer to an image does not depend on its neighbours."""
    model = build_small(name)
    info = model.train_info
    take_steps(model, [random_batch(info, seed=seed) for seed in range(2)])
    model.eval()
    x = random_batch(info, seed=7).x
    with torch.no_grad():
        logits, features = model.predict(x), model.features(x)
        alone = torch.cat([model.predict(image[None]) for image in x])
    shape = tuple(logits.shape)
    wanted = (len(x), info.num_classes)
    assert shape == wanted, f"{name}: predict returns {shape} instead of {wanted}"
    shape, wanted = tuple(features.shape), (len(x), model.num_features)
    assert shape == wanted, f"{name}: features returns {shape} instead of {wanted}"
    assert bool(logits.isfinite().all()), f"{name}: some logits are not finite"
    assert torch.allclose(logits, alone, rtol=1e-3, atol=1e-4), (
        f"{name}: the prediction of an image depends on the others in its batch"
    )


def check_parameters_move(name: str) -> None:
    """Check that training changes the parameters, and a stage none that it holds fixed."""
    model = build_small(name)
    if not model.optimizers:
        return
    before = {key: value.clone() for key, value in model.named_parameters()}
    take_steps(model, [random_batch(model.train_info, seed=seed) for seed in range(5)])
    moved = {key for key, value in model.named_parameters() if not value.equal(before[key])}
    assert moved, f"{name}: no parameter moves in five steps"
    if isinstance(model, Stage) and model.frozen:
        fixed = {key for key, _ in model.named_parameters() if key.startswith("base.")}
        assert not moved & fixed, f"{name}: '{min(moved & fixed)}' of the frozen model moves"


def check_needs(name: str) -> None:
    """Check that too few domains are refused before any training."""
    needed = domains_needed(name)
    if needed == 1:
        return
    refusal = ""
    try:
        plan_small(name, domains=needed - 1)
    except UsageError as error:
        refusal = str(error)
    assert refusal, f"{name} needs {needed} domains but takes {needed - 1}"
    assert str(needed) in refusal, f"{name}: the refusal does not say {needed}: {refusal}"


def check_finite(outcome: Outcome, name: str) -> None:
    """Check that a run evaluated as often as asked, with finite losses and metrics."""
    assert outcome.log, f"{name}: the run has no evaluation"
    for record in outcome.log:
        _check_losses(record["losses"], f"{name} at step {record['step']}")
    for key, value in outcome.test.items():
        assert value is None or math.isfinite(value), f"{name}: test {key} is {value}"


def check_same(one: Outcome, other: Outcome, what: str) -> None:
    """Check that two runs agree bit for bit, in every loss, metric, answer and weight."""
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
    spec = plan_small(name, domains=domains, seed=seed)
    job = Job(spec, folder, folder)
    steps = itertools.count(1)

    def should_stop() -> bool:  # asked once after every step
        return next(steps) in stops

    result: dict[str, Any] = {"status": "interrupted"}
    while result.get("status") == "interrupted":
        result = execute(job, lambda event: None, should_stop)
    assert "test" in result, f"{name} {result['status']}: {result['error']}"
    return read_outcome(spec, folder)


def plan_small(name: str, *, domains: int = 3, seed: int = 0) -> RunSpec:
    """Return the specification of a run on the small data set.

    Raises:
        UsageError: it is refused.
    """
    register_small_data()
    dataset = str(Name(NAME, {"domains": domains}))
    request = Request([name], [dataset], [seed], "fp32", Path())
    return plan_runs(request).specs[0]


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


def build_small(name: str, counts: Any = None) -> Algorithm:
    """Return an algorithm, or a stage on top of its default algorithm, on the small backbone."""
    info = train_info(counts) if counts else train_info()
    cls = find_entry(name).load()
    if not issubclass(cls, Stage):
        return build_algorithm(name, info)
    return build_stage(name, build_algorithm(cls.default_base or "erm", info))


def _check_losses(losses: Mapping[str, float], where: str) -> None:
    for key, value in losses.items():
        assert math.isfinite(value), f"{where}: the loss '{key}' is {value}"


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Name the first entry in which two mappings differ."""
    for key in one:
        if one[key] != other.get(key):
            if isinstance(one[key], Mapping):
                return f"{key}.{_difference(one[key], other.get(key, {}))}"
            return f"{key} is {one[key]} and {other.get(key)}"
    return "one has entries that the other lacks"
