"""Data sets of the hub: what lies in its cache, whole or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hf_folders import opened, rows, written
from huggingface_hub.utils import filter_repo_objects
from ltbench_datasets.hf import _IMAGES

from ltbench.api import IMAGE_SUFFIXES, is_image
from ltbench.data.catalogue import create_dataset
from ltbench.errors import DataError
from ltbench.plugins.names import parse_name


def test_a_name_of_the_hub_is_what_lies_in_its_cache(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    cause = create_dataset(parse_name("hf[path=butterflies/moths]"), data_dir).missing() or ""
    assert "neither a folder nor in the hub's cache" in cause
    repository = cache / "datasets--butterflies--moths"
    written(repository / "snapshots" / "0123abc", "hub")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    dataset, split = opened("hf[path=butterflies/moths]", data_dir)
    assert len(split) == 32
    assert dataset.root == repository / "snapshots" / "0123abc"
    assert dataset.hparams.places()["path"] == "butterflies/moths"  # no part of a run's identity


def test_a_download_that_broke_off_is_seen_and_goes_on(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    root, asked = tmp_path / "snapshot", []
    written(root, "hub")
    away = root / "data" / "train-00001-of-00002.parquet"
    away.rename(tmp_path / away.name)

    def download(name: str, *, local_files_only: bool, **_: object) -> str:
        asked.append(local_files_only)
        if not local_files_only:
            (tmp_path / away.name).rename(away)
        return str(root)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    dataset = create_dataset(parse_name("hf[path=butterflies/moths]"), data_dir)
    with pytest.raises(DataError, match="holds 1 of the 2 files of 'train', and train-00001-of-"):
        dataset.split()
    dataset.prepare(lambda _: None)
    assert asked == [True, False]
    assert dataset.split().counts("train").tolist() == [[9, 5, 3]]


def test_a_folder_that_lacks_some_of_its_files(tmp_path: Path, data_dir: Path) -> None:
    for number in (0, 2):  # older names have a hash behind the numbers
        rows((3, 3, 3)).to_parquet(tmp_path / f"train-{number:05d}-of-00003-0a1b.parquet")
    with pytest.raises(DataError, match=r"2 of the 3 files of 'train', and train-00001-of-00003"):
        opened(f"hf[path={tmp_path}]", data_dir)


def test_every_kind_of_image_is_downloaded() -> None:
    names = [f"a/b{i}.{s}" for i, s in enumerate(IMAGE_SUFFIXES)]
    names += [name.upper() for name in names] + [name.title() for name in names]
    assert all(is_image(name) for name in names)
    kept = filter_repo_objects([*names, "a/b.zip", "a/b.jpg.txt"], allow_patterns=[*_IMAGES])
    assert list(kept) == names
