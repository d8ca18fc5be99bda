from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from published import camera_traps, plant, write_official

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.errors import DataError
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.names import Name, parse_name

LAYOUTS = {
    "vlcs-mlt": ("VLCS", {}),
    "pacs-mlt": ("PACS", {}),
    "officehome-mlt": ("office_home", {"Real World": "Real World"}),
    "terrainc-mlt": ("terra_incognita", {}),
    "domainnet-mlt": ("domain_net", {}),
}
ELSEWHERE = {
    "pacs-mlt": ("kfold", {"art_painting": "Art Painting"}),
    "officehome-mlt": ("OfficeHomeDataset_10072016", {"Real World": "RealWorld"}),
    "terrainc-mlt": ("TerraIncognita", {}),
    "domainnet-mlt": ("DomainNet", {}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_trees_of_domainbed_train(name: str, data_dir: Path, write_image, train) -> None:
    folder, spelled = LAYOUTS[name]
    plant(name, data_dir / folder, write_image, spelled)
    # Some pairs are larger than the quota of their data set, so that they train.
    rule = registry_facts(name).details["split"]
    facts = registry_facts(name)
    for label in facts.classes[:2]:
        for i in range(rule["val"] + rule["test"] + 4):
            write_image(data_dir / folder / facts.domains[0] / label / f"more{i}.jpg")
    result = train(name)
    assert result["test"]["accuracy_average"] is not None
    assert set(result["confusion"]) <= set(facts.domains)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_other_names_and_spellings_are_found_and_split_alike(
    name: str, tmp_path: Path, write_image: Callable
) -> None:
    tables = []
    for at, (folder, spelled) in enumerate((LAYOUTS[name], ELSEWHERE[name])):
        data_dir = tmp_path / str(at)
        plant(name, data_dir / folder, write_image, spelled)
        dataset = create_dataset(Name(name), data_dir)
        assert dataset.missing() is None
        split = dataset.split()
        assert dataset.decoder(split)(len(split) - 1).shape == (24, 30, 3)
        tables.append(split.sha256)
    assert tables[0] == tables[1]


def test_the_folder_itself_may_be_given(data_dir: Path, write_image: Callable) -> None:
    plant("pacs-mlt", data_dir / "PACS", write_image, {})
    dataset = create_dataset(Name("pacs-mlt"), data_dir / "PACS")
    assert dataset.missing() is None


def test_the_rule_where_there_is_no_official_file(data_dir: Path, write_image: Callable) -> None:
    plant("officehome-mlt", data_dir / "OfficeHome", write_image, {}, images=20)
    _, split = open_dataset(Name("officehome-mlt"), data_dir)
    assert split.counts("train")[:, :3].tolist() == [[5] * 3] * 4
    assert split.counts("val")[:, :3].tolist() == [[5] * 3] * 4
    assert split.counts("test")[:, :3].tolist() == [[10] * 3] * 4
    _, other = open_dataset(parse_name("officehome-mlt[data_seed=1]"), data_dir)
    assert other.sha256 != split.sha256


def test_the_official_file_wins_and_missing_images_are_named(
    data_dir: Path, write_image: Callable
) -> None:
    plant("pacs-mlt", data_dir / "PACS", write_image, {})
    rows = [
        f"{d},{c},{d}/{label}/{i}.jpg,{part}"
        for d in ("photo", "sketch")
        for c, label in enumerate(("dog", "elephant"))
        for i, part in enumerate(("train", "val", "test"))
    ]
    table = data_dir / "PACS" / "PACS.csv"
    table.write_text("\n".join(["env,label,path,split", *rows]))
    dataset, split = open_dataset(Name("pacs-mlt"), data_dir)
    assert len(split) == 12
    assert dataset.decoder(split)(0).shape == (24, 30, 3)
    differences = " ".join(dataset.verify(split))
    assert "domain 'photo' has 2/2/2" in differences
    assert "48 images (art_painting 15, cartoon 15, photo 9, sketch 9)" in differences
    assert "PACS.csv has the sha256" in differences
    assert "is 'art_painting/dog/0.jpg', then 'art_painting/dog/1.jpg', '" in differences
    assert differences.endswith("'cartoon/dog/4.jpg' and 28 more")
    (data_dir / "PACS" / "photo" / "dog" / "1.jpg").unlink()
    dataset = create_dataset(Name("pacs-mlt"), data_dir)
    assert "the first that is not there is 'photo/dog/1.jpg'" in " ".join(dataset.verify(split))
    with pytest.raises(DataError, match=r"photo/dog/1\.jpg cannot be read"):
        dataset.fingerprint(split)


def test_each_file_is_looked_at_once(
    data_dir: Path, write_image: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant("officehome-mlt", data_dir / "OfficeHome", write_image, {"Real World": "RealWorld"})
    dataset = create_dataset(Name("officehome-mlt"), data_dir)
    looked, stat = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, **more: looked.append(path) or stat(path, **more))
    split = dataset.split()
    found = [dataset.fingerprint(split), dataset.fingerprint(dataset.split())]
    assert len([path for path in looked if str(path).endswith(".jpg")]) == len(split) == 60
    monkeypatch.undo()
    # Whether the listing or the table gives the files, the decoded images are the same.
    copy = dataclasses.replace(split)
    assert found == [dataset.fingerprint(copy)] * 2
    assert split.images.tolist() == sorted(split.images)


def test_photographs_that_nothing_reads_are_counted(data_dir: Path, write_image: Callable) -> None:
    plant("vlcs-mlt", data_dir / "VLCS", write_image, {})
    for name in ("1.heic", "2.HEIC", "3.cr2", "._4.heic", "notes.txt"):
        (data_dir / "VLCS" / "VOC2007" / "bird" / name).write_bytes(b"x")
    dataset = create_dataset(Name("vlcs-mlt"), data_dir)
    assert dataset.remarks(dataset.split()) == [
        "1 file ends in .cr2, which cannot be read, and is passed over (VOC2007/bird/3.cr2): "
        "convert to JPEG or PNG",
        "2 files end in .heic, which cannot be read, and are passed over (VOC2007/bird/1.heic): "
        "convert to JPEG or PNG",
    ]


def test_stray_folders_and_files_are_no_domains_or_classes(
    data_dir: Path, write_image: Callable
) -> None:
    plant("vlcs-mlt", data_dir / "VLCS", write_image, {})
    before = create_dataset(Name("vlcs-mlt"), data_dir).split()
    write_image(data_dir / "VLCS" / "backup" / "bird" / "0.jpg")
    write_image(data_dir / "VLCS" / "VOC2007" / "plane" / "0.jpg")
    write_image(data_dir / "VLCS" / "VOC2007" / "bird" / "._0.jpg")
    (data_dir / "VLCS" / "VOC2007" / "bird" / "notes.txt").write_text("x")
    dataset = create_dataset(Name("vlcs-mlt"), data_dir)
    after = dataset.split()
    assert after.sha256 == before.sha256
    assert any("plane is none of the classes" in line for line in dataset.verify(after))


@pytest.mark.parametrize(
    ("twin", "meant"), [("Art Painting/dog", "art_painting"), ("photo/Dog", "dog")]
)
@pytest.mark.parametrize("official", [False, True])
def test_two_folders_of_one_domain_or_class_are_refused(
    official: bool, twin: str, meant: str, data_dir: Path, write_image: Callable
) -> None:
    images = plant("pacs-mlt", data_dir / "PACS", write_image, {})
    if official:
        write_official(data_dir / "PACS" / "PACS.csv", registry_facts("pacs-mlt"), images)
    write_image(data_dir / "PACS" / twin / "new.jpg")
    folders = [f"{data_dir}/PACS/{name}" for name in ("Art Painting", "art_painting")]
    if meant == "dog":
        folders = [f"{data_dir}/PACS/photo/{name}" for name in ("Dog", "dog")]
    sentence = f"{folders[0]} and {folders[1]} both mean '{meant}': put their images into one"
    dataset = create_dataset(Name("pacs-mlt"), data_dir)
    with pytest.raises(DataError, match=re.escape(sentence)):
        dataset.decoder(dataset.split())
    if official:
        with pytest.raises(DataError, match=re.escape(sentence)):
            dataset.verify(dataset.split())
    # Of what is no domain and no class any number may lie there.
    (data_dir / "PACS" / twin / "new.jpg").unlink()
    (data_dir / "PACS" / twin).rmdir()
    if meant != "dog":
        (data_dir / "PACS" / "Art Painting").rmdir()
    for stray in ("backup/dog", "Back-up/dog", "photo/plane", "photo/Plane"):
        write_image(data_dir / "PACS" / stray / "0.jpg")
    assert len(create_dataset(Name("pacs-mlt"), data_dir).split()) == len(images)


def test_what_is_missing_says_what_to_type(data_dir: Path, write_image: Callable) -> None:
    dataset = create_dataset(Name("pacs-mlt"), data_dir)
    cause = dataset.missing() or ""
    assert "ltbench data prepare pacs-mlt" in cause
    assert str(data_dir / "PACS" / "art_painting" / "dog") in cause
    write_image(data_dir / "PACS" / "photo" / "dog" / "0.jpg")
    cause = create_dataset(Name("pacs-mlt"), data_dir).missing() or ""
    assert "lacks the folder of domain 'art_painting'" in cause


def test_duplicates_of_domainnet_are_left_out(data_dir: Path, write_image: Callable) -> None:
    plant("domainnet-mlt", data_dir / "domain_net", write_image, {})
    whole = create_dataset(Name("domainnet-mlt"), data_dir).split()
    (data_dir / "domain_net_duplicates.txt").write_text(
        "clipart/The_Eiffel_Tower/0.jpg\npainting/The_Mona_Lisa/3.jpg\n"
    )
    rest = create_dataset(Name("domainnet-mlt"), data_dir).split()
    assert set(whole.images) - set(rest.images) == {
        "clipart/The_Eiffel_Tower/0.jpg",
        "painting/The_Mona_Lisa/3.jpg",
    }


def test_camera_traps_are_arranged_by_location_and_animal(
    data_dir: Path, write_image: Callable
) -> None:
    camera_traps(data_dir, write_image)
    dataset = create_dataset(Name("terrainc-mlt"), data_dir)
    assert dataset.missing() is not None
    lines: list[str] = []
    dataset.arrange(lines.append)
    found = {p.relative_to(data_dir).parts[1:3] for p in data_dir.glob("terra_incognita/*/*/*.jpg")}
    assert {location for location, _ in found} == {f"location_{n}" for n in (38, 43, 46, 100)}
    assert {animal for _, animal in found} == {"bird", "dog", "empty"}
    split = create_dataset(Name("terrainc-mlt"), data_dir).split()
    assert len(split) == int(lines[0].split()[0]) == 39
    # Linked, not copied: the images take no second place on the disk.
    one = next(data_dir.glob("terra_incognita/*/*/*.jpg"))
    assert os.stat(one).st_nlink == 2


def test_camera_traps_where_files_have_one_name_only(
    data_dir: Path, write_image: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = camera_traps(data_dir, write_image)

    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    dataset = create_dataset(Name("terrainc-mlt"), data_dir)
    dataset.arrange(print)
    root = data_dir / "terra_incognita"
    assert sorted(str(p.relative_to(root)) for p in root.rglob("*.jpg")) == sorted(wanted)


def test_camera_traps_arranged_by_halves_do_not_pass_for_all(
    data_dir: Path, write_image: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = camera_traps(data_dir, write_image)
    link, done = os.link, []

    def killed_at_20(*paths: object) -> None:
        if len(done) == 20:
            raise KeyboardInterrupt
        done.append(link(*paths))

    monkeypatch.setattr(os, "link", killed_at_20)
    with pytest.raises(KeyboardInterrupt):
        create_dataset(Name("terrainc-mlt"), data_dir).arrange(print)
    monkeypatch.undo()
    dataset = create_dataset(Name("terrainc-mlt"), data_dir)
    assert dataset.missing() is not None
    dataset.arrange(print)
    root = data_dir / "terra_incognita"
    assert sorted(str(p.relative_to(root)) for p in root.rglob("*.jpg")) == sorted(wanted)
    assert not (root / ".arranging").exists()


def test_camera_traps_annotations_that_are_broken(data_dir: Path, write_image: Callable) -> None:
    camera_traps(data_dir, write_image)
    path = data_dir / "eccv_18_annotation_files" / "train_annotations.json"
    path.write_text('{"images": []}')
    with pytest.raises(DataError, match="annotations lack 'categories'"):
        create_dataset(Name("terrainc-mlt"), data_dir).arrange(print)
    path.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        create_dataset(Name("terrainc-mlt"), data_dir).arrange(print)


def test_domainnet_has_345_classes_in_order() -> None:
    facts = registry_facts("domainnet-mlt")
    assert len(facts.classes) == 345
    assert list(facts.classes) == sorted(set(facts.classes))
    assert facts.classes[:2] == ("The_Eiffel_Tower", "The_Great_Wall_of_China")
    total = np.array(list(facts.counts.values())).sum()
    assert total == 586_575


def test_verify_names_every_link_to_nothing(
    data_dir: Path, write_image: Callable, open_named: Callable, ltbench: Callable
) -> None:
    facts = registry_facts("pacs-mlt")
    images = plant("pacs-mlt", data_dir / "PACS", write_image, {})
    write_official(data_dir / "PACS" / "PACS.csv", facts, images)
    for name in (images[3], images[9]):
        (data_dir / "PACS" / name).unlink()
        (data_dir / "PACS" / name).symlink_to("gone.jpg")
    said = ltbench("verify", "pacs-mlt", code=1).stdout
    for name in (images[3], images[9]):
        assert f"{data_dir}/PACS/{name} is a link to gone.jpg, which is missing" in said
    for name in (images[3], images[9]):
        (data_dir / "PACS" / name).unlink()
        write_image(data_dir / "PACS" / name)
    (data_dir / "PACS" / images[3]).unlink()
    os.mkfifo(data_dir / "PACS" / images[3])
    assert "is no regular file" in ltbench("verify", "pacs-mlt", code=1).stdout
