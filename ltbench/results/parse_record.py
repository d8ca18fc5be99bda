"""Judges the documents of a run's folder field by field, whoever wrote them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ltbench.plugins.hparams import LARGEST_WHOLE
from ltbench.plugins.measure import parse_measures
from ltbench.results.backbone import known_preprocessing
from ltbench.results.backbone import read_title as read_backbone
from ltbench.results.combined import read_combined
from ltbench.results.component import read_hparams, read_title
from ltbench.results.labels import method_of
from ltbench.results.run import FORMAT, RunRecord, Status
from ltbench.results.tuned import read_tuned
from ltbench.results.untrusted import (
    LONGEST_WORD,
    UnreadableRun,
    clean,
    mapping_in,
    name_in,
    numbers,
)


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
    identity = mapping_in(spec, "identity", "spec.json")
    algorithm = mapping_in(identity, "algorithm", "spec.json")
    dataset = mapping_in(identity, "dataset", "spec.json")
    backbone = mapping_in(identity, "backbone", "spec.json")
    stages, data, seed = identity.get("stages", []), spec.get("data"), spec.get("seed")
    if not isinstance(stages, list):
        raise UnreadableRun("spec.json: 'stages' is not a list")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_WHOLE:
        raise UnreadableRun("spec.json: 'seed' is not a whole number from 0 of at most 64 bits")
    name_in(spec, "label", "spec.json")
    names = tuple(read_title(stage if isinstance(stage, dict) else {}) for stage in stages)
    protocol = dict(mapping_in(identity, "protocol", "spec.json"))
    tuned = read_tuned(identity.get("tuned"), protocol)
    record = RunRecord(
        path=path,
        status="unfinished",
        hash=name_in(spec, "hash", "spec.json"),
        protocol_hash=name_in(spec, "protocol_hash", "spec.json"),
        seed=seed,
        method=clean(method_of(spec, tuned), LONGEST_WORD),
        algorithm=read_title(algorithm),
        stages=names,
        dataset=name_in(dataset, "name", "spec.json"),
        protocol=protocol,
        steps=known_steps(names, protocol),
        tuned=tuned,
        hparams=read_hparams(algorithm),
        options={**mapping_in(dataset, "options", "spec.json"), **_places(spec)},
        backbone=read_backbone(backbone),
        pretrained=backbone.get("pretrained") is True,
        weights=clean(str(backbone.get("weights") or "")),
        weights_file=clean(str(spec.get("weights_file") or ""), LONGEST_WORD),
        preprocessing=known_preprocessing(backbone),
        precision=clean(str(identity.get("precision", ""))),
        memory_format=clean(str(identity.get("memory_format", ""))),
        title=clean(str(data.get("title", ""))) if isinstance(data, dict) else "",
        split=clean(str(data.get("split", ""))) if isinstance(data, dict) else "",
        combined=read_combined(identity, result),
    )
    if result is not None:
        return replace(record, status="done", **_outcome(spec, result))
    if error is not None:
        status: Status = "diverged" if error.get("status") == "diverged" else "failed"
        return replace(record, status=status, reason=clean(str(error.get("error", ""))))
    return record


def known_steps(stages: Sequence[str], protocol: Mapping[str, Any]) -> int:
    """Return the steps of a run of one stage; those of further stages only their plugins know."""
    return 0 if stages else int(numbers({"steps": protocol.get("steps")}).get("steps", 0))


def unreadable(path: str, reason: str) -> RunRecord:
    """Return the record of a folder that cannot be read, with the reason in one sentence."""
    return RunRecord(path=path, status="unreadable", reason=clean(reason))


def _places(spec: Mapping[str, Any]) -> dict[str, Any]:
    places = spec.get("places")
    return dict(places) if isinstance(places, dict) else {}


def _seconds(timings: object) -> dict[str, float]:
    taken_over = timings.get("taken_over") if isinstance(timings, dict) else None
    return {
        "seconds": numbers(timings).get("total_s", math.nan),
        "taken_over": numbers(taken_over).get("seconds", 0.0),
    }


def _outcome(spec: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    if result.get("format") != FORMAT:
        raise UnreadableRun(f"result.json has format {result.get('format')!r}, not {FORMAT}")
    if (result.get("hash"), result.get("seed")) != (spec.get("hash"), spec.get("seed")):
        raise UnreadableRun("result.json belongs to another run than spec.json")
    names = ("parameters", "trainable_parameters", "peak_memory_mb")
    sizes = numbers({name: result.get(name) for name in names})
    environment = result.get("environment")
    return sizes | {
        "test": numbers(mapping_in(result, "test", "result.json")),
        "metrics": parse_measures(result.get("metrics")),
        "environment": environment if isinstance(environment, dict) else {},
        **_seconds(result.get("timings")),
        "transductive": isinstance(result.get("before_test"), dict) and bool(result["before_test"]),
        "trained_on_validation": bool(result.get("trained_on_validation")),
    }
