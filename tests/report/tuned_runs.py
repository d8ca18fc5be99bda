"""Runs whose hyper-parameters were searched for."""

from __future__ import annotations

import json
from pathlib import Path

from synthetic_runs import write_run

BUDGET = {"search": "random", "trials": 16, "seed": 0, "metric": "f1"}
LABEL = "brl[alpha=0.03] (tuned: 16 trials)"


def write_tuned(root: Path, *, seed: int, budget: dict | None = None, label: str = LABEL) -> Path:
    """Write a run and mark it as tuned, with the identity and the folder that this gives it."""
    hparams = {"alpha": 0.03, "cb": True}
    folder = write_run(root, algo="brl", seed=seed, label=label, hparams=hparams, arrays=False)
    for name in ("spec.json", "result.json"):
        document = json.loads((folder / name).read_text())
        document |= {"hash": "f" * 12, "label": label}
        if name == "spec.json":
            document["identity"]["tuned"] = budget or BUDGET
        (folder / name).write_text(json.dumps(document))
    target = folder.parents[1] / f"{label[-12:-1]}" / folder.name
    target.parent.mkdir(exist_ok=True)
    folder.rename(target)
    return target
