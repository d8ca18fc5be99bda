"""What of methods is said to have no effect: late starts, and betas where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ltbench.plugins.manager import get_plugins
from ltbench.session.no_effect import no_effect
from ltbench.session.plan import Request, plan_runs

STEPS = 60


def said(tmp_path: Path, algo: str, **settings: Any) -> list[str]:
    options = {"steps": STEPS, **settings}
    return no_effect(plan_runs(Request([algo], ["tiny-mlt"], range(2), "fp32", tmp_path, options)))


@pytest.mark.parametrize(
    ("algo", "late"),
    [
        ("erm,coral,boda", []),
        ("fishr", ["fishr: anneal=1500"]),
        ("irm,vrex", ["irm: anneal=500", "vrex: anneal=500"]),
        (f"irm[anneal=[{STEPS - 1},{STEPS},0]]", [f"irm[anneal={STEPS}]: anneal={STEPS}"]),
        ("boda[start=61]@ema+crt", ["boda[start=61]@ema+crt: start=61"]),
        ("fishr,fishr+crt", ["fishr: anneal=1500", "fishr+crt: anneal=1500"]),
    ],
)
def test_what_begins_after_the_last_step_is_named_once(tmp_path, algo, late):
    assert said(tmp_path, algo) == [
        f"{one.partition(': ')[0]} on tiny-mlt: {one.partition(': ')[2]} is a step that the "
        f"training, of {STEPS}, does not come to: what begins there has no effect"
        for one in late
    ]


def test_every_method_that_is_annealed_says_with_which_step(tmp_path):
    """`annealed` is what such a method looks at, so that none is forgotten."""
    from ltbench_domains.annealing import Annealed

    plugins = [entry.load() for entry in get_plugins()["algorithms"]]
    annealed = [one for one in plugins if isinstance(one, type) and issubclass(one, Annealed)]
    assert len(annealed) >= 4
    for one in annealed:
        of_steps = [b for key, b in one.HParams.bounds().items() if key in ("anneal", "start")]
        assert all(bounds.begins for bounds in of_steps)


@pytest.mark.parametrize(
    ("optimizer", "algo", "idle"),
    [
        ("sgd", "dann,cdann,erm,miro[encoder_lr=2]", []),  # the default was not asked for
        (
            "sgd",
            "dann[beta1=0.2],cdann[beta1=0.2]+crt",
            [("dann[beta1=0.2]", "beta1=0.2"), ("cdann[beta1=0.2]+crt", "beta1=0.2")],
        ),
        ("lars", "dann[beta1=0]", [("dann[beta1=0.0]", "beta1=0.0")]),
        ("adam", "dann[beta1=0.2]", []),
        ("adan", "cdann[beta1=0.2]", []),
    ],
)
def test_betas_that_were_given_for_an_optimiser_without_any_are_named(
    tmp_path, optimizer, algo, idle
):
    assert said(tmp_path, algo, optimizer=optimizer) == [
        f"{label} on tiny-mlt: {beta} is one of an optimiser's betas, and {optimizer} has none: it "
        "has no effect"
        for label, beta in idle
    ]
