"""One run from its specification to its result, resumed where it was left."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import traceback
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltbench.data.images import DeviceImages
from ltbench.data.sampling import Rows
from ltbench.data.store import ImageStore, open_store
from ltbench.errors import DivergedError
from ltbench.evaluation.cost import multiply_adds, parameter_count
from ltbench.evaluation.evaluator import (
    Evaluator,
    compute_domain_metrics,
    compute_metrics,
)
from ltbench.evaluation.metrics import confusion_matrix
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.blame import blamed
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.split import Split
from ltbench.results.claim import Claim, ClaimLost, Owner, acquire, find_owner
from ltbench.results.folder import RunFolder, write_arrays
from ltbench.training.checkpoint import Best, Checkpoint, load_checkpoint, save_checkpoint
from ltbench.training.environment import environment, peak_memory_mb
from ltbench.training.job import Job
from ltbench.training.loop import Interrupted, Report, Setting, StageLoop
from ltbench.training.model import ModelBuilder
from ltbench.training.seeding import derive_seed

FEATURE_IMAGES = 2000
FLOAT16_MAX = 65504.0


def execute(job: Job, report: Report, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Carry out one run and return the content of its ``result.json`` or ``error.json``.

    This is all that a process needs to call, on whichever machine sees the run's folder. It claims
    the run first, so that nobody else works on it, and gives it up at the end. A run that fails,
    diverges or takes longer than its time is recorded in its folder, not raised. Otherwise nothing
    of it ends here, and the returned ``status`` says why:

    - ``interrupted``: ``should_stop`` said so. The run goes on from its checkpoint the next time.
    - ``claimed``: another process works on it, or took it over while this one was asleep; ``owner``
      says which. See :class:`ltbench.executors.waiting.Waiting`.

    Args:
        job: the run.
        report: takes ``{"event": "started"}`` once the run is claimed, and what happens from then.
        should_stop: asked after every step.
    """
    folder = RunFolder(job.folder)
    try:
        if folder.done:
            return _finished_before(folder)
        job.folder.mkdir(parents=True, exist_ok=True)
        claim = acquire(job.folder, job.abandoned)
    except OSError as error:
        return _failure(job, Checkpoint(), error)  # nothing can be written, a claim least of all
    if isinstance(claim, Owner):
        return claimed(claim)
    with claim:
        if folder.done:  # by whoever had the claim before
            return _finished_before(folder)
        report({"event": "started"})
        try:
            return _carry_out(job, claim, report, should_stop)
        except ClaimLost:
            return claimed(find_owner(job.folder))


def claimed(owner: Owner | None) -> dict[str, Any]:
    """Return the outcome of a run that another process has."""
    return {"status": "claimed", "owner": str(owner or "another process")}


def _finished_before(folder: RunFolder) -> dict[str, Any]:
    folder.tidy()
    result: dict[str, Any] = json.loads(folder.result.read_text(encoding="utf-8"))
    return result


def _carry_out(
    job: Job, claim: Claim, report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    folder = RunFolder(job.folder, claim.check)
    stop = _Stop(should_stop, claim, job.timeout)
    at = Checkpoint(threads=job.threads)
    try:
        folder.start(job.spec.as_dict())
        at = _resume(folder, job)
        result = _train_and_test(job, folder, at, report, stop)
        claim.confirm()
        folder.finish(result)
        return result
    except ClaimLost:
        raise
    except Exception as error:
        if isinstance(error, Interrupted) and not stop.timed_out:
            return {"status": "interrupted"}
        claim.confirm()
        failure = _failure(job, at, error)
        if failure["status"] == "diverged":  # to go on from here would only diverge again
            shutil.rmtree(folder.latest.parent, ignore_errors=True)
        with contextlib.suppress(OSError):  # on a full disk the caller still hears of it
            folder.fail(failure)
        return failure


class _Stop:
    """Says after every step whether to go on, and ends a run that is no longer this process's."""

    def __init__(self, asked: Callable[[], bool], claim: Claim, timeout: float | None) -> None:
        self.asked, self.claim = asked, claim
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.timed_out = False

    def __call__(self) -> bool:
        self.claim.check()
        if self.asked():
            return True
        self.timed_out = self.deadline is not None and time.monotonic() > self.deadline
        return self.timed_out


def _resume(folder: RunFolder, job: Job) -> Checkpoint:
    """Return the newest checkpoint, or a fresh one where there is none that fits its log."""
    at = load_checkpoint(folder.latest)
    if at is not None and folder.cut_log(at.log_lines):
        return at
    folder.cut_log(0)
    return Checkpoint(threads=job.threads)


def _failure(job: Job, at: Checkpoint, error: Exception) -> dict[str, Any]:
    names = [job.spec.algorithm.name, *(stage.name for stage in job.spec.stages)]
    match error:
        case DivergedError():
            status, sentence = "diverged", str(error)
        case Interrupted():
            status = "failed"
            sentence = (
                f"stopped after {job.timeout:g} s, its --timeout, at step {at.step} of "
                f"{names[at.stage]}; the same command goes on from there"
            )
        case _:
            status = "failed"
            sentence = f"{type(error).__name__}: {error}{blamed(error, get_plugins())}"
    return {
        "status": status,
        "error": sentence,
        "traceback": "".join(traceback.format_exception(error)),
        "stage": names[at.stage],
        "step": at.step,
    }


def _train_and_test(
    job: Job, folder: RunFolder, at: Checkpoint, report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    torch.set_num_threads(at.threads)
    device = torch.device(job.device)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
    spec = job.spec
    dataset, split, images = _open_images(
        spec.dataset.name, _frozen(spec.dataset.hparams), job.data_dir, job.store, job.device
    )
    if split.sha256 != spec.split:
        raise RuntimeError(f"the images of {dataset.name} changed after the run was planned")
    facts = spec.protocol.sized(dataset.facts)
    evaluator = Evaluator(images, facts, split.counts("train"), _evaluation_batch(job, split))
    setting = Setting(
        spec.seed,
        spec.protocol,
        facts,
        split,
        images,
        evaluator,
        folder,
        report,
        should_stop,
    )
    builder = ModelBuilder(spec, facts, split, device, job.weights)
    model, best, name = _train(builder, setting, at)
    folder.guard()
    save_checkpoint(folder.best, best, sync=None)
    tested = _test(model, setting, dataset.test_sets(split))
    return {
        "format": 1,
        "hash": spec.hash,
        "seed": spec.seed,
        "label": spec.label,
        **tested,
        "val": best.val,
        "selection": {
            "metric": spec.protocol.selection_metric,
            "value": best.value,
            "stage": name,
            "step": best.step,
        },
        "timings": {
            "train_s": round(at.seconds - at.evaluating, 3),
            "evaluate_s": round(at.evaluating, 3),
            "total_s": round(at.seconds, 3),
        },
        "environment": environment(job, at.threads),
        "parameters": parameter_count(model),
        "macs": _multiply_adds(spec.hash, model),
        "peak_memory_mb": peak_memory_mb(device),
    }


def _train(builder: ModelBuilder, setting: Setting, at: Checkpoint) -> tuple[Algorithm, Best, str]:
    """Train the stages that are left and return the chosen model with the stage's name."""
    if at.step == 0 and len(builder.names) > 1:
        # A stage that cannot stand on this algorithm says so now, not after the training.
        builder.upto(len(builder.names) - 1)
    model = builder.upto(at.stage)
    if at.model:
        model.load_state_dict(at.model)
    while True:
        name = builder.names[at.stage]
        best = StageLoop(setting, name, model, builder.steps(at.stage), at).run()
        model.load_state_dict(best.model)
        if at.stage + 1 == len(builder.names):
            return model, best, name
        model = builder.stage(at.stage + 1, model)
        at.stage += 1
        at.step, at.best, at.optimizers, at.running, at.running_steps = 0, None, {}, {}, {}


def _test(model: Algorithm, setting: Setting, sets: dict[str, Rows]) -> dict[str, Any]:
    """Evaluate the chosen model on the test images, once, and keep its answers.

    Further test sets are parts of the test images, so they take no second pass.
    """
    split, evaluator, domains = setting.split, setting.evaluator, setting.facts.domains
    rows = split.rows("test")
    found = evaluator.predictions(model, rows)
    setting.folder.guard()
    write_arrays(
        setting.folder.predictions,
        {
            "class": found.y.astype(np.int32),
            "domain": found.d.astype(np.int32),
            "prediction": found.prediction.astype(np.int32),
            "confidence": found.confidence.astype(np.float32),
            "loss": found.nll.astype(np.float32),
        },
        sync=None,
    )
    features = evaluator.features(model, rows).features
    write_arrays(setting.folder.features, _feature_arrays(features, split), sync=None)
    further = {
        name: compute_metrics(found.where(np.isin(rows, part))) for name, part in sets.items()
    }
    return {
        "test": compute_metrics(found),
        **({"test_sets": further} if further else {}),
        "domains": compute_domain_metrics(found, domains),
        "confusion": {
            domains[d]: confusion_matrix(part).tolist() for d, part in found.by_domain().items()
        },
    }


def _feature_arrays(features: torch.Tensor, split: Split) -> dict[str, np.ndarray[Any, Any]]:
    """Return a sample of the test features, and the mean feature of each pair."""
    rows = split.rows("test")
    values = features.float().cpu().numpy()
    flat = split.d[rows] * split.shape[1] + split.y[rows]
    sums = np.zeros((split.shape[0] * split.shape[1], values.shape[1]))
    np.add.at(sums, flat, values)
    sizes = np.bincount(flat, minlength=len(sums))[:, None]
    means = np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)
    # The same images in every run, so that figures of several runs show the same points.
    generator = np.random.default_rng(derive_seed(0, "features", split.sha256))
    sample = np.sort(generator.permutation(len(rows))[:FEATURE_IMAGES])
    return {
        "features": values[sample].clip(-FLOAT16_MAX, FLOAT16_MAX).astype(np.float16),
        "index": sample.astype(np.int32),
        "centroids": means.reshape(*split.shape, -1).astype(np.float32),
    }


_MACS: dict[str, int] = {}


def _multiply_adds(identity: str, model: Algorithm) -> int:
    """Return the multiply-adds, counted once a process for runs that differ in their seed only."""
    if identity not in _MACS:
        _MACS.clear()  # seeds follow one another, so one is enough to remember
        _MACS[identity] = multiply_adds(model)
    return _MACS[identity]


def _evaluation_batch(job: Job, split: Split) -> int:
    return max(32, job.spec.protocol.batch_per_domain * split.shape[0])


def _frozen(options: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(options.items()))


@lru_cache(maxsize=2)
def _open_images(
    name: str,
    options: tuple[tuple[str, Any], ...],
    data_dir: Path,
    folder: Path | None,
    device: str,
) -> tuple[Dataset, Split, DeviceImages]:
    """Open a data set once per process, however many runs use it."""
    cls: type[Dataset] = get_plugins()["datasets"].get(name).load()
    dataset = cls(name, cls.HParams.from_options(dict(options), name), data_dir)
    store = (
        ImageStore.load(folder)
        if folder is not None and folder.exists()
        else open_store(dataset, dataset.split())
    )
    return dataset, store.split, DeviceImages(store, torch.device(device))
