"""Runs whose hyper-parameters were searched for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synthetic_runs import write_run

from ltbench.results.run import canonical_hash

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


AXES = {"axes": ["hparams", "lr", "weight_decay"], "from": {"lr": 0.001, "weight_decay": 0.0}}


def write_tuned_rate(
    root: Path, *, algo: str, seed: int, lr: float, trials: int = 16, **how: Any
) -> Path:
    """Write a run whose learning rate was tuned too; its table is that of the rate before."""
    folder = write_run(root, algo=algo, seed=seed, skill=0.8, arrays=False, **how)
    spec, result = (json.loads((folder / f"{n}.json").read_text()) for n in ("spec", "result"))
    spec["identity"]["protocol"]["lr"] = lr
    spec["identity"]["tuned"] = {**BUDGET, "trials": trials, **AXES}
    spec["hash"] = result["hash"] = canonical_hash(spec["identity"])
    target = folder.parents[1] / spec["hash"] / folder.name
    target.parent.mkdir(exist_ok=True)
    folder.rename(target)
    for name, document in (("spec", spec), ("result", result)):
        (target / f"{name}.json").write_text(json.dumps(document))
    return target
