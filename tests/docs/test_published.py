"""Every row of docs/published.toml against what a run of that protocol and method really has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from authors_settings import PAGE, page, rows
from ltbench_mdlt.boda import schedule

import ltbench.session.plan as planning
from ltbench.data.catalogue import open_dataset
from ltbench.plugins.batch import TrainInfo
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.names import Name, parse_chains
from ltbench.plugins.resolve import resolve
from ltbench.results.protocol import epoch_steps
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs
from ltbench.training.steps import stage_steps

STAND_IN = "digits-mini-mlt"  # whose images are there; what a row is about are settings
TABLE = rows()


def planned(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **more: Any) -> RunSpec:
    """Return the run of a row, on images that are there under the protocols of its data set."""
    dataset, split = open_dataset(Name(STAND_IN), Path())
    if "dataset" in row:
        of_row = registry_facts(row["dataset"])
        facts = replace(dataset.facts, protocols=of_row.protocols)
        stand_in = type("StandIn", (type(dataset),), {"facts": facts})
        dataset = stand_in(dataset.name, dataset.hparams, dataset.data_dir)
    monkeypatch.setattr(planning, "open_dataset", lambda *_: (dataset, split))
    request = Request(
        [row["method"]], [STAND_IN], [0], "fp32", Path(), more, protocol=row["protocol"],
        backbone="digits-cnn", pretrained=False,
    )  # fmt: skip
    return plan_runs(request).specs[0]


def epoch(spec: RunSpec) -> int:
    train = spec.data["counts"]["train"]
    return epoch_steps(sum(map(sum, train)), len(train), spec.protocol.batch_per_domain)


def had(row: dict[str, Any], spec: RunSpec) -> Any:
    """Return what a run has of a setting."""
    part, _, key = row["setting"].rpartition(".")
    if part == "facts":
        return list(getattr(registry_facts(row["dataset"]), key))
    if part:
        return of_method(row, spec, part, key)
    value = spec.protocol.steps / epoch(spec) if key == "epochs" else getattr(spec.protocol, key)
    return list(value) if isinstance(value, tuple) else value


def of_method(row: dict[str, Any], spec: RunSpec, part: str, key: str) -> Any:
    """Return what an algorithm or stage of a run has of a setting."""
    names = [spec.algorithm.name, *(stage.name for stage in spec.stages)]
    place = names.index(part)
    component = [spec.algorithm, *spec.stages][place]
    _, hparams = resolve("stages" if place else "algorithms", part, component.hparams)
    derived = {
        "steps": lambda: stage_steps(spec)[place],
        "epochs": lambda: stage_steps(spec)[place] / epoch(spec),
        "rate": lambda: spec.protocol.lr * hparams.rates()["lr"],
        "first": lambda: refreshes(row, spec, hparams)[0],
        "every": lambda: refreshes(row, spec, hparams)[1],
        "projection epochs": lambda: hparams.projection or 1,
    }
    return derived[key]() if key in derived else getattr(hparams, key)


def refreshes(row: dict[str, Any], spec: RunSpec, hparams: Any) -> tuple[int, int]:
    """Return BoDA's first step and interval on the data set's own counts."""
    import torch

    facts = registry_facts(row["dataset"])
    counts = torch.tensor([[part[0]] for part in facts.counts.values()])
    info = TrainInfo(
        counts, facts.domains, ("all",), 100, 20, steps=spec.protocol.steps,
        batch_per_domain=spec.protocol.batch_per_domain, image_shape=(3, 8, 8),
    )  # fmt: skip
    return schedule(info, hparams.start, hparams.update)


def name_of(row: dict[str, Any]) -> str:
    return "-".join([row.get("dataset", row["protocol"]), row["method"], row["setting"]])


@pytest.mark.parametrize("row", TABLE["setting"], ids=name_of)
def test_a_run_has_the_published_setting(
    row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert had(row, planned(row, monkeypatch)) == pytest.approx(row["value"])


@pytest.mark.parametrize("row", TABLE["mode"], ids=lambda row: row["typed"])
def test_every_mode_can_be_typed(row: dict[str, Any]) -> None:
    ((name,),) = parse_chains(row["typed"])
    kind = "stages" if name.name == "weight-balancing" else "algorithms"
    _, hparams = resolve(kind, name.name, name.options)
    assert set(hparams.changed()) == set(name.options)


def test_every_source_is_a_place() -> None:
    for row in [*TABLE["setting"], *TABLE["mode"], *TABLE["difference"]]:
        repository = row["source"].partition(" ")[0]
        assert repository in TABLE["repositories"] or "arXiv:" in row["source"], row


def test_the_page_is_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/docs/authors_settings.py"
