"""Every stage stands on every algorithm, or refuses it in one sentence."""

from __future__ import annotations

import contextlib
import math

import pytest
import torch

from ltbench.api import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.testing import build_algorithm, build_stage, random_batch_for, take_steps, train_info

ALGORITHMS = [e.name for e in get_plugins()["algorithms"] if e.distribution == "ltbench"]
ON_ANY_MODEL = {"crt", "lws", "posthoc-la", "dfr", "wise-ft", "mlls"}
ON_CLASS_WEIGHTS = {"tau-norm", "mislas", "weight-balancing", "h2t"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("stage", sorted(ON_ANY_MODEL | ON_CLASS_WEIGHTS))
def test_stands_on(stage: str, algorithm: str) -> None:
    base = build_algorithm(algorithm, train_info())
    batch = random_batch_for(base)
    may_refuse = stage in ON_CLASS_WEIGHTS and not has_class_weights(base)
    with pytest.raises(UsageError, match="linear") if may_refuse else contextlib.nullcontext():
        model = build_stage(stage, base)
        batch = random_batch_for(model)
        for losses in take_steps(model, [batch] * 2):
            assert all(map(math.isfinite, losses.values()))
        model.eval()
        with torch.no_grad():
            assert bool(model.predict(batch.x).isfinite().all())


def has_class_weights(base: object) -> bool:
    try:
        base.class_weights()  # type: ignore[attr-defined]
    except UsageError:
        return False
    return True
