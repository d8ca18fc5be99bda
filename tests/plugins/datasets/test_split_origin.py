"""Which split is used, the official one or another, is said wherever runs are spoken of."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from published import plant, write_archive, write_official

from ltbench.api import Dataset
from ltbench.cli.show import show
from ltbench.data.catalogue import create_dataset
from ltbench.errors import DataError
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.names import Name
from ltbench.report.selection import split_tables
from ltbench.results.frame import load_runs
from ltbench.session.session import Session

WITH_OFFICIAL = {
    "vlcs-mlt": ("VLCS", "VLCS.csv"),
    "pacs-mlt": ("PACS", "PACS.csv"),
    "officehome-mlt": ("office_home", "OfficeHome.csv"),
    "terrainc-mlt": ("terra_incognita", "TerraIncognita.csv"),
    "domainnet-mlt": ("domain_net", "DomainNet.csv"),
}
BENCHMARK = (
    "https://raw.githubusercontent.com/YyzHarry/multi-domain-imbalance/main/mdlt/dataset/split/"
)


def planted(name: str, data_dir: Path, write_image: Callable) -> Path:
    """Put images by hand, more of the first pairs than is held out, without the split file."""
    root = data_dir / WITH_OFFICIAL[name][0]
    facts = registry_facts(name)
    plant(name, root, write_image, {})
    for label in facts.classes[:2]:
        for i in range(sum(facts.details["split"].values()) + 4):
            write_image(root / facts.domains[0] / label / f"more{i}.jpg")
    return root


@pytest.mark.parametrize("name", WITH_OFFICIAL)
def test_a_missing_official_file_is_named_with_where_to_get_it_and_where_to_put_it(
    name: str, data_dir: Path, write_image: Callable, ltbench: Callable
) -> None:
    folder, file = WITH_OFFICIAL[name]
    plant(name, data_dir / folder, write_image, {})
    wanted = (
        f"split by rule: not the official one, as {file} is not there: type 'ltbench data prepare "
        f"{name}', or get it at {BENCHMARK}{file} and put it at {data_dir / folder / file}"
    )
    assert wanted in " ".join(ltbench("info", name).stdout.split())
    assert json.loads(ltbench("info", name, "--json").stdout)["split_origin"]["words"] == (
        "split by rule"
    )
    verified = ltbench("verify", name, code=1).stdout  # the counts are of the official split
    assert wanted in " ".join(verified.split())
    assert "images, split by rule, " in verified
    found = json.loads(ltbench("verify", name, "--json", code=1).stdout)["split_origin"]
    assert f"{found['words']}: {found['detail']}".startswith(wanted)


def test_the_list_of_duplicates_is_missed_too(data_dir: Path, write_image: Callable) -> None:
    plant("domainnet-mlt", data_dir / "domain_net", write_image, {})
    dataset = create_dataset(Name("domainnet-mlt"), data_dir)
    assert "; and domain_net_duplicates.txt is not there" in str(
        dataset.split_origin(dataset.split())
    )


def official_pacs(mirror: Any, data_dir: Path, write_image: Callable) -> None:
    """Let the registry have the checksum of a split file of the images that are there."""
    images = plant("pacs-mlt", data_dir / "PACS", write_image, {})
    facts = registry_facts("pacs-mlt")
    write_official(mirror.folder / "PACS.csv", facts, images)
    mirror.stand_for("pacs-mlt", counts={})


def test_prepare_fetches_it_beside_images_that_were_put_there_by_hand(
    mirror: Any, data_dir: Path, write_image: Callable, ltbench: Callable
) -> None:
    official_pacs(mirror, data_dir, write_image)
    by_rule = create_dataset(Name("pacs-mlt"), data_dir).split().sha256
    result = ltbench("prepare", "pacs-mlt", "--no-decode")
    said = f"official split: {data_dir / 'PACS' / 'PACS.csv'}"
    assert said in " ".join(result.stderr.split())
    assert create_dataset(Name("pacs-mlt"), data_dir).split().sha256 != by_rule
    assert f"split      {said}" in ltbench("info", "pacs-mlt").stdout
    verified = ltbench("verify", "pacs-mlt").stdout
    assert said in verified
    assert "60 images, official split, no difference" in verified


def test_another_file_of_that_name_is_not_the_official_one(
    data_dir: Path, write_image: Callable
) -> None:
    images = plant("pacs-mlt", data_dir / "PACS", write_image, {})
    write_official(data_dir / "PACS" / "PACS.csv", registry_facts("pacs-mlt"), images)
    dataset = create_dataset(Name("pacs-mlt"), data_dir)
    origin = dataset.split_origin(dataset.split())
    assert origin is not None
    assert origin.words == "split of another PACS.csv"
    assert "has the sha256" in origin.detail


def planned(name: str, data_dir: Path, tmp_path: Path) -> tuple[list[str], Any]:
    said: list[str] = []
    session = Session(out=tmp_path / "runs", data_dir=data_dir, device="cpu", quiet=True,
                      say=said.append)  # fmt: skip
    plan = session.plan(["erm"], [name], [0], pretrained=False, backbone="resnet32")
    return said, plan


@pytest.mark.parametrize("official", [True, False])
def test_run_result_and_heading_say_it(
    *, official: bool, mirror: Any, data_dir: Path, tmp_path: Path, write_image: Callable,
    train: Callable,
) -> None:  # fmt: skip
    if official:
        official_pacs(mirror, data_dir, write_image)
        (mirror.folder / "PACS.csv").rename(data_dir / "PACS.csv")
    else:
        planted("pacs-mlt", data_dir, write_image)
    words = "official split" if official else "split by rule"
    said, plan = planned("pacs-mlt", data_dir, tmp_path)
    (line,) = [line for line in said if line.startswith("pacs-mlt: ")]
    assert line.startswith(f"pacs-mlt: {words}: ")
    assert plan.specs[0].data["split"] == words
    assert "official" not in json.dumps(plan.specs[0].identity())  # hashes are what they were
    assert train("pacs-mlt")["split"] == words
    runs = load_runs(tmp_path / "runs")
    (table,) = split_tables(runs)
    assert table.heading.endswith(f", {words}")
    shown = CliRunner().invoke(show, [runs.table["path"].iloc[0]]).stdout
    assert f"split      {words}, {plan.specs[0].split[:12]}" in shown
    # Older versions did not write it, and nobody knows.
    spec = Path(runs.table["path"].iloc[0]) / "spec.json"
    document = json.loads(spec.read_text())
    del document["data"]["split"]
    spec.write_text(json.dumps(document))
    (table,) = split_tables(load_runs(tmp_path / "runs"))
    assert words not in table.heading


def test_the_lists_of_imagenet_are_official(data_dir: Path) -> None:
    root = data_dir / "ImageNet"
    (root / "train").mkdir(parents=True)
    for part in ("train", "val", "test"):
        (root / f"ImageNet_LT_{part}.txt").write_text(f"{part}/n01440764/a.JPEG 0\n")
    dataset = create_dataset(Name("imagenet-lt"), data_dir)
    assert str(dataset.split_origin(dataset.split())) == f"official split: the lists in {root}"
    digest = {"size": 3, "sha256": "0" * 64, "from": ""}
    lock = root / "sources.lock.json"
    lock.write_text(json.dumps({"files": {"ImageNet_LT_train.txt": digest}}))
    origin = dataset.split_origin(dataset.split())
    assert origin is not None
    assert origin.words == "split of other lists"
    assert "bytes instead of 3" in origin.detail


def test_missing_lists_of_imagenet_are_named_with_where_to_get_them(data_dir: Path) -> None:
    (data_dir / "ImageNet" / "train").mkdir(parents=True)
    cause = create_dataset(Name("imagenet-lt"), data_dir).missing() or ""
    for source in registry_facts("imagenet-lt").sources:
        assert f"{source['file']} ({source['urls'][0]})" in cause
    assert f"by hand into {data_dir / 'ImageNet'}" in cause


def test_where_there_is_one_way_to_split_nothing_is_said(data_dir: Path, tmp_path: Path) -> None:
    said, plan = planned("digits-mini-mlt", data_dir, tmp_path)
    assert not any("split" in line for line in said)
    assert "split" not in plan.specs[0].data


def lists_of(facts: Any) -> list[str]:
    layout = facts.details.get("layout", {})
    keys = ("official", "leave_out", "train", "val", "test")
    return [layout[key] for key in keys if isinstance(layout.get(key), str)]


def test_each_list_that_decides_on_a_split_has_a_source() -> None:
    names = [path.stem for path in Path(str(resources.files("datasets_registry"))).glob("*.toml")]
    lists = {name: lists_of(registry_facts(name)) for name in names}
    assert sum(map(len, lists.values())) == 5 + 1 + 3 + 3 + 2
    for name, files in lists.items():
        urls = {s["file"]: s.get("urls") for s in registry_facts(name).sources}
        assert all(urls.get(file) for file in files), name


@pytest.mark.parametrize("name", WITH_OFFICIAL)
def test_a_list_without_a_source_is_not_passed_over_in_silence(
    name: str, data_dir: Path, write_image: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = WITH_OFFICIAL[name]
    plant(name, data_dir / folder, write_image, {})
    facts = dataclasses.replace(registry_facts(name), sources=())
    monkeypatch.setattr("ltbench.plugins.dataset.registry_facts", lambda _: facts)
    lines: list[str] = []
    dataset: Dataset = create_dataset(Name(name), data_dir)
    dataset.prepare(lines.append)
    assert lines[0] == (
        f"{file} cannot be downloaded: no address is known, so put it at "
        f"{data_dir / folder / file} by hand; until then the split is made without it"
    )


def test_an_archive_that_holds_nothing_is_an_error(mirror: Any, data_dir: Path, work: Path) -> None:
    write_archive(mirror.folder / "PACS.zip", work, [])
    mirror.stand_for("pacs-mlt")
    with pytest.raises(DataError, match=r"PACS\.zip holds no files"):
        create_dataset(Name("pacs-mlt"), data_dir).prepare(lambda _: None)


def test_a_folder_that_an_archive_lacks_is_named(
    mirror: Any, data_dir: Path, work: Path, write_image: Callable
) -> None:
    plant("pacs-mlt", work / "elsewhere", write_image, {})
    write_archive(mirror.folder / "PACS.zip", work, ["elsewhere"])
    mirror.stand_for("pacs-mlt")
    lines: list[str] = []
    create_dataset(Name("pacs-mlt"), data_dir).prepare(lines.append)
    assert "PACS.zip holds no folder 'kfold', which 'PACS' would be" in lines


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
