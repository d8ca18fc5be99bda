"""Synthetic runs of which each leaves one domain out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.testing import write_run

DOMAINS = ("mnist", "mnist-m", "optdigits")
SKILLS = {"erm": 0.5, "coral": 0.62, "dann": 0.55}


def write_unseen(
    root: Path,
    algos: Mapping[str, float] = SKILLS,
    seeds: int = 3,
    domains: tuple[str, ...] = DOMAINS,
    more: Mapping[str, Any] | None = None,
    **how: Any,
) -> list[Path]:
    """Write a run for every method, seed and unseen domain."""
    return [
        write_run(
            root, algo=algo, seed=seed, skill=skill,
            options={"unseen": domain, **(more or {})}, **{"arrays": False, **how},
        )
        for algo, skill in algos.items() for seed in range(seeds) for domain in domains
    ]  # fmt: skip


def set_score(folder: Path, **scores: float) -> None:
    """Write other test scores into a run."""
    path = folder / "result.json"
    document = json.loads(path.read_text())
    document["test"] |= scores
    path.write_text(json.dumps(document))
