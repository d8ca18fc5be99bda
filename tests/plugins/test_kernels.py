"""The kernels of a step on the digits benchmarks stay few, and the host waits for none of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ltbench.plugins.manager import get_plugins

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from kernels import OF_LAYERS, launches

MOST = {
    "balpoe": 170, "bcl": 190, "boda": 130, "brl": 115, "bsoftmax": 46, "cbloss": 51, "cdann": 126,
    "cmo": 87, "coral": 76, "cuda": 42, "dann": 96, "eqrm": 123, "equalization": 55, "erm": 42,
    "fish": 134, "fishr": 119, "focal": 62, "glmc": 298, "gpaco": 214, "groupdro": 62,
    "input-mixup": 69, "irm": 115, "ldam": 53, "lisa": 73, "logit-adjust": 45, "mdcs": 189,
    "miro": 161, "mixup": 78, "mldg": 270, "mmd": 78, "mtl": 55, "ncl": 189, "ndcl": 270,
    "proco": 268, "resamp": 42, "reweight": 51, "rsc": 67, "sade": 139, "sagnet": 184, "sd": 53,
    "sqrt-reweight": 51, "tally": 130, "urm": 137, "vrex": 53, "vs-loss": 48,
    "weighted-softmax": 51,
}  # fmt: skip
"""Counted with torch 2.15, and a few more for what other versions do in two kernels."""
SPARE = 6


def test_every_algorithm_has_a_bound() -> None:
    ours = [one for one in get_plugins()["algorithms"] if one.distribution == "ltbench"]
    classes = {one.name: one.load() for one in ours}
    assert set(MOST) == {name for name, cls in classes.items() if cls.steps(1, cls.HParams())}


@pytest.mark.parametrize("name", MOST)
def test_a_step_launches_few_kernels_and_waits_for_none(name: str) -> None:
    found, waits = launches(name)
    assert waits == []
    assert found.total() <= MOST[name] + SPARE, found.most_common()
    assert all(found[one] for one in OF_LAYERS)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_the_optimiser_is_one_kernel_and_the_count_of_its_steps(optimizer: str) -> None:
    found, _ = launches("erm", optimizer)
    assert found[f"aten._fused_{optimizer}_"] == 1
    assert sum(n for name, n in found.items() if "_foreach_" in name) == (optimizer != "sgd")
