"""``ltbench data`` as a user sees it: what is printed, which code it leaves with."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from matplotlib import font_manager
from PIL import Image

from ltbench.cli.data import data
from ltbench.cli.main import cli
from ltbench.plugins.facts import Facts, registry_facts


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LTBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def ltbench(*arguments: str, code: int = 0) -> Result:
    if "data" not in cli.commands:
        cli.add_command(data)
    result = CliRunner().invoke(cli, ["data", *arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def moths(tmp_path: Path) -> Path:
    for label in ("moth", "wasp"):
        for i in range(8):
            path = tmp_path / "moths" / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((20, 20, 3), i * 9, np.uint8)).save(path)
    return tmp_path / "moths"


def test_every_registered_data_set_is_listed() -> None:
    rows = {row["name"]: row["state"] for row in json.loads(ltbench("list", "--json").stdout)}
    assert rows["digits-mini-mlt"] == "ready"
    for name in (
        "vlcs-mlt", "pacs-mlt", "officehome-mlt", "terrainc-mlt", "domainnet-mlt", "digits-mlt",
        "cifar10-lt", "cifar100-lt", "imagenet-lt", "image-folder", "places-lt",
        "inat2018", "iwildcam", "hf", "webdataset", "bioscan5m",
    ):  # fmt: skip
        assert rows[name] == "not ready"
    assert "fashion-mlt" in rows  # ready where Debian's package is
    assert "not ready" in ltbench("list").stdout


@pytest.mark.parametrize("folder", ["2024_05", "007", "1e3", "0.10"])
def test_a_folder_may_be_called_by_a_number(moths: Path, folder: str) -> None:
    moths.rename(moths.with_name(folder))
    assert "moth" in ltbench("info", f"image-folder[root={folder},size=16,val=1,test=1]").stdout


@pytest.mark.parametrize(
    ("name", "protocols"),
    [
        ("pacs-mlt", ["mdlt", "domainbed"]),
        ("domainnet-mlt", ["mdlt", "domainbed"]),
        ("cifar100-lt", ["cifar-lt", "cifar-lt-cosine", "thesis"]),
        ("imagenet-lt", ["imagenet-lt", "mdlt"]),
        ("places-lt", ["places-lt", "mdlt"]),
        ("inat2018", ["inat2018", "mdlt"]),
        ("iwildcam", ["wilds", "mdlt"]),
        ("digits-mlt", ["mdlt"]),
    ],
)
def test_info_of_what_is_not_there(name: str, protocols: list[str], tmp_path: Path) -> None:
    found = json.loads(ltbench("info", name, "--json").stdout)
    assert list(found["protocols"]) == protocols
    assert Path(found["folder"]).is_relative_to(tmp_path / "data")
    assert f"folder     {found['folder']}" in ltbench("info", name).stdout
    assert found["missing"]
    assert found["licence"]
    assert found["citation"]
    text = ltbench("info", name).stdout
    for part in ("not ready", "Expected images", "shots      many >", f"protocol   {protocols[0]}"):
        assert part in text


def test_info_of_what_is_there() -> None:
    found = json.loads(ltbench("info", "digits-mini-mlt", "--json").stdout)
    assert found["counts"]["optdigits"] == [244, 250, 500]
    assert "folder" not in found
    assert found["pairs"] == {"many": 7, "medium": 9, "few": 12, "zero": 2}
    assert found["split"].startswith("c49a0a39")


def test_prepare_verify_and_cache(moths: Path) -> None:
    name = f"image-folder[root={moths},size=16,val=1,test=1]"
    assert "16 images decoded in" in ltbench("prepare", name).stdout
    assert "no difference" in ltbench("verify", name, "--images").stdout
    (entry,) = json.loads(ltbench("cache", "list", "--json").stdout)
    assert (entry["dataset"], entry["finished"]) == ("image-folder", True)
    assert "1 in" in ltbench("cache", "list").stdout
    assert "say what to remove" in ltbench("cache", "clear", code=2).output
    assert "no images of 'moths' are cached" in ltbench("cache", "clear", "moths", code=2).output
    assert "Removed 1" in ltbench("cache", "clear", "image-folder").stdout
    assert "0 in" in ltbench("cache", "list").stdout


def test_verify_names_broken_images(moths: Path) -> None:
    (moths / "moth" / "3.png").write_bytes(b"")
    name = f"image-folder[root={moths}]"
    found = json.loads(ltbench("verify", name, "--images", "--json", code=1).stdout)
    (difference,) = found["differences"]
    assert "3.png cannot be read: it is empty" in difference
    assert "3.png cannot be read: it is empty" in ltbench("prepare", name, code=2).output


def test_plots(moths: Path, tmp_path: Path) -> None:
    name = f"image-folder[root={moths}]"
    ltbench("plot", name)
    assert (tmp_path / "image-folder.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "image-folder.svg").read_text()[:500]
    ltbench("plot", "digits-mini-mlt", "-o", "deep/tail.svg")
    drawn = (tmp_path / "deep" / "tail.svg").read_text()
    assert "optdigits" in drawn
    ltbench("plot", "digits-mini-mlt", "-o", "again.svg")
    assert (tmp_path / "again.svg").read_text() == drawn
    assert "does not say a format" in ltbench("plot", name, "-o", "tail.jpg", code=2).output


def test_plots_of_names_that_no_font_has_come_with_a_csv_that_says_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in ("猫", "狗", "wasp"):
        for i in range(8):
            path = tmp_path / "animals" / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((20, 20, 3), i * 9, np.uint8)).save(path)
    known = [f for f in font_manager.fontManager.ttflist if f.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    found = ltbench("plot", f"image-folder[root={tmp_path / 'animals'}]", "-o", "tail.png")
    assert "Glyph" not in found.output
    rows = csv.DictReader((tmp_path / "tail.csv").read_text(encoding="utf-8").splitlines())
    classes = sorted(("猫", "狗", "wasp"))
    assert {row["class"]: row["class_drawn"] for row in rows} == {
        name: name if name == "wasp" else f"c{classes.index(name)}" for name in classes
    }


@pytest.mark.parametrize("command", ["info", "prepare", "verify", "plot"])
def test_wrong_names(command: str) -> None:
    assert "did you mean 'pacs-mlt'" in ltbench(command, "pacs", code=2).output
    assert "did you mean 'data_seed'" in ltbench(command, "pacs-mlt[dataseed=1]", code=2).output
    if command not in ("info", "prepare"):
        assert "ltbench data prepare pacs-mlt" in ltbench(command, "pacs-mlt", code=2).output


def test_prepare_without_a_network_says_where_to_put_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    def unreachable(name: str) -> Facts:
        facts = registry_facts(name)
        gone = tuple({**s, "urls": ["http://127.0.0.1:9/x"]} for s in facts.sources)
        return dataclasses.replace(facts, sources=gone)

    monkeypatch.setattr("ltbench.plugins.dataset.registry_facts", unreachable)
    result = ltbench("prepare", "cifar100-lt", code=2)
    place = tmp_path / "data" / "cifar-100-python.tar.gz"
    assert f"put it at {place}" in result.output.replace("\n", " ")


def test_info_says_why_a_folder_cannot_be_read(tmp_path):
    from PIL import Image

    for place in ("x", "deep/er/y"):
        (tmp_path / place).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8)).save(tmp_path / place / f"{i}.png")
    name = f"image-folder[root={tmp_path}]"
    said = ltbench("info", name, code=2).output
    assert "depth" in said
    assert said == ltbench("verify", name, code=2).output


def test_info_names_what_a_table_promises_and_is_not_there(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(12):
            Image.new("RGB", (8, 8)).save(tmp_path / label / f"{i}.png")
    rows = [f"{label}/{i}.png,{label}" for label in "ab" for i in range(12)]
    table = tmp_path / "x.csv"
    table.write_text("\n".join(["path,label", *rows, "a/99.png,a"]) + "\n")
    done = CliRunner().invoke(data, ["info", f"image-folder[root={table}]"])
    assert done.exit_code == 0
    assert "99.png is missing" in done.output
