"""Training never sees an unseen domain: its pixels and labels change nothing but the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ltbench_datasets.digits_mini import DigitsMini

from ltbench.plugins.manager import get_plugins
from ltbench.plugins.split import Split
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_data import SmallDataset, register_small_data
from ltbench.testing.small_run import Outcome, carry_out
from ltbench.training import context
from ltbench.training.model import ModelBuilder

OWN = ("ltbench_baselines", "ltbench_domains", "ltbench_longtail", "ltbench_mdlt", "ltbench_stages")
ANY_DOMAINS = ("erm", "bsoftmax", "crt")


def first_party(*kinds: str) -> list[str]:
    """Return the suite's own algorithms and stages."""
    entries = (entry for kind in kinds for entry in get_plugins()[kind])
    return sorted(e.name for e in entries if str(e.target).partition(".")[0] in OWN)


METHODS = ["boda[start=1,update=2]+crt", *first_party("algorithms", "stages")]
TRIED = [
    *((method, "unseen=b") for method in METHODS),
    *(
        (method, f"unseen=b,{more}")
        for method in ANY_DOMAINS
        for more in ("validation=c", "unseen_test=heldout", "validation=c,unseen_test=heldout")
    ),
]


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function after which every pixel and label of one domain is another."""

    def change(cls: Any, domain: int) -> None:
        split, decoder = cls.split, cls.decoder

        def other_labels(self: Any) -> Split:
            found = split(self)
            y = np.where(found.d == domain, (found.y + 1) % found.shape[1], found.y)
            return replace(found, y=y)

        def other_pixels(self: Any, found: Split) -> Any:
            decode = decoder(self, split(self))
            return lambda i: 255 - decode(i) if found.d[i] == domain else decode(i)

        monkeypatch.setattr(cls, "split", other_labels)
        monkeypatch.setattr(cls, "decoder", other_pixels)
        monkeypatch.setattr(cls, "fingerprint", lambda self, _: f"changed {domain}")
        context._open_store.cache_clear()

    yield change
    context._open_store.cache_clear()


def run(method: str, dataset: str, folder: Path, **overrides: Any) -> Outcome:
    request = Request([method], [dataset], [0], "fp32", Path(), overrides)
    (spec,) = plan_runs(request).specs
    return carry_out(spec, folder, Path())


def check_trained_alike(one: Outcome, other: Outcome) -> None:
    """Check that nothing of two runs differs but their test."""
    assert one.log == other.log  # losses, learning rates, validation and so selection
    assert one.model.keys() == other.model.keys()
    for key, tensor in one.model.items():
        assert torch.equal(tensor, other.model[key]), key
    for part in ("train", "val"):
        assert one.spec.data["counts"][part] == other.spec.data["counts"][part]
    assert one.spec.data["shot_counts"] == other.spec.data["shot_counts"]
    assert one.spec.data["preprocessing"] == other.spec.data["preprocessing"]
    assert one.spec.protocol == other.spec.protocol
    assert one.spec.hash != other.spec.hash  # the images are others, and so are the runs
    assert one.test != other.test
    assert not np.array_equal(one.predictions["loss"], other.predictions["loss"])


@pytest.mark.parametrize(("method", "options"), TRIED)
def test_an_unseen_domain_changes_the_test_alone(
    method: str, options: str, tmp_path: Path, change: Callable[..., None]
) -> None:
    register_small_data()
    dataset = f"small-mlt[{options}]"
    before = run(method, dataset, tmp_path / "before", steps=8, eval_every=4)
    change(SmallDataset, 1)
    after = run(method, dataset, tmp_path / "after", steps=8, eval_every=4)
    check_trained_alike(before, after)
    results = [json.loads((tmp_path / n / "result.json").read_text()) for n in ("before", "after")]
    assert results[0]["selection"] == results[1]["selection"]


@pytest.mark.parametrize("method", first_party("algorithms", "stages"))
def test_a_method_knows_the_training_domains_alone(
    method: str,
) -> None:
    register_small_data()
    plan = plan_runs(Request([method], ["small-mlt[unseen=a]"], [0], "fp32", Path()))
    dataset, split = plan.datasets[0]
    builder = ModelBuilder(plan.specs[0], dataset.facts, split, torch.device("cpu"))
    model = builder.up_to(len(plan.specs[0].stages))
    assert model.train_info.domains == ("b", "c")
    assert model.counts.tolist() == split.counts("train")[:2].tolist()
    assert dataset.facts.domains == ("b", "c", "a")
    assert set(split.d[split.rows("train")].tolist()) == {0, 1}
    assert set(split.d[split.rows("test")].tolist()) == {2}


@pytest.mark.parametrize(
    "method", ["erm", "coral", "dann", "boda", "brl", "bsoftmax", "mtl", "crt"]
)
def test_nor_on_real_images(method: str, tmp_path: Path, change: Callable[..., None]) -> None:
    dataset = "digits-mini-mlt[unseen=mnist-m]"
    settings = {"steps": 6, "eval_every": 3}
    before = run(method, dataset, tmp_path / "before", **settings)
    change(DigitsMini, 1)
    check_trained_alike(before, run(method, dataset, tmp_path / "after", **settings))
    assert set(before.predictions["domain"].tolist()) == {2}


def test_a_domain_that_trains_changes_the_training(
    tmp_path: Path, change: Callable[..., None]
) -> None:
    register_small_data()
    before = run("erm", "small-mlt[unseen=b]", tmp_path / "before")
    change(SmallDataset, 2)
    after = run("erm", "small-mlt[unseen=b]", tmp_path / "after")
    assert before.log != after.log


def test_oracle_selection_is_what_sees_the_domain(
    tmp_path: Path, change: Callable[..., None]
) -> None:
    register_small_data()
    before = run("erm", "small-mlt[unseen=b,validation=oracle]", tmp_path / "before")
    change(SmallDataset, 1)
    after = run("erm", "small-mlt[unseen=b,validation=oracle]", tmp_path / "after")
    losses = [[record["losses"] for record in one.log] for one in (before, after)]
    assert losses[0] == losses[1]
    assert [record["val"] for record in before.log] != [record["val"] for record in after.log]
