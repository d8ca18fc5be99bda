"""One run from its specification to its result, resumed where it was left."""

from __future__ import annotations

import contextlib
import shutil
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
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.split import Split
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

    A run that fails or diverges is recorded in its folder, not raised. An interrupted run returns
    ``{"status": "interrupted"}`` and goes on from its checkpoint the next time.
    """
    folder = RunFolder(job.folder)
    at = Checkpoint(threads=job.threads)
    try:
        folder.start(job.spec.as_dict())
        at = load_checkpoint(folder.latest) or at
        result = _train_and_test(job, folder, at, report, should_stop)
        folder.finish(result)
        return result
    except Interrupted:
        return {"status": "interrupted"}
    except Exception as error:
        diverged = isinstance(error, DivergedError)
        names = [job.spec.algorithm.name, *(stage.name for stage in job.spec.stages)]
        failure = {
            "status": "diverged" if diverged else "failed",
            "error": str(error) if diverged else f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
            "stage": names[at.stage],
            "step": at.step,
        }
        if diverged:  # to go on from here would only diverge again
            shutil.rmtree(folder.latest.parent, ignore_errors=True)
        with contextlib.suppress(OSError):  # on a full disk the caller still hears of it
            folder.fail(failure)
        return failure


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
    folder.cut_log(at.log_lines)
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
    save_checkpoint(folder.best, best)
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
        "macs": multiply_adds(model),
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
    write_arrays(
        setting.folder.predictions,
        {
            "class": found.y.astype(np.int32),
            "domain": found.d.astype(np.int32),
            "prediction": found.prediction.astype(np.int32),
            "confidence": found.confidence.astype(np.float32),
            "loss": found.nll.astype(np.float32),
        },
    )
    features = evaluator.features(model, rows).features
    write_arrays(setting.folder.features, _feature_arrays(features, split))
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
