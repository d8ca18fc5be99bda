"""A method is said to do nothing of its own where what it is about begins after the last step."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltbench.plugins.manager import get_plugins
from ltbench.session.late_starts import late_starts
from ltbench.session.plan import Request, plan_runs

STEPS = 60


def said(tmp_path: Path, algo: str) -> list[str]:
    request = Request([algo], ["tiny-mlt"], range(2), "fp32", tmp_path, {"steps": STEPS})
    return late_starts(plan_runs(request))


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
