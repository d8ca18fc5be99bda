"""The few fields of a record that say how a run stands, small enough for 10,000 in a blink.

Left out are hyper-parameters, metrics, environment and most of the protocol.
"""

from __future__ import annotations

import json
import math

from ltbench.results.record import RunRecord, clean, numbers

_STATUSES = ("done", "failed", "diverged", "unfinished", "unreadable")
_TYPES = [str, str, str, str, int, str, str, list, str, str, int, float]


def to_brief(record: RunRecord) -> str:
    """Return a record as a JSON list of its brief fields."""
    select = clean(str(record.protocol.get("select", "")))
    steps = int(numbers(record.protocol).get("steps", 0))
    return json.dumps([
        record.status, record.reason, record.hash, record.protocol_hash, record.seed, record.label,
        record.algorithm, record.stages, record.dataset, select, steps,
        -1.0 if math.isnan(record.seconds) else record.seconds,
    ])  # fmt: skip


def from_brief(path: str, text: str) -> RunRecord:
    """Return the record of :func:`to_brief`, without what that leaves out.

    Raises:
        ValueError: it is something else.
    """
    fields = json.loads(text)
    if not isinstance(fields, list) or [type(value) for value in fields] != _TYPES:
        raise ValueError("these are not the brief fields of a run")
    status, reason, hash_, protocol, seed, label, algo, stages, dataset, select, steps, s = fields
    if status not in _STATUSES:
        raise ValueError(f"there is no status {status!r}")
    return RunRecord(
        path=path,
        status=status,
        reason=clean(reason),
        hash=clean(hash_),
        protocol_hash=clean(protocol),
        seed=seed,
        label=clean(label),
        algorithm=clean(algo),
        stages=tuple(clean(str(stage)) for stage in stages),
        dataset=clean(dataset),
        protocol={"select": clean(select), "steps": steps},
        seconds=math.nan if s < 0 else s,
    )
