"""Run folders with drawn results, in the format of docs/run-folder.md, without any training.

For tests of what reads runs, such as figures: the numbers obey the format and mean nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from ltbench.plugins.shots import ShotRule
from ltbench.results.folder import LOGITS
from ltbench.results.logits import kept_logits, write_logits
from ltbench.results.scheme import unseen_domains
from ltbench.results.sweeps import TRIAL_SEEDS, TUNING
from ltbench.results.trials import STUDIES

DOMAINS = ("mnist", "mnist-m", "optdigits")


def write_run(
    root: Path,
    *,
    algo: str = "erm",
    seed: int = 0,
    skill: float = 0.7,
    dataset: str = "digits-mini-mlt",
    options: Mapping[str, Any] | None = None,
    hparams: Mapping[str, Any] | None = None,
    label: str | None = None,
    stages: Iterable[str] = (),
    backbone: str = "digits-cnn",
    steps: int = 300,
    domains: Iterable[str] = DOMAINS,
    classes: int = 10,
    shots: tuple[float, float] = (60, 15),
    train: np.ndarray | None = None,
    per_class: int = 10,
    error: str | None = None,
    finished: bool = True,
    arrays: bool = True,
) -> Path:
    """Write one run and return its folder.

    Args:
        root: the folder of runs.
        skill: the expected share of right predictions; few-shot pairs are given less.
        options: of the data set. With ``unseen`` those domains come last, have no training images
            and are the test, as in runs that are made.
        train: training images (domains, classes); by default a long tail, reversed in the second.
        per_class: test images of each pair.
        error: write ``error.json`` with this status instead of a result.
        finished: whether to write a result at all.
        arrays: whether to write predictions, features and logits.
    """
    domains, stages = tuple(domains), tuple(stages)
    rng = np.random.default_rng([seed, _number(algo, dataset, hparams, stages)])
    if train is None:
        train = _long_tail(len(domains), classes)
    unseen = [name for name in unseen_domains(options or {}) if name in domains]
    if unseen:
        rng = np.random.default_rng([seed, _number(algo, dataset, hparams, stages, *unseen)])
        domains = (*(name for name in domains if name not in unseen), *unseen)
        train[-len(unseen) :] = 0
    tested = np.isin(domains, unseen or domains)
    protocol = {"name": dataset, "steps": steps, "batch_per_domain": 32, "optimizer": "adam",
                "lr": 0.001, "weight_decay": 0.0, "schedule": "constant", "eval_every": 25,
                "select": "f1", "augmentation": "none"}  # fmt: skip
    shared = {
        "dataset": {"name": dataset, "options": dict(options or {}), "split": "0" * 64},
        "protocol": protocol,
        "backbone": {"name": backbone, "pretrained": False, "weights": None},
        "precision": "bf16",
    }
    identity = {
        "algorithm": {"name": algo, "hparams": dict(hparams or {})},
        "stages": [{"name": stage, "hparams": {}} for stage in stages],
        **shared,
    }
    name = "+".join((algo, *stages))
    folder = root / dataset / name / _digest(identity)[:12] / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"train": train, "val": np.full_like(train, 5), "test": np.full_like(train, per_class)}
    if unseen:
        counts["val"][tested], counts["test"][~tested] = 0, 0
    spec = {
        "format": 1, "hash": _digest(identity), "protocol_hash": _digest(shared), "seed": seed,
        "label": label or name, "identity": identity,
        "data": {"title": f"Synthetic {dataset}", "domains": list(domains),
                 "classes": [f"class {c}" for c in range(classes)],
                 "shots": ShotRule(*shots).as_dict(),
                 "counts": {part: table.tolist() for part, table in counts.items()}},
    }  # fmt: skip
    _write(folder / "spec.json", spec)
    _write_log(folder, name, steps, skill, rng)
    if error:
        _write(folder / "error.json", {"status": error, "error": "RuntimeError: loss is NaN",
                                       "traceback": "…", "stage": algo, "step": 120})  # fmt: skip
    elif finished:
        predictions = _predict(train, per_class, skill, rng)
        kept = tested[predictions["domain"]]
        predictions = {name: values[kept] for name, values in predictions.items()}
        if arrays:
            _write_arrays(folder, predictions, train.shape, rng)
            _write_logits(folder, predictions, counts["val"], seed)
        _write(folder / "result.json", _result(spec, predictions, train))
    return folder


def write_study(
    root: Path,
    *,
    algo: str = "boda",
    values: Iterable[float | None] = (0.5, 0.7, 0.6, None),
    search: str = "random",
    axes: Iterable[str] = ("hparams", "lr"),
    **more: Any,
) -> Path:
    """Write a study of tuning with the runs of its trials, and return its file.

    Args:
        root: the folder of runs, in whose ``.tuning`` it goes.
        values: validation scores of the trials; ``None`` failed.
        search: the sampler.
        axes: what it searched.
        more: as for :func:`write_run`.
    """
    tuning, results = root / TUNING, []
    identity: dict[str, Any] = {}
    for number, value in enumerate(values):
        folder = write_run(
            tuning, algo=algo, seed=TRIAL_SEEDS, hparams={"weight": 2.0**number},
            skill=value or 0.5, error=None if value is not None else "failed", arrays=False, **more,
        )  # fmt: skip
        identity = json.loads((folder / "spec.json").read_text())["identity"]
        results.append({
            "number": number, "point": {}, "label": algo, "folder": str(folder.relative_to(tuning)),
            "status": "failed" if value is None else "done", "value": value,
        })  # fmt: skip
    shared = {key: identity[key] for key in ("dataset", "protocol", "backbone", "precision")}
    asked = {"algorithm": [algo], "fixed": {}, "plugins": {}, **shared}
    named = "+".join(axes)
    study = tuning / STUDIES / _digest(asked) / f"{search}-{len(results)}-seed-0-{named}.json"
    study.parent.mkdir(parents=True, exist_ok=True)
    _write(study, {"format": 1, "algo": algo, "asked": asked, "search": search, "seed": 0,
                   "trials": len(results), "axes": named.split("+"), "metric": "macro_f1_average",
                   "batch": 1, "results": results, "best": None})  # fmt: skip
    return study


def _predict(
    train: np.ndarray, per_class: int, skill: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    domains, classes = train.shape
    domain, label = (a.ravel() for a in np.mgrid[:domains, :classes])
    domain, label = np.repeat(domain, per_class), np.repeat(label, per_class)
    ease = np.log1p(train[domain, label]) / np.log1p(train.max())
    run_skill = skill + rng.normal(0, 0.015) - 0.06 * domain
    right = rng.random(len(label)) < np.clip(run_skill + 0.3 * (ease - 0.5), 0.02, 0.99)
    wrong = (label + rng.integers(1, classes, len(label))) % classes
    prediction = np.where(right, label, wrong)
    nll = np.where(right, rng.gamma(1, 0.2, len(label)), 1 + rng.gamma(2, 0.8, len(label)))
    confidence = np.where(right, np.exp(-nll), rng.uniform(0.3, 0.9, len(label)))
    return {"class": label.astype(np.int32), "domain": domain.astype(np.int32),
            "prediction": prediction.astype(np.int32), "confidence": confidence.astype(np.float32),
            "loss": nll.astype(np.float32)}  # fmt: skip


def _result(
    spec: dict[str, Any], predictions: dict[str, np.ndarray], train: np.ndarray
) -> dict[str, Any]:
    domains, classes = train.shape
    label, domain, guess = (predictions[name] for name in ("class", "domain", "prediction"))
    confusion = np.zeros((domains, classes, classes), dtype=int)
    np.add.at(confusion, (domain, label, guess), 1)
    tested = confusion.sum((1, 2)) > 0
    names = [name for name, test in zip(spec["data"]["domains"], tested, strict=True) if test]
    confusion, train = confusion[tested], train[tested]
    hits = confusion.diagonal(axis1=1, axis2=2)
    accuracy = hits.sum(1) / confusion.sum((1, 2))
    f1 = (2 * hits / np.maximum(confusion.sum(1) + confusion.sum(2), 1)).mean(1)
    rule = ShotRule.from_dict(spec["data"]["shots"])
    test: dict[str, float | None] = {"accuracy": hits.sum() / confusion.sum(), "loss": 0.9,
                                     "ece": 0.08}  # fmt: skip
    for name, values in (("accuracy", accuracy), ("macro_f1", f1)):
        test |= {f"{name}_average": values.mean(), f"{name}_worst": values.min()}
    tables = (table.ravel().tolist() for table in (train, hits, confusion.sum(2)))
    test |= rule.accuracies(zip(*tables, strict=True))
    return {
        "format": 1, "hash": spec["hash"], "seed": spec["seed"], "label": spec["label"],
        "test": {key: None if value is None else float(value) for key, value in test.items()},
        "domains": {name: {"accuracy": accuracy[d], "macro_f1": f1[d], "loss": 0.7, "ece": 0.05}
                    for d, name in enumerate(names)},
        "val": {"macro_f1_average": 0.75},
        "selection": {"metric": "macro_f1_average", "value": 0.75, "stage": "erm", "step": 275},
        "confusion": {name: confusion[d].tolist() for d, name in enumerate(names)},
        "timings": {"train_s": 40.1, "evaluate_s": 3.0, "total_s": 44.0},
        "environment": {"ltbench": "0.1.0", "python": "3.11.7", "torch": "2.11.0",
                        "platform": "Linux", "device": "cpu", "threads": 1, "git": None,
                        "distributions": {"ltbench": "0.1.0"}},
        "parameters": 373642, "trainable_parameters": 373642, "peak_memory_mb": 612.0,
    }  # fmt: skip


def _write_arrays(
    folder: Path,
    predictions: dict[str, np.ndarray],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> None:
    np.savez(folder / "predictions.npz", **cast(dict[str, Any], predictions))
    domains, classes = shape
    width = 16
    places = np.random.default_rng(7).normal(size=(classes, width)) * 3
    shifts = np.random.default_rng(8).normal(size=(domains, width))
    label, domain = predictions["class"], predictions["domain"]
    features = places[label] + shifts[domain] + rng.normal(size=(len(label), width))
    chosen = np.sort(rng.permutation(len(label))[:2000])
    centroids = np.full((domains, classes, width), np.nan)
    for d in range(domains):
        for c in range(classes):
            inside = (domain == d) & (label == c)
            if inside.any():
                centroids[d, c] = features[inside].mean(0)
    np.savez(
        folder / "features.npz",
        features=features[chosen].astype(np.float16),
        index=chosen,
        centroids=centroids.astype(np.float32),
    )


def _write_logits(
    folder: Path, predictions: dict[str, np.ndarray], val: np.ndarray, seed: int
) -> None:
    """Write logits whose largest are the predictions, and others like them for validation."""
    rng = np.random.default_rng([seed, 1])
    domain, label = (a.ravel().repeat(val.ravel()) for a in np.mgrid[: len(val), : val.shape[1]])
    right = rng.random(len(label)) < np.mean(predictions["class"] == predictions["prediction"])
    guess = np.where(right, label, (label + 1) % val.shape[1])
    of_test = (predictions[name] for name in ("class", "domain", "prediction"))
    parts = {}
    for part, (y, d, answer) in (("test", of_test), ("val", (label, domain, guess))):
        z = rng.normal(size=(len(y), val.shape[1]))
        z[np.arange(len(y)), answer] = z.max(axis=1) + rng.gamma(2, 1, len(y))
        names = np.array([f"{part}/{i}.png" for i in range(len(y))])
        parts[part] = kept_logits(z, y, d, names)
    write_logits(folder / LOGITS, parts)


def _write_log(
    folder: Path, stage: str, steps: int, skill: float, rng: np.random.Generator
) -> None:
    lines = []
    for step in range(25, steps + 1, 25):
        share = 1 - np.exp(-3 * step / steps)
        score = skill * share + rng.normal(0, 0.01)
        lines.append({"stage": stage, "step": step,
                      "losses": {"total": 2.3 * (1 - share) + 0.2 + abs(rng.normal(0, 0.03))},
                      "val": {"accuracy_average": score, "macro_f1_average": score - 0.01,
                              "macro_f1_worst": score - 0.1, "accuracy_worst": score - 0.09},
                      "lr": 0.001, "seconds": step / 10})  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "log.jsonl").write_text(text, encoding="utf-8")


def _long_tail(domains: int, classes: int) -> np.ndarray:
    counts = (150 * 0.02 ** (np.arange(classes) / max(classes - 1, 1))).astype(int)
    table = np.tile(counts, (domains, 1))
    if domains > 1:
        table[1] = table[1, ::-1]
    table[-1, -2:] = 0 if domains > 2 else table[-1, -2:]
    return table


def _number(*parts: object) -> int:
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16)


def _digest(document: object) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")
