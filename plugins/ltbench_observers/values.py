"""Names and values that trackers show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ltbench.api import RunSpec


def scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a log line: ``loss/total``, ``val/accuracy_average``, ``lr``, …

    What is missing (``null``) is left out.
    """
    numbers = {f"loss/{name}": value for name, value in record.get("losses", {}).items()}
    numbers |= {f"val/{name}": value for name, value in record.get("val", {}).items()}
    numbers |= {name: record.get(name) for name in ("lr", "seconds")}
    return {name: value for name, value in numbers.items() if value is not None}


def test_scalars(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the test metrics of a result: ``test/accuracy_average``, …; none of a failed run."""
    metrics = result.get("test", {})
    return {f"test/{name}": value for name, value in metrics.items() if value is not None}


def config(run: RunSpec) -> dict[str, Any]:
    """Return what makes a run the run it is: its identity, its seed, and how tables name it."""
    return {"label": run.label, "seed": run.seed, "hash": run.hash, **run.identity()}


def flat(values: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Return nested values by dotted names, for trackers whose settings have one level."""
    return dict(_walk("", values))


def _walk(name: str, value: Any) -> Iterator[tuple[str, bool | int | float | str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        yield from _walk(name, {str(place): item for place, item in enumerate(value, 1)})
    elif isinstance(value, bool | int | float | str):
        yield name, value
    elif value is not None:
        yield name, str(value)
