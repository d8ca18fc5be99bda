"""One rule says which pairs are many-, medium-, few- and zero-shot, and everything asks it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from ltbench_figures.distribution import counts_frame

from ltbench.api import Facts, ShotRule, TrainInfo
from ltbench.cli.data import data
from ltbench.data.splits import class_sizes
from ltbench.errors import DataError
from ltbench.plugins.facts import registry_facts

LONG_TAILED = (
    *("cifar10-lt", "cifar100-lt", "imagenet-lt", "places-lt", "inat2018", "iwildcam", "bioscan5m"),
)
MULTI_DOMAIN = (
    *("vlcs-mlt", "pacs-mlt", "officehome-mlt", "terrainc-mlt", "domainnet-mlt"),
    *("digits-mlt", "digits-mini-mlt", "fashion-mlt", "image-folder", "hf", "webdataset"),
)


def test_cifar100_of_ratio_100_has_35_35_and_30_classes() -> None:
    """The counts that the literature prints; the class of 20 images is medium-shot."""
    sizes = class_sizes("exp", 500, 1 / 100, 100)
    assert 20 in sizes
    buckets = registry_facts("cifar100-lt").shots.buckets(sizes)
    assert {name: int(mask.sum()) for name, mask in buckets.items()} == {
        "many": 35, "medium": 35, "few": 30, "zero": 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", LONG_TAILED)
def test_few_shot_is_fewer_than_20_on_one_domain(name: str) -> None:
    rule = registry_facts(name).shots
    assert [rule.shot(n) for n in (0, 1, 19, 20, 100, 101)] == [
        "zero", "few", "few", "medium", "medium", "many",
    ]  # fmt: skip
    assert rule.words == "many > 100, few < 20"


@pytest.mark.parametrize("name", MULTI_DOMAIN)
def test_few_shot_includes_the_limit_on_several_domains(name: str) -> None:
    facts = registry_facts(name)
    few, many = facts.few, facts.many
    shots = [facts.shots.shot(n) for n in (0, few, few + 1, many, many + 1)]
    assert shots == ["zero", "few", "medium", "medium", "many"]
    assert facts.shots.words == f"many > {many}, few ≤ {few}"


@pytest.mark.parametrize("many_inclusive", [False, True])
@pytest.mark.parametrize("few_inclusive", [False, True])
def test_masks_and_single_numbers_agree(*, many_inclusive: bool, few_inclusive: bool) -> None:
    rule = ShotRule(6, 3, many_inclusive, few_inclusive)
    n = np.arange(12).reshape(3, 4)
    buckets = rule.buckets(n)
    assert np.array_equal(sum(mask.astype(int) for mask in buckets.values()), np.ones((3, 4)))
    for name, mask in buckets.items():
        assert all(rule.shot(number) == name for number in n[mask])
    assert buckets["many"].sum() == 5 + many_inclusive
    assert buckets["few"].sum() == 2 + few_inclusive
    assert ShotRule.from_dict(rule.as_dict()) == rule


def facts_of(tmp_path: Path, shots: str) -> Facts:
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "Mine"\ndomains = ["a"]\nclasses = 3\n[image]\nsize = 8\n'
        f"[shots]\n{shots}\n[protocols.p]\nsteps = 1\n"
    )
    return Facts.from_toml(path)


def test_facts_say_the_rule(tmp_path: Path) -> None:
    plain = facts_of(tmp_path, "many = 9\nfew = 3")
    assert plain.shots == ShotRule(9, 3)
    own = facts_of(tmp_path, "many = 9\nfew = 3\nmany_inclusive = true\nfew_inclusive = false")
    assert own.shots == ShotRule(9, 3, many_inclusive=True, few_inclusive=False)
    assert own.shots.words == "many ≥ 9, few < 3"
    with pytest.raises(DataError, match="'few_inclusive' is 1, neither true nor false"):
        facts_of(tmp_path, "many = 9\nfew = 3\nfew_inclusive = 1")


def test_algorithms_know_the_rule() -> None:
    import torch

    counts = torch.tensor([[20, 19]])
    info = TrainInfo(counts, ("a",), ("0", "1"), 100, 20, 1, 1, (3, 8, 8), few_inclusive=False)
    few = info.shots.buckets(info.counts.numpy())["few"]
    assert few.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("name", "words"), [("cifar100-lt", "few < 20"), ("terrainc-mlt", "few ≤ 25")]
)
def test_data_info_prints_the_rule(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTBENCH_DATA", str(tmp_path))
    said = CliRunner().invoke(data, ["info", name]).stdout
    assert f"shots      many > 100, {words} training images of a pair" in said
    shots = json.loads(CliRunner().invoke(data, ["info", name, "--json"]).stdout)["shots"]
    assert shots["few_inclusive"] == ("≤" in words)


def test_the_figure_of_the_distribution_asks_the_rule() -> None:
    counts = {part: np.array([[101, 100, 20, 19, 0]]) for part in ("train", "val", "test")}
    facts = {"domains": ["a"], "classes": list("01234"), "counts": counts}
    rules = (ShotRule(100, 20), ShotRule(100, 20, few_inclusive=False))
    of_20 = []
    for rule in rules:
        frame = counts_frame({**facts, "shots": rule.as_dict()})
        assert frame["shots"].tolist() == [rule.shot(n) for n in (101, 100, 20, 19, 0)]
        of_20.append(frame["shots"][2])
    assert of_20 == ["few", "medium"]
