"""The stages behind other methods, modifiers and stages, trained as runs are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ltbench.errors import UsageError
from ltbench.testing.small_run import plan_small, run_small


@pytest.mark.parametrize(
    "method",
    [
        "coral[loss=bsoftmax]@ema+h2t@ema+posthoc-la",
        "erm@sam+wise-ft+dfr[draws=2]",
        "sade+mlls",
    ],
)
def test_runs_together(method: str, tmp_path: Path) -> None:
    found = run_small(method, tmp_path)
    assert all(math.isfinite(value) for value in found.test.values() if value is not None)


def test_what_is_not_trained_takes_no_modifier() -> None:
    with pytest.raises(UsageError, match="'dfr' is not trained, so there is nothing that '@ema'"):
        plan_small("erm+dfr@ema")
