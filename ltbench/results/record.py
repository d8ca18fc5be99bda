"""One run as reports know it: what was asked and what came out, checked field by field.

Run folders may come from anywhere, so everything read from them is judged here: names lose
control characters (no escape sequences reach a terminal), numbers that are not finite become
missing, and whatever does not fit makes the run ``unreadable`` with one sentence of why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ltbench.results.run import method_label, method_of

Status = Literal["done", "failed", "diverged", "unfinished", "unreadable"]

FORMAT = 1
_LONGEST_NAME = 200


class UnreadableRun(ValueError):
    """A document of a run folder does not fit the format; the message says which and why."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is known of one run without opening its large files.

    Attributes:
        path: the run's folder.
        status: ``done`` where ``result.json`` exists, else ``failed`` or ``diverged`` (with
            ``reason``), ``unfinished``, or ``unreadable`` (with ``reason``).
        method: the algorithm with its stages and what differs from the defaults, as typed.
        tuned: how its hyper-parameters were searched for (``search``, ``trials``, ``seed``,
            ``metric``, ``fixed``); empty where they were not.
        weights: SHA-256 of the local checkpoint that it started from, if it did from any.
        test: the chosen model's test metrics; accuracies and F1 in 0…1; without what is missing.
    """

    path: str
    status: Status
    reason: str = ""
    hash: str = ""
    protocol_hash: str = ""
    seed: int = -1
    label: str = ""
    method: str = ""
    algorithm: str = ""
    hparams: dict[str, Any] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    dataset: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    backbone: str = ""
    pretrained: bool = False
    weights: str = ""
    precision: str = ""
    title: str = ""
    tuned: dict[str, Any] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seconds: float = math.nan
    parameters: float = math.nan
    peak_memory_mb: float = math.nan


def parse_record(
    path: str,
    spec: Mapping[str, Any],
    result: Mapping[str, Any] | None,
    error: Mapping[str, Any] | None,
) -> RunRecord:
    """Judge the documents of one run folder.

    Args:
        path: the folder, for messages.
        spec: the content of ``spec.json``.
        result: the content of ``result.json``, or ``None`` where the run is not done.
        error: the content of ``error.json``, or ``None``.

    Raises:
        UnreadableRun: a document does not fit the format; the message names it.
    """
    if spec.get("format") != FORMAT:
        raise UnreadableRun(f"spec.json has format {spec.get('format')!r}, not {FORMAT}")
    identity = _mapping(spec, "identity", "spec.json")
    algorithm = _mapping(identity, "algorithm", "spec.json")
    dataset = _mapping(identity, "dataset", "spec.json")
    backbone = _mapping(identity, "backbone", "spec.json")
    stages = identity.get("stages", [])
    if not isinstance(stages, list):
        raise UnreadableRun("spec.json: 'stages' is not a list")
    data = spec.get("data")
    seed = spec.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise UnreadableRun(f"spec.json: 'seed' is {seed!r}, not a whole number")
    common: dict[str, Any] = {
        "path": path,
        "hash": _name(spec, "hash", "spec.json"),
        "protocol_hash": _name(spec, "protocol_hash", "spec.json"),
        "seed": seed,
        "algorithm": _name(algorithm, "name", "spec.json"),
        "hparams": dict(_mapping(algorithm, "hparams", "spec.json")),
        "stages": tuple(
            _name(stage if isinstance(stage, dict) else {}, "name", "spec.json") for stage in stages
        ),
        "dataset": _name(dataset, "name", "spec.json"),
        "options": dict(_mapping(dataset, "options", "spec.json")),
        "protocol": dict(_mapping(identity, "protocol", "spec.json")),
        "backbone": _name(backbone, "name", "spec.json"),
        "pretrained": backbone.get("pretrained") is True,
        "weights": clean(str(backbone.get("weights") or "")),
        "precision": clean(str(identity.get("precision", ""))),
        "title": clean(str(data.get("title", ""))) if isinstance(data, dict) else "",
        "tuned": _budget(identity.get("tuned")),
    }
    _name(spec, "label", "spec.json")
    common["method"] = clean(method_of(spec, common["tuned"]))
    common["label"] = clean(method_label(common["method"], common["tuned"]))
    if result is not None:
        return RunRecord(status="done", **common, **_outcome(spec, result))
    if error is not None:
        status: Status = "diverged" if error.get("status") == "diverged" else "failed"
        return RunRecord(status=status, reason=clean(str(error.get("error", ""))), **common)
    return RunRecord(status="unfinished", **common)


def unreadable(path: str, reason: str) -> RunRecord:
    """Return the record of a folder that cannot be read, with the reason in one sentence."""
    return RunRecord(path=path, status="unreadable", reason=clean(reason))


def clean(text: str) -> str:
    """Return ``text`` without control characters, at most 200 characters long."""
    if len(text) <= _LONGEST_NAME and text.isprintable():
        return text
    printable = "".join(c if c.isprintable() else " " for c in text[: _LONGEST_NAME + 1])
    return printable if len(printable) <= _LONGEST_NAME else printable[: _LONGEST_NAME - 1] + "…"


def numbers(values: object) -> dict[str, float]:
    """Return the finite numbers of a mapping, by cleaned name; everything else is missing."""
    if not isinstance(values, dict):
        return {}
    return {
        clean(name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e300
        and math.isfinite(value)
    }


def _outcome(spec: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    if result.get("format") != FORMAT:
        raise UnreadableRun(f"result.json has format {result.get('format')!r}, not {FORMAT}")
    if (result.get("hash"), result.get("seed")) != (spec.get("hash"), spec.get("seed")):
        raise UnreadableRun("result.json belongs to another run than spec.json")
    timings = numbers(result.get("timings"))
    sizes = numbers({name: result.get(name) for name in ("parameters", "peak_memory_mb")})
    environment = result.get("environment")
    return {
        "test": numbers(_mapping(result, "test", "result.json")),
        "environment": environment if isinstance(environment, dict) else {},
        "seconds": timings.get("total_s", math.nan),
        "parameters": sizes.get("parameters", math.nan),
        "peak_memory_mb": sizes.get("peak_memory_mb", math.nan),
    }


def _budget(tuned: object) -> dict[str, Any]:
    if not isinstance(tuned, dict):
        return {}
    words = {name: clean(str(tuned.get(name, ""))) for name in ("search", "metric")}
    fixed = tuned.get("fixed")
    counts = {name: int(value) for name, value in numbers(tuned).items()}
    return words | counts | {"fixed": dict(fixed) if isinstance(fixed, dict) else {}}


def _mapping(document: Mapping[str, Any], key: str, file: str) -> Mapping[str, Any]:
    value = document.get(key)
    if not isinstance(value, dict):
        raise UnreadableRun(f"{file}: '{key}' is missing or not an object")
    return value


def _name(document: Mapping[str, Any], key: str, file: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise UnreadableRun(f"{file}: '{key}' is missing or not a text")
    return clean(value)
