"""Data sets in the Hugging Face format, as the library ``datasets`` writes them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hf_folders import MOTHS, datasets, opened, pa, parts, picture, pq, rows, written
from ltbench_datasets.hf_layout import split_name, split_of
from ltbench_datasets.hf_metadata import read_metadata

from ltbench.data.catalogue import create_dataset
from ltbench.errors import DataError, UsageError
from ltbench.plugins.names import parse_name


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
