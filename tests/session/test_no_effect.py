"""What is said to have no effect: late starts, idle betas, images alone of their domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ltbench.plugins.manager import get_plugins
from ltbench.session.no_effect import no_effect
from ltbench.session.plan import Request, plan_runs
from ltbench.session.session import Session

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


ONE = "mixes, weighs or compares 2 or more images of a domain with one another, and a batch has 1"


@pytest.mark.parametrize(
    ("algo", "named"),
    [
        ("erm,mmd,irm[anneal=0],ldam", []),
        (
            ",".join(alone := ["balpoe", "boda[start=1]", "brl", "coral", "lisa", "tally"]),
            [(name, name.partition("[")[0]) for name in alone],
        ),
        ("sqrt-reweight", [("sqrt-reweight", "sqrt-reweight")]),  # as its class inherits
        ("erm+weight-balancing+tau-norm", [("erm+weight-balancing+tau-norm", "weight-balancing")]),
        ("dann[loss=cbloss]", [("dann[loss=cbloss]", "cbloss")]),  # of the loss that it has
        ("fishr[anneal=0]@ema", [("fishr[anneal=0]@ema", "fishr")]),
    ],
)
def test_methods_that_set_images_of_a_domain_against_one_another_are_named_where_there_is_one(
    tmp_path, algo, named
):
    assert said(tmp_path, algo, batch_per_domain=1) == [
        f"{label} on tiny-mlt: '{name}' {ONE}: that part has no effect" for label, name in named
    ]
    assert said(tmp_path, algo, batch_per_domain=2) == []


@pytest.mark.parametrize("mixing", ["mixup", "cutmix[p=0.5]"])
def test_an_augmentation_that_mixes_images_of_a_domain_is_named_once(tmp_path, mixing):
    settings = {"augmentation": f"crop-flip>{mixing}"}
    assert said(tmp_path, "erm,focal+crt", batch_per_domain=1, **settings) == [
        f"augmentation crop-flip>{mixing} on tiny-mlt: '{mixing}' {ONE}: that part has no effect"
    ]
    assert said(tmp_path, "erm,focal+crt", batch_per_domain=2, **settings) == []
    assert said(tmp_path, "erm", batch_per_domain=1, augmentation="crop-flip>cutout") == []


def test_a_sweep_says_it(tmp_path):
    sentences: list[str] = []
    session = Session(tmp_path / "runs", say=sentences.append, quiet=True)
    session.plan(["input-mixup"], ["tiny-mlt"], [0], "fp32", steps=STEPS, batch_per_domain=1)
    assert sum(ONE in sentence for sentence in sentences) == 1
