"""Data sets in the Hugging Face format, as the library ``datasets`` writes them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from huggingface_hub.utils import filter_repo_objects
from ltbench_datasets.hf import _IMAGES
from ltbench_datasets.hf_layout import split_name, split_of
from ltbench_datasets.hf_metadata import read_metadata
from PIL import Image

from ltbench.api import IMAGE_SUFFIXES, is_image
from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.errors import DataError, UsageError
from ltbench.plugins.names import parse_name

datasets = pytest.importorskip("datasets")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MOTHS = ["Noctua pronuba", "Autographa gamma", "Deilephila elpenor"]


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def rows(sizes: tuple[int, ...], first: int = 0) -> Any:
    """Return a data set of as many images of each class, with the site of each as text."""
    labels = [c for c, size in enumerate(sizes) for _ in range(size)]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=MOTHS),
            "site": datasets.Value("string"),
        }
    )
    columns = {
        "image": [picture(first + i) for i in range(len(labels))],
        "label": labels,
        "site": [("wood", "heath")[i % 2] for i in range(len(labels))],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def parts() -> Any:
    found = {
        "train": rows((9, 5, 3)),
        "validation": rows((2, 2, 2), 50),
        "test": rows((3, 3, 3), 90),
    }
    return datasets.DatasetDict(found)


def written(root: Path, kind: str) -> None:
    """Write the three splits in one of the forms."""
    if kind == "save_to_disk":
        parts().save_to_disk(root, num_shards={"train": 2, "validation": 1, "test": 1})
        return
    for split, found in parts().items():
        for shard in range(2):
            name = {
                "hub": f"data/{split}-{shard:05d}-of-00002.parquet",
                "converted": f"default/{split}/{shard:04d}.parquet",
                "plain": f"{split}_{shard}.parquet",
            }[kind]
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            found.shard(2, shard).to_parquet(root / name, batch_size=3)
    (root / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")


def opened(text: str, data_dir: Path) -> Any:
    return open_dataset(parse_name(text), data_dir)


@pytest.mark.parametrize("kind", ["hub", "converted", "plain", "save_to_disk"])
def test_splits_and_pixels(kind: str, tmp_path: Path, data_dir: Path) -> None:
    written(tmp_path / "moths", kind)
    dataset, split = opened(f"hf[path={tmp_path}/moths,size=32]", data_dir)
    assert dataset.facts.classes == tuple(MOTHS)
    assert dataset.facts.domains == ("images",)
    assert split.counts("train").tolist() == [[9, 5, 3]]
    assert split.counts("val").tolist() == [[2, 2, 2]]
    assert split.counts("test").tolist() == [[3, 3, 3]]
    decode = dataset.decoder(split)
    # The library's own reading of the same files has the same pixels and classes.
    known = {
        np.asarray(row["image"]).tobytes(): row["label"]
        for found in parts().values()
        for row in found
    }
    assert {decode(i).tobytes(): int(split.y[i]) for i in range(len(split))} == known
    again = create_dataset(parse_name(f"hf[path={tmp_path}/moths,size=32]"), data_dir)
    assert again.split().sha256 == split.sha256
    assert not dataset.verify(split)
    assert dataset.fingerprint(split)


def test_a_column_of_domains_and_unseen_ones(tmp_path: Path, data_dir: Path) -> None:
    written(tmp_path / "moths", "hub")
    name = f"hf[path={tmp_path}/moths,domain=site"
    dataset, split = opened(f"{name}]", data_dir)
    assert dataset.facts.domains == ("heath", "wood")
    assert split.counts("train").sum(axis=1).tolist() == [8, 9]
    _, split = opened(f"{name},unseen=wood]", data_dir)
    assert split.counts("train").sum(axis=1).tolist() == [8, 0]


def test_other_names_of_splits(tmp_path: Path, data_dir: Path) -> None:
    found = {"fit": rows((6, 6, 6)), "held_out": rows((2, 2, 2), 50), "extra": rows((1, 1, 1), 90)}
    datasets.DatasetDict(found).save_to_disk(tmp_path / "moths")
    with pytest.raises(DataError, match="the splits 'fit', 'held_out', 'extra': say which trains"):
        opened(f"hf[path={tmp_path}/moths]", data_dir)
    name = f"hf[path={tmp_path}/moths,train_split=fit,test_split=held_out,val=2]"
    dataset, split = opened(name, data_dir)
    assert split.counts("test").tolist() == [[2, 2, 2]]
    assert split.counts("val").tolist() == [[2, 2, 2]]  # held out of training
    assert dataset.remarks(split) == ["the split 'extra' is not used"]


def test_validation_may_be_the_test(tmp_path: Path, data_dir: Path) -> None:
    written(tmp_path / "moths", "hub")
    _, split = opened(f"hf[path={tmp_path}/moths,test_split=val,val=1]", data_dir)
    assert split.counts("test").tolist() == [[2, 2, 2]]
    assert split.counts("val").tolist() == [[1, 1, 1]]


def test_a_single_split_is_held_out_of_and_made_long_tailed(tmp_path: Path, data_dir: Path) -> None:
    rows((20, 20, 20)).save_to_disk(tmp_path / "moths")
    name = f"hf[path={tmp_path}/moths,val=2,test=4"
    _, split = opened(f"{name}]", data_dir)
    assert split.counts("train").tolist() == [[14, 14, 14]]
    _, split = opened(f"{name},profile=exp,ratio=14]", data_dir)
    assert sorted(split.counts("train")[0].tolist()) == [1, 3, 14]


@pytest.mark.parametrize("table", ["csv", "jsonl", "parquet"])
def test_images_with_a_table(table: str, tmp_path: Path, data_dir: Path) -> None:
    root = tmp_path / "moths"
    for split, size in (("train", 4), ("validation", 2), ("test", 2)):
        entries = []
        for i in range(3 * size):
            (root / split / "pictures").mkdir(parents=True, exist_ok=True)
            picture(i).save(root / split / "pictures" / f"{i}.png")
            entries.append(
                {"file_name": f"pictures/{i}.png", "label": MOTHS[i % 3], "site": "wood"}
            )
        path = root / split / f"metadata.{table}"
        if table == "csv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, entries[0])
                writer.writeheader()
                writer.writerows(entries)
        elif table == "jsonl":
            path.write_text("\n".join(map(json.dumps, entries)))
        else:
            pq.write_table(pa.Table.from_pylist(entries), path)
    dataset, split = opened(f"hf[path={root},domain=site]", data_dir)
    assert dataset.facts.domains == ("wood",)
    assert dataset.facts.classes == tuple(sorted(MOTHS))
    assert split.counts("train").tolist() == [[4, 4, 4]]
    assert dataset.decoder(split)(5).shape == (9, 12, 3)
    # The library reads the same images of them.
    assert (
        len(datasets.load_dataset("imagefolder", data_dir=root, split="train", cache_dir=tmp_path))
        == 12
    )


def test_one_table_of_images_in_folders_of_splits(tmp_path: Path, data_dir: Path) -> None:
    lines = ["file_name,label"]
    for split, size in (("train", 12), ("test", 3)):
        (tmp_path / split).mkdir()
        for i in range(size):
            # The word in the picture's own name says nothing.
            picture(i).save(tmp_path / split / f"train bridge {i}.png")
            lines.append(f"{split}/train bridge {i}.png,{MOTHS[i % 3]}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    _, split = opened(f"hf[path={tmp_path},val=1]", data_dir)
    assert {name.split("/")[0] for name in split.images[split.rows("train")]} == {"train"}
    assert split.counts("test").tolist() == [[1, 1, 1]]
    assert split.counts("train").sum() + split.counts("val").sum() == 12


def test_texts_of_json_lines_may_hold_what_ends_a_line_elsewhere(tmp_path: Path) -> None:
    row = '{"file_name": "a.png", "label": "x", "text": "one\u2028two\x85"}'
    (tmp_path / "metadata.jsonl").write_text(f"{row}\r\n{row}\n", encoding="utf-8")
    assert read_metadata(tmp_path / "metadata.jsonl", "", "") == [("a.png", "x", None)] * 2


def test_a_torn_table_of_images_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metadata.parquet"
    pq.write_table(pa.Table.from_pylist([{"file_name": "a.png", "label": "x"}] * 9), path)
    content = bytearray(path.read_bytes())
    content[-40:-8] = b"\xff" * 32
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"metadata\.parquet cannot be read"):
        read_metadata(path, "", "")


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/moths-00000-of-00004.tar", "train"),
        ("test/shard-00000-of-00002.parquet", "test"),
        ("data/validation-00000-of-00001.parquet", "val"),
        ("test/train-00000-of-00001.parquet", "train"),
        ("data/spring-00000-of-00001.parquet", "spring"),
    ],
)
def test_the_split_that_a_path_names(path: str, split: str) -> None:
    assert split_of(PurePosixPath(path)) == split_name(split)


def test_images_in_folders_of_classes(
    tmp_path: Path, data_dir: Path, write_image: Callable
) -> None:
    for split in ("train", "validation", "test"):
        for label in ("moth", "wasp"):
            write_image(tmp_path / "f" / split / label / "1.jpg")
    dataset, split = opened(f"hf[path={tmp_path}/f]", data_dir)
    assert [split.counts(part).tolist() for part in ("train", "val", "test")] == [[[1, 1]]] * 3
    assert dataset.decoder(split)(0).shape == (24, 30, 3)


def test_images_without_label_are_left_out(tmp_path: Path, data_dir: Path) -> None:
    found = rows((3, 3, 3))
    hidden = found.map(lambda row: {"label": -1})
    datasets.DatasetDict(train=found, validation=rows((1, 1, 1), 50), test=hidden).save_to_disk(
        tmp_path / "moths"
    )
    dataset, split = opened(f"hf[path={tmp_path}/moths,test=1]", data_dir)
    assert dataset.remarks(split) == ["9 images of the split 'test' have no label and are left out"]
    assert split.counts("test").tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("table", ["parquet", "csv", "jsonl"])
def test_images_of_number_minus_one_are_left_out(
    table: str, tmp_path: Path, data_dir: Path
) -> None:
    """Where nothing declares the classes, numbers are the classes."""
    labels, content = [0, 1, -1] * 8, io.BytesIO()
    picture(1).save(content, "PNG")
    names = [f"{i}.png" for i in range(len(labels))]
    if table == "parquet":
        columns = {"image": [content.getvalue()] * len(labels), "label": labels}
        pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    elif table == "csv":
        lines = [f"{name},{label}" for name, label in zip(names, labels, strict=True)]
        text = "\n".join(["file_name,label", *lines])
        (tmp_path / "metadata.csv").write_text(text)
    else:
        entries = [{"file_name": n, "label": c} for n, c in zip(names, labels, strict=True)]
        (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, entries)))
    dataset = create_dataset(parse_name(f"hf[path={tmp_path},val=1,test=1]"), data_dir)
    split = dataset.split()
    assert dataset.facts.classes == ("0", "1")
    assert len(split) == 16
    where = "train" if table == "parquet" else ""
    assert dataset.remarks(split) == [
        f"8 images of the split '{where}' have no label and are left out"
    ]


def test_several_columns_and_sub_sets_have_to_be_chosen(tmp_path: Path, data_dir: Path) -> None:
    found = rows((3, 3, 3)).add_column("coarse", [0] * 5 + [1] * 4)
    names = datasets.ClassLabel(names=["big", "small"])
    found = found.cast_column("coarse", names)
    for config in ("a", "b"):
        (tmp_path / "moths" / config).mkdir(parents=True)
        found.to_parquet(tmp_path / "moths" / config / "train.parquet")
    name = f"hf[path={tmp_path}/moths"
    with pytest.raises(DataError, match="2 sub-sets: say which with config=, of a, b"):
        opened(f"{name}]", data_dir)
    with pytest.raises(
        DataError, match="several columns for the label: say label=, of label, coarse"
    ):
        opened(f"{name},config=a]", data_dir)
    dataset, _ = opened(f"{name},config=a,label=coarse,test=1,val=1]", data_dir)
    assert dataset.facts.classes == ("big", "small")
    with pytest.raises(DataError, match="no column 'kind' for label="):
        opened(f"{name},config=a,label=kind]", data_dir)
    with pytest.raises(DataError, match="holds no folder 'c'"):
        opened(f"{name},config=c]", data_dir)


def test_labels_that_are_numbers_or_text(tmp_path: Path, data_dir: Path) -> None:
    content = io.BytesIO()
    picture(1).save(content, "PNG")
    for labels, classes in (([2, 10, 2, 10], ("2", "10")), (["b", "a", "b", "a"], ("a", "b"))):
        table = pa.table({"image": [content.getvalue()] * 4, "label": labels})
        pq.write_table(table, tmp_path / "data.parquet")
        dataset, split = opened(f"hf[path={tmp_path},val=1,test=1]", data_dir)
        assert dataset.facts.classes == classes
        assert dataset.decoder(split)(0).shape == (9, 12, 3)


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


@pytest.mark.parametrize("kind", ["hub", "save_to_disk", "metadata", "folders"])
@pytest.mark.parametrize("option", ["train_split", "val_split", "test_split"])
def test_a_split_that_is_not_there_is_no_split(
    kind: str, option: str, tmp_path: Path, data_dir: Path, write_image: Callable
) -> None:
    root = tmp_path / "moths"
    if kind in ("hub", "save_to_disk"):
        written(root, kind)
    else:
        lines = ["file_name,label"]
        for split in ("train", "validation", "test"):
            for label in ("moth", "wasp"):
                write_image(root / split / label / "1.jpg")
                lines.append(f"{split}/{label}/1.jpg,{label}")
        if kind == "metadata":
            (root / "metadata.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"has no split 'tset' for {option}=; .*'validation'"):
        opened(f"hf[path={root},{option}=tset]", data_dir)


def test_splits_of_folders_of_classes(
    tmp_path: Path, data_dir: Path, write_image: Callable
) -> None:
    for split, images in (("train", 4), ("validation", 2), ("test", 1)):
        for label in ("moth", "wasp"):
            for i in range(images):
                write_image(tmp_path / "f" / split / label / f"{i}.jpg")
    name = f"hf[path={tmp_path}/f"
    dataset, split = opened(f"{name},test_split=validation,val=1]", data_dir)
    assert [split.counts(part).tolist() for part in ("train", "val", "test")] == [
        [[3, 3]],
        [[1, 1]],
        [[2, 2]],
    ]
    assert dataset.remarks(split) == ["the split 'test' is not used"]
    for option in ("image", "label", "domain"):
        with pytest.raises(DataError, match=f"there is no column 'site': leave out {option}="):
            opened(f"{name},{option}=site]", data_dir)


def metadata(folder: Path, text: str, label: str = "", domain: str = "") -> Any:
    path = folder / "metadata.csv"
    path.write_text(text)
    return read_metadata(path, label, domain)


def test_a_table_of_images_is_read_strictly(tmp_path: Path) -> None:
    head = "file_name,label,site\n"
    found = metadata(tmp_path, f"{head}./a//b.png,cat , wood\n c.png,-1,\n", domain="site")
    assert found == [("a/b.png", "cat", "wood"), (" c.png", None, None)]
    with pytest.raises(DataError, match="row 2 has more cells than the first line: put what"):
        metadata(tmp_path, f"{head}a.png,x,y\nb.png,x,y,z\n")
    with pytest.raises(DataError, match="row 1 has fewer cells than the first line"):
        metadata(tmp_path, f"{head}a.png,x\n")


@pytest.mark.parametrize("twice", ["train/0.png,wasp", "./train/0.png,moth"])
def test_an_image_stands_once_in_the_tables(twice: str, tmp_path: Path, data_dir: Path) -> None:
    lines = [f"{s}/{i}.png,{('moth', 'wasp')[i % 2]}" for s in ("train", "test") for i in range(4)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *lines, twice]))
    with pytest.raises(
        DataError, match=r"tables below .*: the image 'train/0\.png' stands there t"
    ):
        opened(f"hf[path={tmp_path}]", data_dir)


def test_an_image_stands_in_one_table(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for place in ("pictures", "."):
        lines = [f"{0 if place == '.' else 'x'}{i}.png,{'ab'[i % 2]}" for i in range(4)]
        (tmp_path / place / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    assert len(create_dataset(parse_name(f"hf[path={tmp_path}]"), data_dir).items) == 8
    with (tmp_path / "metadata.csv").open("a") as file:
        file.write("\npictures/x1.png,a")
    with pytest.raises(DataError, match=r"the image 'pictures/x1\.png' stands there twice"):
        opened(f"hf[path={tmp_path}]", data_dir)


def test_a_run_of_three_steps(tmp_path: Path, train: Callable) -> None:
    written(tmp_path / "moths", "hub")
    result = train(f"hf[path={tmp_path}/moths,size=32]", "bsoftmax")
    assert np.array(result["confusion"]["images"]).sum() == 9


def test_without_the_extra_it_says_which(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "moths", "hub")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'ltbench\[hf\]'"):
        opened(f"hf[path={tmp_path}/moths]", data_dir)


def hostile_label(root: Path) -> None:
    table = pq.read_table(root / "train_0.parquet")
    labels = pa.array([7] * table.num_rows, pa.int64())
    pq.write_table(table.set_column(1, "label", labels), root / "train_0.parquet")


def hostile_kind(root: Path) -> None:
    table = pq.read_table(root / "train_0.parquet")
    labels = pa.array([0.5] * table.num_rows)
    pq.write_table(table.set_column(1, "label", labels), root / "train_0.parquet")


def cut(root: Path) -> None:
    content = (root / "train_0.parquet").read_bytes()
    (root / "train_0.parquet").write_bytes(content[: len(content) // 2])


def other_classes(root: Path) -> None:
    found = rows((1, 1, 1)).cast_column("label", datasets.ClassLabel(names=MOTHS[::-1]))
    found.to_parquet(root / "train_9.parquet")


def control_characters(root: Path) -> None:
    table = pa.table({"image": [b"x"] * 2, "label": ["a\x1b[31m", "b"]})
    for path in root.glob("*.parquet"):
        pq.write_table(table, path)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (hostile_label, "a label of 'label' is 7, and 3 are declared"),
        (hostile_kind, "holds double, no labels"),
        (cut, "train_0.parquet cannot be read"),
        (other_classes, "declare different classes"),
        (control_characters, "is no name of a class"),
    ],
)
def test_files_that_do_not_fit(
    change: Callable[[Path], None], cause: str, tmp_path: Path, data_dir: Path
) -> None:
    written(tmp_path / "moths", "plain")
    change(tmp_path / "moths")
    with pytest.raises(DataError, match=cause):
        opened(f"hf[path={tmp_path}/moths]", data_dir)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ({"bytes": None, "path": "../../secret.png"}, "has no bytes, and no file beside it"),
        ({"bytes": None, "path": "/etc/passwd"}, "has no bytes, and no file beside it"),
        ({"bytes": b"<svg/>", "path": None}, "cannot be read"),
        ({"bytes": b"", "path": None}, "cannot be read: it is empty"),
    ],
)
def test_images_that_are_none(value: dict, cause: str, tmp_path: Path, data_dir: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array([value] * 4, kind), "label": ["a", "b"] * 2})
    pq.write_table(table, tmp_path / "train.parquet")
    dataset, split = opened(f"hf[path={tmp_path},val=1,test=1]", data_dir)
    with pytest.raises(DataError, match=cause):
        dataset.decoder(split)(0)


@pytest.mark.parametrize(
    ("file", "content", "cause"),
    [
        ("dataset_dict.json", "{", "does not say its 'splits'"),
        ("dataset_dict.json", '{"splits": ["../../etc"]}', "names the split"),
        ("dataset_dict.json", '{"splits": 3}', "is no list of files"),
        ("state.json", '{"_data_files": [{"filename": "../x.arrow"}]}', "none beside it"),
        ("state.json", '{"_data_files": [7]}', "none beside it"),
        ("metadata.csv", "file_name,label\n../x.png,a\n", "no file_name of an image"),
        ("metadata.csv", "name,label\nx.png,a\n", "no file_name of an image"),
        ("metadata.jsonl", '{"file_name": "x.png"}', "no column for label="),
        ("metadata.jsonl", "[" * 99999, "cannot be read"),
    ],
)
def test_descriptions_that_do_not_fit(
    file: str, content: str, cause: str, tmp_path: Path, data_dir: Path
) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=cause):
        opened(f"hf[path={tmp_path}]", data_dir)


def test_nothing_there(tmp_path: Path, data_dir: Path) -> None:
    assert "needs its folder" in str(create_dataset(parse_name("hf"), data_dir).missing())
    cause = create_dataset(parse_name(f"hf[path={tmp_path}/a/b/none]"), data_dir).missing()
    assert "there is no folder" in str(cause)
