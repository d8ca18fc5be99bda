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
        "sade[aggregate=false]+mlls",
    ],
)
def test_runs_together(method: str, tmp_path: Path) -> None:
    found = run_small(method, tmp_path)
    assert all(math.isfinite(value) for value in found.test.values() if value is not None)


@pytest.mark.parametrize("method", ["erm+mlls+posthoc-la", "mlls+crt", "erm+mlls+mlls"])
def test_nothing_stands_behind_what_learns_on_the_test_images(method: str) -> None:
    with pytest.raises(UsageError, match=r"'mlls' learns on .* here '.*': put it last") as said:
        plan_small(method)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("stage", ["crt", "posthoc-la", "wise-ft", "mlls"])
def test_a_stage_behind_sade_says_that_the_experts_weights_are_alike(stage: str) -> None:
    with pytest.raises(UsageError, match=rf"here '{stage}': give 'sade' aggregate=false"):
        plan_small(f"sade+{stage}")
    assert plan_small(f"sade[aggregate=false]+{stage}").stages


def test_what_is_not_trained_takes_no_modifier() -> None:
    with pytest.raises(UsageError, match="'dfr' is not trained, so there is nothing that '@ema'"):
        plan_small("erm+dfr@ema")
