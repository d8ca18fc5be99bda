from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.data.store import open_store
from ltbench.errors import DataError, UsageError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.names import Name


def folder(root: Path, **options: object) -> Dataset:
    return create_dataset(Name("image-folder", {"root": str(root), **options}), root)


def plant(write_image: Callable, root: Path, *places: str, images: int = 6) -> None:
    for place in places:
        for i in range(images):
            write_image(root / place / f"{i}.jpg")


def test_one_domain(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "moth", "wasp")
    dataset = folder(tmp_path)
    assert (dataset.facts.domains, dataset.facts.classes) == (("images",), ("moth", "wasp"))
    split = dataset.split()
    # Of six images half always train; of the other three a third validates.
    assert [split.counts(p).tolist() for p in ("train", "val", "test")] == [
        [[3, 3]],
        [[1, 1]],
        [[2, 2]],
    ]


def test_several_domains_and_absent_classes(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "day/moth", "day/wasp", "night/moth")
    dataset = folder(tmp_path)
    assert dataset.facts.domains == ("day", "night")
    assert dataset.split().counts("train").tolist() == [[3, 3], [3, 0]]


def test_given_parts_are_kept(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "train/moth", "train/wasp", "test/moth", "test/wasp", images=12)
    split = folder(tmp_path).split()
    assert split.counts("test").tolist() == [[12, 12]]
    assert split.counts("val").tolist() == [[5, 5]]
    assert all(name.startswith("test/") for name in split.images[split.rows("test")])


@pytest.mark.parametrize("names", [("train", "valid", "testing"), ("Training", "val", "Test")])
def test_three_parts(names: tuple[str, ...], tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, *(f"{n}/site/{c}" for n in names for c in ("a", "b")), images=2)
    dataset = folder(tmp_path)
    assert dataset.facts.domains == ("site",)
    for part in ("train", "val", "test"):
        assert dataset.split().counts(part).tolist() == [[2, 2]]


def test_strays_are_passed_over(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "moth", "wasp")
    before = folder(tmp_path).split().sha256
    write_image(tmp_path / ".thumbnails" / "0.jpg")
    write_image(tmp_path / "moth" / "._0.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "moth" / "labels.csv").write_text("x")
    assert folder(tmp_path).split().sha256 == before


def test_uneven_depths_are_refused(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "moth", "night/wasp")
    with pytest.raises(DataError, match="neither root/class/\\* nor root/domain/class/\\*"):
        folder(tmp_path).split()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([""], r"lie in no folder of a class \('0\.jpg'\); sort them into such folders, or name"),
        (
            ["a", "b", "c/d"],
            r"6 of its images lie at another depth \('c/d/0\.jpg'\) than",
        ),
        (["x/y/z/a", "x/y/z/b"], r"lie deeper \('x/y/z/a/0\.jpg'\); try root=\S+/x/y/z$"),
        (["v/x/y/a", "w/x/y/b"], "give a folder further down as root"),
    ],
)
def test_other_layouts_are_told_what_to_do(
    places: list[str], message: str, tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path, *places)
    with pytest.raises(DataError, match=message):
        folder(tmp_path).split()


def test_single_class_and_empty_folders(tmp_path: Path, write_image: Callable) -> None:
    with pytest.raises(DataError, match="no images below"):
        folder(tmp_path).split()
    plant(write_image, tmp_path, "moth")
    with pytest.raises(DataError, match="single class, 'moth': put images of two or more"):
        folder(tmp_path).split()
    assert "needs its folder" in (create_dataset(Name("image-folder"), tmp_path).missing() or "")
    assert "there is no folder" in (folder(tmp_path / "gone").missing() or "")
    (tmp_path / "moths.zip").write_bytes(b"PK")
    said = folder(tmp_path / "moths.zip").missing() or ""
    assert "moths.zip is neither a folder nor a .csv: give the folder" in said


def test_names_of_all_sorts(tmp_path: Path, train: Callable, write_image: Callable) -> None:
    root = tmp_path / "My Photos (2024)"
    classes = ["Großer Eisvogel", "蛾", "C, d=e [x]", "🦋"]
    for name in classes:
        for i in range(6):
            write_image(root / name / f"IMG {i:04}.JPG")
            write_image(root / name / f"IMG {i:04}.jfif")
    (root / "empty class").mkdir()
    (root / ".DS_Store").write_bytes(b"x")
    (root / "desktop.ini").write_bytes(b"x")
    dataset = folder(root)
    assert sorted(dataset.facts.classes) == sorted(classes)
    assert dataset.split().counts("train").tolist() == [[6] * 4]
    result = train(f"image-folder[root={root},size=32]", "bsoftmax")
    assert len(result["confusion"]["images"]) == 4


def test_accents_of_two_systems_are_one_class(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "day/caf\u00e9", "night/cafe\u0301", "day/b", "night/b")
    dataset = folder(tmp_path)
    assert dataset.facts.classes == ("b", "caf\u00e9")
    split = dataset.split()
    assert split.counts("train").tolist() == [[3, 3], [3, 3]]
    assert dataset.decoder(split)(len(split) - 1).shape == (24, 30, 3)


def test_names_that_are_no_text_are_refused(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "a", "b")
    os.rename(tmp_path / "a" / "0.jpg", os.fsencode(tmp_path / "a") + b"/\xe9t\xe9.jpg")
    with pytest.raises(DataError, match=r"name '\\udce9t\\udce9\.jpg' in .* is no text in UTF-8"):
        folder(tmp_path).split()


def test_a_link_to_the_folder_above_ends(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path / "moths", "a", "b")
    before = folder(tmp_path / "moths").split()
    (tmp_path / "moths" / "a" / "up").symlink_to("..")
    assert folder(tmp_path / "moths").split().sha256 == before.sha256
    # Links to other places are followed.
    (tmp_path / "links").mkdir()
    for name in "ab":
        (tmp_path / "links" / name).symlink_to(tmp_path / "moths" / name)
    (tmp_path / "moths" / "a" / "up").unlink()
    assert folder(tmp_path / "links").split().sha256 == before.sha256


def test_photographs_that_nothing_here_reads_are_told(
    tmp_path: Path, write_image: Callable
) -> None:
    plant(write_image, tmp_path, "a", "b")
    dataset = folder(tmp_path)
    assert dataset.verify(dataset.split()) == []
    for i in range(3):
        (tmp_path / "a" / f"IMG_{i}.HEIC").write_bytes(b"x")
    (line,) = dataset.verify(dataset.split())
    assert "3 files end in .heic, which cannot be read, and are passed over" in line
    shutil.rmtree(tmp_path / "b")
    for i in range(6):
        (tmp_path / "a" / f"{i}.jpg").unlink()
    with pytest.raises(DataError, match=r"there are no images below .*; 3 files end in \.heic"):
        folder(tmp_path).split()


def test_the_order_of_the_file_system_does_not_matter(
    tmp_path: Path, write_image: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(write_image, tmp_path, "b", "a", "c")
    forwards = folder(tmp_path).split()
    listing = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: reversed(list(listing(self))))
    assert folder(tmp_path).split().sha256 == forwards.sha256


def write_table(path: Path, *lines: str) -> Path:
    path.write_bytes(("\n".join(lines) + "\n").encode(errors="surrogatepass"))
    return path


def test_a_table(tmp_path: Path, write_image: Callable) -> None:
    for i in range(4):
        write_image(tmp_path / f"img{i}.jpg")
    table = write_table(
        tmp_path / "all.csv",
        "path,label,domain,split",
        "img0.jpg,moth,day,train",
        "img1.jpg,wasp,night,val",
        "img2.jpg,moth,night,test",
        'img3.jpg,"wasp, red",day,TRAIN',
    )
    dataset = folder(table)
    assert dataset.facts.classes == ("moth", "wasp", "wasp, red")
    split = dataset.split()
    assert split.part.tolist() == [0, 1, 2, 0]
    assert dataset.decoder(split)(3).shape == (24, 30, 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,label", "a.jpg,x"], "must begin with path,label"),
        (["path,label,weather", "a.jpg,x,y"], "must begin with path,label"),
        (["path,label", "a.jpg,\ud800"], "cannot be read as a CSV in UTF-8"),
        (["path,label", "a.jpg,"], "line 2: path and label must not be empty"),
        (["path,label,split", "a.jpg,x,holdout"], "line 2: split is 'holdout'"),
        (["path,label", "../a.jpg,x"], "does not lie below"),
        (["path,label", "/etc/passwd,x"], "does not lie below"),
        (["path,label", "a.jpg,x", "b.jpg,x", "a.jpg,y"], "line 4: 'a.jpg' stands on line 2"),
        (["path,label,label", "a.jpg,x,y"], "must begin with path,label"),
        (["path,label", "a.jpg,x", "b.jpg,wasp, red"], "line 3 has 3 cells and the first line 2"),
        (["path,label,domain", "a.jpg,x"], "line 2 has 2 cells and the first line 3"),
        (["path,label,domain", "a.jpg,x,day", "b.jpg,y,"], "line 3: domain must not be empty"),
        (["path,label", "a.jpg,x", 'b.jpg,"y', "c.jpg,y"], "cannot be read as a CSV|not closed"),
        (["path,label", 'b.jpg,"y', 'c.jpg,y"', "d.jpg,x"], "line 2: a quote is not closed"),
        (["path,label"], "names no image below its first line"),
        (["path,label", r"day\a.jpg,x"], "line 2: .* write its folders with /"),
        (["path,label,split", "a.jpg,x,train", "b.jpg,y,"], "line 3: some images name their part"),
        (["path,label", "a.jpg,x", "b.jpg,\ud800"], "t.csv, line 3 cannot be read as a CSV in UTF"),
        (
            ["path,label", "a.jpg,x", 'b.jpg,"y" z', "c.jpg,y"],
            "t.csv, line 3 cannot be read as a C",
        ),
        (["path,label", "a.jpg,x", 'b.jpg,"y', "c.jpg,y"], "t.csv, line 3"),
        (["path,label", "a.jpg,x", "b\0.jpg,y"], "line 3: the path .* cannot be printed"),
        (["path;label", "a.jpg;x"], "must begin with path,label.*, not path;label"),
        ([""], "must begin with path,label"),
        (["path,label", f"a/{'b' * 300}.jpg,x"], "line 2: .* longer than the name of any file"),
        (["path,label", "a\\" + "b" * 300 + ",x"], "line 2: .* longer than the name of any file"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        folder(write_table(tmp_path / "t.csv", *lines)).split()


def test_a_table_may_name_images_below_it_by_their_whole_path(
    tmp_path: Path, write_image: Callable
) -> None:
    for name in ("a", "b", "c", "d"):
        write_image(tmp_path / f"{name}.jpg")
    ends = [("a.jpg", "x"), ("b.jpg", "x"), ("c.jpg", "y"), ("d.jpg", "y")]
    whole = write_table(tmp_path / "w.csv", "path,label", *(f"{tmp_path}/{n},{c}" for n, c in ends))
    short = write_table(tmp_path / "s.csv", "path,label", *(f"{n},{c}" for n, c in ends))
    assert folder(whole).split().sha256 == folder(short).split().sha256
    assert folder(whole).verify(folder(whole).split()) == []
    (tmp_path / "c.jpg").unlink()
    assert folder(whole).verify(folder(whole).split()) == [f"{tmp_path}/c.jpg is missing"]


def test_an_image_that_the_table_names_but_is_not_there(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", "path,label", "a.jpg,x", "b.jpg,y")
    dataset = folder(table)
    with pytest.raises(DataError, match=r"a\.jpg cannot be read: No such file"):
        open_store(dataset, dataset.split())


def test_made_long_tailed(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, *(f"site/{c}" for c in "abcd"), images=20)
    plant(write_image, tmp_path, "site/e", images=40)
    whole = folder(tmp_path, val=1, test=1).split()
    thinned = folder(tmp_path, val=1, test=1, profile="exp", ratio=19).split()
    assert whole.counts("train").tolist() == [[18, 18, 18, 18, 38]]
    assert thinned.counts("train").tolist() == [[18, 8, 4, 2, 38]]
    assert thinned.counts("test").tolist() == whole.counts("test").tolist()
    assert set(thinned.images) < set(whole.images)
    with pytest.raises(UsageError, match="choose one of as-is"):
        folder(tmp_path, profile="long")


def test_a_changed_image_is_decoded_anew(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "moth", "wasp")
    first = folder(tmp_path, size=8)
    before = open_store(first, first.split()).images[0].copy()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "moth" / "0.jpg")
    second = folder(tmp_path, size=8)
    after = open_store(second, second.split()).images[0]
    assert before.max() > 0
    assert after.max() == 0


def test_every_kind_of_image_trains(tmp_path: Path, train: Callable, write_image: Callable) -> None:
    root = tmp_path / "mixed"
    plant(write_image, root, "moth", "wasp", images=12)
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    image.convert("CMYK").save(root / "moth" / "cmyk.jpg")
    image.quantize(16).save(root / "moth" / "palette.png")
    image.resize((1, 1)).save(root / "moth" / "dot.png")
    image.save(root / "wasp" / "film.gif", save_all=True, append_images=[image, image])
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(root / "wasp" / "deep.png")
    result = train(f"image-folder[root={root},size=32]", "bsoftmax")
    assert result["test"]["accuracy"] is not None


def test_runs_want_validation_or_the_last_model(tmp_path: Path, write_image: Callable) -> None:
    plant(write_image, tmp_path, "moth", "wasp", images=2)
    with pytest.raises(DataError, match="has no test images"):
        open_dataset(Name("image-folder", {"root": str(tmp_path), "keep": 1.0}), tmp_path)
