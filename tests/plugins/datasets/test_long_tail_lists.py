"""Places-LT and iNaturalist 2018: lists, annotations, and what is not in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from long_tails import SCENES, inat_tables, write_inat, write_places
from published import write_archive

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.errors import DataError
from ltbench.plugins.names import Name, parse_name


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("folder", ["places365_standard", "places-lt"])
def test_places(flat: bool, folder: str, data_dir: Path, write_image: Callable) -> None:
    write_places(data_dir / folder, write_image, flat=flat)
    dataset, split = open_dataset(Name("places-lt"), data_dir)
    assert dataset.facts.classes[:4] == (*SCENES, "3")
    assert split.shape == (1, 365)
    assert split.counts("train")[0, :4].tolist() == [7, 5, 3, 0]
    assert split.counts("val")[0, :4].tolist() == [1, 1, 1, 0]
    assert split.counts("test")[0, :4].tolist() == [2, 2, 2, 0]
    decode = dataset.decoder(split)
    assert all(decode(i).shape == (24, 30, 3) for i in range(len(split)))
    assert dataset.split_origin(split).words == "split of other lists"  # of fewer images
    assert dataset.facts.shots.words == "many > 100, few < 20"


def test_lists_beside_the_images_in_the_folder_of_the_literature(
    data_dir: Path, write_image: Callable
) -> None:
    write_places(data_dir / "Places365", write_image)
    (data_dir / "Places_LT_v2").mkdir()
    for path in (data_dir / "Places365").glob("*.txt"):
        path.rename(data_dir / "Places_LT_v2" / path.name)
    _, split = open_dataset(Name("places-lt"), data_dir)
    assert len(split) == 24


def test_places_says_what_to_do_by_hand(data_dir: Path, write_image: Callable) -> None:
    cause = create_dataset(Name("places-lt"), data_dir).missing() or ""
    assert "places2.csail.mit.edu" in cause
    assert f"{data_dir}/places-lt/train/<scene>/" in cause
    write_image(data_dir / "places-lt" / "train" / "airfield" / "1.jpg")
    cause = create_dataset(Name("places-lt"), data_dir).missing() or ""
    assert "Places_LT_train.txt (https://raw" in cause


def test_preparing_places_fetches_the_lists(
    data_dir: Path, write_image: Callable, mirror: object, ltbench: Callable
) -> None:
    write_places(data_dir / "places-lt", write_image)
    for path in (data_dir / "places-lt").glob("*.txt"):
        path.rename(mirror.folder / path.name)
    mirror.stand_for("places-lt", counts={"places": (15, 3, 6)})
    train = mirror.folder / "Places_LT_train.txt"
    published = train.read_text()
    train.write_text(published + "\n")
    said = ltbench("prepare", "places-lt", "--no-decode", code=2).output
    assert f"{train.name}: " in said
    assert f"has {len(published) + 1} bytes instead of {len(published)}" in said
    train.write_text(published)
    said = ltbench("prepare", "places-lt", "--no-decode").output
    assert "places-lt is there: 24 images" in said


@pytest.mark.parametrize("kind", ["json", "lists"])
def test_inat(kind: str, data_dir: Path, write_image: Callable) -> None:
    write_inat(data_dir / "inat2018", write_image, kind)
    dataset, split = open_dataset(Name("inat2018"), data_dir)
    assert split.shape == (1, 8142)
    assert split.counts("train")[0, :5].tolist() == [7, 4, 2, 2, 0]
    assert split.counts("test")[0, :5].tolist() == [3, 3, 3, 3, 0]
    assert not len(split.rows("val"))
    assert split.images[0] == f"train_val2018/Plantae/0/{1:032x}.jpg"
    names = ("0000", "0001", "0002", "0003", "4") if kind == "json" else ("0", "1", "2", "3", "4")
    assert dataset.facts.classes[:5] == names
    assert dataset.decoder(split)(3).shape == (24, 30, 3)
    words = {"json": "official split", "lists": "split of other lists"}  # whose content is known
    assert dataset.split_origin(split).words == words[kind]


def test_lists_and_annotations_make_one_split(data_dir: Path, write_image: Callable) -> None:
    found = []
    for kind in ("json", "lists"):
        write_inat(data_dir / kind / "iNaturalist18", write_image, kind)
        for options in ("", "[val=2]", "[profile=exp,ratio=7]", "[val=1,profile=balanced]"):
            _, split = open_dataset(parse_name(f"inat2018{options}"), data_dir / kind)
            found.append(split.sha256)
    assert found[:4] == found[4:]
    assert len(set(found)) == 4


def test_validation_is_set_aside_of_half_a_class_at_most(
    data_dir: Path, write_image: Callable
) -> None:
    write_inat(data_dir / "inat2018", write_image, "json")
    _, whole = open_dataset(Name("inat2018"), data_dir)
    _, split = open_dataset(parse_name("inat2018[val=3]"), data_dir)
    assert split.counts("val")[0, :4].tolist() == [3, 2, 1, 1]
    assert split.counts("train")[0, :4].tolist() == [4, 2, 1, 1]
    assert sorted(split.images) == sorted(whole.images)
    _, other = open_dataset(parse_name("inat2018[val=3,data_seed=1]"), data_dir)
    assert other.sha256 != split.sha256


def test_preparing_inat_fetches_images_and_annotations(
    data_dir: Path, tmp_path: Path, write_image: Callable, mirror: object, ltbench: Callable
) -> None:
    folder = tmp_path / "published"
    write_inat(folder, write_image, "json")
    write_archive(mirror.folder / "train_val2018.tar.gz", folder, ["train_val2018"])
    for part in ("train", "val"):
        write_archive(mirror.folder / f"{part}2018.json.tar.gz", folder, [f"{part}2018.json"])
    mirror.stand_for("inat2018", counts={"inaturalist": (15, 0, 12)})
    assert "is ready: 27 images decoded" in ltbench("prepare", "inat2018").output
    assert (data_dir / "inat2018" / "train_val2018" / "Aves" / "2").is_dir()
    assert "no difference" in ltbench("verify", "inat2018", "--images").stdout
    asked = len(mirror.asked)
    ltbench("prepare", "inat2018", "--no-decode")
    assert len(mirror.asked) == asked
    for path in (data_dir / "inat2018").glob("*.json"):
        path.unlink()
    ltbench("prepare", "inat2018", "--no-decode")  # not the images once more
    assert len(mirror.asked) == asked + 4


def broken(change: Callable) -> str:
    table = inat_tables()["train"]
    change(table)
    return json.dumps(table)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "not in the COCO format"),
        (broken(lambda t: t.pop("images")), "'images' is missing"),
        (broken(lambda t: t["images"][0].pop("id")), "'id' is missing"),
        (broken(lambda t: t["annotations"][0].update(image_id=99)), "99 is missing"),
        (broken(lambda t: t["annotations"][0].update(category_id="x")), "no number"),
        (broken(lambda t: t["annotations"][0].update(category_id=-1)), "no number"),
        (broken(lambda t: t["annotations"][0].update(category_id=True)), "no number"),
        (broken(lambda t: t["annotations"][0].update(category_id=8142)), "class 8142 of 8142"),
        (broken(lambda t: t["images"][0].update(file_name="../a.jpg")), "no path of an image"),
        (broken(lambda t: t["images"][0].update(file_name="/etc/passwd")), "no path of an image"),
        (broken(lambda t: t["images"][0].update(file_name=7)), "no path of an image"),
        (broken(lambda t: t["annotations"].append(t["annotations"][0])), "stands there twice"),
        (broken(lambda t: t["categories"][0].update(id="x")), "cannot be read"),
        (broken(lambda t: t["categories"][0].update(id=float("inf"))), "cannot be read"),
        (broken(lambda t: t.update(categories=3)), "not in the COCO format"),
    ],
)
def test_annotations_that_do_not_fit(
    content: str, cause: str, data_dir: Path, write_image: Callable
) -> None:
    write_inat(data_dir / "inat2018", write_image, "json")
    (data_dir / "inat2018" / "train2018.json").write_text(content)
    with pytest.raises(DataError, match=cause):
        create_dataset(Name("inat2018"), data_dir).split()


def test_a_run_of_three_steps(data_dir: Path, write_image: Callable, train: Callable) -> None:
    write_places(data_dir / "places-lt", write_image)
    result = train("places-lt[profile=exp,ratio=4]", "bsoftmax", overrides={"classifier_lr": 1.0})
    assert np.array(result["confusion"]["places"]).sum() == 6


def test_imagenet_can_be_made_of_another_shape(data_dir: Path, write_image: Callable) -> None:
    write_places(data_dir / "places-lt", write_image)
    _, whole = open_dataset(Name("places-lt"), data_dir)
    _, split = open_dataset(parse_name("places-lt[profile=exp,ratio=7]"), data_dir)
    assert split.counts("train")[0, :3].tolist() == [7, 2, 1]
    assert np.array_equal(split.counts("test"), whole.counts("test"))
    # What a name had that was typed before there were profiles, it has now.
    dataset = create_dataset(Name("imagenet-lt"), data_dir)
    assert dataset.hparams.as_dict() == {}
