"""Folders that may be parts, that systems make, or that hold nothing that is read: all is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from ltbench.cli.run import run as run_command
from ltbench.data.catalogue import create_dataset
from ltbench.data.image_files import is_image
from ltbench.errors import DataError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.names import Name


def folder(root: Path, **options: object) -> Dataset:
    return create_dataset(Name("image-folder", {"root": str(root), **options}), root)


def plant(write_image: Callable, root: Path, *places: str, images: int = 6) -> None:
    for place in places:
        for i in range(images):
            write_image(root / place / f"{i}.jpg")


def remarks(root: Path) -> list[str]:
    dataset = folder(root)
    return dataset.remarks(dataset.split())


OFFICIAL = ("train/x", "train/y", "test/x", "test/y")


@pytest.mark.parametrize(
    "places",
    [
        (*OFFICIAL, "extra/x"),
        (*OFFICIAL, "dev/x", "dev/y"),
        (*OFFICIAL, "eval/x"),
        (*OFFICIAL, "Thumbs/x"),
        (*OFFICIAL, "extra"),
        (*OFFICIAL, "unlabelled/all"),
        ("train/x", "train/y", "dev/x", "dev/y"),
        ("train/x", "train/y", "extra/x"),
        ("photo/x", "photo/y", "test/x"),
        ("dev/x", "dev/y", "eval/x", "eval/y"),
        ("train2017/x", "train2017/y", "val2017/x", "val2017/y"),
        ("training_set/x", "training_set/y", "test_set/x", "test_set/y"),
        ("train/x", "train/y", "Train/x", "Train/y"),
        ("trainA/x", "trainB/y", "testA/x", "testB/y"),
        ("PublicTest/x", "PublicTest/y", "PrivateTest/x"),
        ("train", "test", "dev"),
        ("train/day/x", "train/day/y", "test/day/x", "extra/day/x"),
    ],
    ids=" ".join,
)
def test_parts_beside_others_are_refused(
    places: tuple[str, ...], tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path, *places)
    with pytest.raises(DataError, match="cannot be told whether these are parts or") as error:
        folder(tmp_path).split()
    for top in {place.partition("/")[0] for place in places}:
        assert f"{top}/" in str(error.value)


@pytest.mark.parametrize("empty", ["test", "test/x", "val"])
def test_a_part_without_images_makes_the_other_no_domain(
    empty: str, tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path, "train/x", "train/y")
    (tmp_path / empty).mkdir(parents=True, exist_ok=True)
    if empty == "test/x":
        (tmp_path / empty / "1.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"(test|val) holds no image that can be read: put the"):
        folder(tmp_path).split()


def test_a_part_without_images_beside_two_others_is_remarked(
    tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path, *OFFICIAL)
    before = folder(tmp_path).split().sha256
    (tmp_path / "val").mkdir()
    assert folder(tmp_path).split().sha256 == before
    (line,) = remarks(tmp_path)
    assert "'val' (empty)" in line


@pytest.mark.parametrize(
    "places",
    [
        ("x/train", "x/test", "y/train", "y/test"),
        ("day/train", "day/val", "night/train", "night/val"),
        ("x/train", "x/dev", "y/train", "y/dev"),
    ],
    ids=" ".join,
)
def test_parts_below_classes_are_refused(
    places: tuple[str, ...], tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path, *places)
    with pytest.raises(DataError, match="where classes should be"):
        folder(tmp_path).split()


def test_a_name_that_may_be_meant_otherwise_is_remarked(
    tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path / "a", "car", "bus", "train")
    assert folder(tmp_path / "a").facts.classes == ("bus", "car", "train")
    assert remarks(tmp_path / "a") == [f"{tmp_path}/a/train is read as a class"]
    plant(write_image, tmp_path / "b", "day/car", "day/train", "night/car")
    assert remarks(tmp_path / "b") == ["'train' is read as a class"]
    plant(write_image, tmp_path / "c", "train/car", "train/bus")
    (line,) = remarks(tmp_path / "c")
    assert line.endswith("train is read as a domain, as no other part lies beside it")
    plant(write_image, tmp_path / "d", *OFFICIAL)
    assert remarks(tmp_path / "d") == []


@pytest.mark.parametrize("layout", ["", "day/", "train/"])
@pytest.mark.parametrize(
    "name",
    ["#recycle", "@eaDir", "$RECYCLE.BIN", "__MACOSX", "lost+found", "System Volume Information"],
)
def test_folders_that_systems_make_are_left_out(
    name: str, layout: str, tmp_path: Path, write_image: Callable
) -> None:
    tops = {"": ("x", "y"), "day/": ("day/x", "day/y", "night/x"), "train/": OFFICIAL}[layout]
    plant(write_image, tmp_path, *tops)
    before = folder(tmp_path).split(), folder(tmp_path).facts
    for place in (name, f"{layout}{name}", f"{tops[0]}/{name}", f"{name}/x", f"{name}/train/x"):
        plant(write_image, tmp_path, place, images=2)
    # As a NAS keeps small copies: in a folder of the image's name.
    plant(write_image, tmp_path, f"{tops[0]}/{name}/IMG_1.jpg", images=1)
    after = folder(tmp_path)
    assert after.split().sha256 == before[0].sha256
    assert (after.facts.domains, after.facts.classes) == (before[1].domains, before[1].classes)
    (line,) = remarks(tmp_path)
    assert f"'{name}' are left out" in line


def test_a_class_of_photographs_that_cannot_be_read_is_named(
    tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path, "x", "y")
    for name in ("newt/1.HEIC", "newt/2.heic", "frog/1.CR2", "x/3.svg", "toad/noname"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    said = "\n".join(remarks(tmp_path))
    assert "2 files end in .heic, which cannot be read" in said
    assert "1 file ends in .cr2, which cannot be read, and is passed over (frog/1.CR2)" in said
    assert "1 file ends in .svg" in said
    assert "3 folders hold no image that can be read" in said
    assert "'frog' (1 .cr2), 'newt' (2 .heic), 'toad' (1 without a suffix)" in said


def dry_run(root: Path) -> Result:
    command = ["--algo", "erm", "--dataset", f"image-folder[root={root},size=28]"]
    command += ["--out", str(root / ".runs"), "--backbone", "digits-cnn", "--no-pretrained"]
    return CliRunner().invoke(run_command, [*command, "--steps", "2", "--seeds", "1", "--dry-run"])


def test_run_says_it_before_training(
    tmp_path: Path, write_image: Callable, ltbench: Callable
) -> None:
    plant(write_image, tmp_path, "x", "y", "@eaDir/x")
    (tmp_path / "newt").mkdir()
    (tmp_path / "newt" / "1.heic").write_bytes(b"x")
    name = f"image-folder[root={tmp_path}]"
    for said in (
        dry_run(tmp_path).stderr,
        ltbench("info", name).stdout,
        ltbench("info", name, "--json").stdout,
        ltbench("verify", name, code=1).stdout,
        ltbench("prepare", name, "--no-decode").stderr,
    ):
        assert "1 file ends in .heic" in said
        assert "'newt' (1 .heic)" in said
        assert "'@eaDir' is left out" in said
    plant(write_image, tmp_path, *OFFICIAL)
    assert "whether these are parts or" in str(dry_run(tmp_path).exception)


def test_avif_is_read_where_pillow_reads_it(tmp_path: Path, write_image: Callable) -> None:
    Image.init()
    if "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow has no AVIF")
    assert is_image("a.avif")
    plant(write_image, tmp_path, "x", "y")
    Image.new("RGB", (16, 16), (200, 30, 40)).save(tmp_path / "x" / "new.avif")
    dataset = folder(tmp_path)
    split = dataset.split()
    (row,) = [i for i, name in enumerate(split.images) if name.endswith("avif")]
    assert abs(int(dataset.decoder(split)(row)[8, 8, 0]) - 200) < 9
    assert dataset.remarks(split) == []


def test_verify_looks_at_every_file_and_through_links(
    tmp_path: Path, write_image: Callable, ltbench: Callable
) -> None:
    plant(write_image, tmp_path, "x", "y")
    (tmp_path / "x" / "dead.jpg").symlink_to("gone.jpg")
    os.mkfifo(tmp_path / "y" / "pipe.jpg")
    said = ltbench("verify", f"image-folder[root={tmp_path}]", code=1).stdout
    assert f"{tmp_path}/x/dead.jpg is a link to gone.jpg, which is missing" in said
    assert f"{tmp_path}/y/pipe.jpg is no regular file" in said
    assert "2 differences" in said


def test_verify_names_the_file_that_a_library_warns_of(
    tmp_path: Path, write_image: Callable, ltbench: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(write_image, tmp_path, "x", "y")
    Image.new("1", (40, 40)).save(tmp_path / "x" / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    result = ltbench("verify", f"image-folder[root={tmp_path}]", "--images")
    (line,) = [line for line in result.stderr.splitlines() if "big.png" in line]
    assert line.startswith(f"{tmp_path}/x/big.png: Image size (1600 pixels) exceeds limit")
    assert "Warning" not in result.output
    assert "Image size" in ltbench("prepare", f"image-folder[root={tmp_path}]").stderr


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("train", "test", "TEST"), "TEST/ and test/, which both mean the part 'test'"),
        (("train", "val", "valid", "test"), "val/ and valid/, which both mean the part 'val'"),
        (("train", "Train", "test"), "Train/ and train/, which both mean the part 'train'"),
    ],
)
def test_two_spellings_of_a_part_are_not_mixed(
    tmp_path: Path, write_image: Callable, folders: tuple[str, ...], words: str
) -> None:
    plant(write_image, tmp_path, *(f"{f}/{label}" for f in folders for label in ("moth", "wasp")))
    with pytest.raises(DataError) as error:
        folder(tmp_path).split()
    assert words in str(error.value)


def test_a_class_whose_accents_are_written_in_two_ways_is_remarked_on(
    tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path, "\u00e9t\u00e9", "e\u0301te\u0301", "wasp")
    dataset = folder(tmp_path)
    assert dataset.remarks(dataset.split()) == [
        "the folders '\u00e9t\u00e9' of 2 spellings of its accents are one"
    ]
