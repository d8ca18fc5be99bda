from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.errors import DataError
from ltbench.plugins.names import Name

SYNSETS = ["n01440764", "n01443537", "n01484850"]


def plant(root: Path, write_image: Callable, *, flat: bool, listed_flat: bool) -> None:
    """Write images and lists; the validation images lie flat or in class folders."""
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for c, synset in enumerate(SYNSETS):
        for i in range(7 - 2 * c):
            name = f"train/{synset}/{synset}_{i}.JPEG"
            write_image(root / name)
            lists["val" if i == 0 else "train"].append(f"{name} {c}")
        for i in range(2):
            file = f"ILSVRC2012_val_{c:04d}{i:04d}.JPEG"
            write_image(root / "val" / ("" if flat else synset) / file)
            lists["test"].append(f"val/{'' if listed_flat else f'{synset}/'}{file} {c}")
    for part, lines in lists.items():
        (root / f"ImageNet_LT_{part}.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("listed_flat", [True, False])
def test_lists(flat: bool, listed_flat: bool, data_dir: Path, write_image: Callable) -> None:
    plant(data_dir / "imagenet", write_image, flat=flat, listed_flat=listed_flat)
    dataset, split = open_dataset(Name("imagenet-lt"), data_dir)
    assert dataset.facts.classes[:3] == tuple(SYNSETS)
    assert len(dataset.facts.classes) == 1000
    assert split.counts("train")[0, :4].tolist() == [6, 4, 2, 0]
    assert split.counts("test")[0, :4].tolist() == [2, 2, 2, 0]
    decode = dataset.decoder(split)
    assert all(decode(i).shape == (24, 30, 3) for i in range(len(split)))
    assert dataset.fingerprint(split)


def test_three_steps(data_dir: Path, write_image: Callable, train: Callable) -> None:
    plant(data_dir / "ImageNet_LT", write_image, flat=True, listed_flat=True)
    result = train("imagenet-lt", "bsoftmax")
    assert len(result["confusion"]["imagenet"]) == 1000


def test_what_has_to_be_done_by_hand(data_dir: Path, write_image: Callable) -> None:
    dataset = create_dataset(Name("imagenet-lt"), data_dir)
    with pytest.raises(DataError, match=r"image-net\.org, and put its training images at"):
        dataset.prepare(print)
    write_image(data_dir / "imagenet" / "train" / SYNSETS[0] / "a.JPEG")
    cause = create_dataset(Name("imagenet-lt"), data_dir).missing() or ""
    assert f"into {data_dir / 'imagenet'}" in cause


@pytest.mark.parametrize(
    "line",
    ["train/a.JPEG", "train/a.JPEG x", "../a.JPEG 0", "/a.JPEG 0", "5", "a.JPEG ²", "a\0.JPEG 1"],
)
def test_lines_that_do_not_fit(line: str, data_dir: Path, write_image: Callable) -> None:
    plant(data_dir, write_image, flat=True, listed_flat=True)
    with (data_dir / "ImageNet_LT_test.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"ImageNet_LT_test\.txt, line 7"):
        create_dataset(Name("imagenet-lt"), data_dir).split()
    plant(data_dir, write_image, flat=True, listed_flat=True)
    (data_dir / "ImageNet_LT_val.txt").write_text("train/a.JPEG 1000\n")
    with pytest.raises(DataError, match="names the class 1000 of 1000"):
        create_dataset(Name("imagenet-lt"), data_dir).split()


def test_a_list_that_is_no_text_is_a_sentence(data_dir: Path, write_image: Callable) -> None:
    plant(data_dir, write_image, flat=True, listed_flat=True)
    (data_dir / "ImageNet_LT_train.txt").write_bytes(b"train/\xff.JPEG 1\n")
    with pytest.raises(DataError, match=r"the list .*ImageNet_LT_train\.txt cannot be read"):
        create_dataset(Name("imagenet-lt"), data_dir).split()
