"""What is asked of a data set in the Hugging Face format and is not there, and broken files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hf_folders import MOTHS, datasets, opened, pa, pq, rows, written
from ltbench_datasets.hf_metadata import read_metadata

from ltbench.data.catalogue import create_dataset
from ltbench.errors import DataError
from ltbench.plugins.names import parse_name


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
