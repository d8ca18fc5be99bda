"""Images in tar archives, which are read where they lie and never unpacked."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.errors import DataError
from ltbench.plugins.names import parse_name


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def write_tar(path: Path, files: Sequence[tuple[str, bytes]], mode: Any = "w") -> None:
    """Write an archive as the library ``webdataset`` does: plain files, one after another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uname = len(content), 0o444, "bigdata"
            tar.addfile(entry, io.BytesIO(content))


def samples(labels: Sequence[int], first: int = 0) -> list[tuple[str, bytes]]:
    files = []
    for i, label in enumerate(labels, start=first):
        table = {"species": f"species {label}", "site": ("wood", "heath")[i % 2], "rank": 3}
        files += [
            (f"s{i:07d}.cls", str(label).encode()),
            (f"s{i:07d}.json", json.dumps(table).encode()),
            (f"s{i:07d}.png", png(i)),
        ]
    return files


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    root = tmp_path / "shards"
    write_tar(root / "train-000000.tar", samples([0, 0, 1, 10]))
    write_tar(root / "train-000001.tar", samples([0, 1, 10], 4))
    write_tar(root / "val-000000.tar", samples([0, 1, 10], 7))
    write_tar(root / "test" / "0.tar", samples([0, 1, 10], 10))
    return root


def test_archives_of_three_parts(archives: Path, data_dir: Path) -> None:
    dataset, split = open_dataset(parse_name(f"webdataset[path={archives}]"), data_dir)
    assert dataset.facts.classes == ("0", "1", "10")
    assert split.counts("train").tolist() == [[3, 2, 2]]
    assert split.counts("val").tolist() == split.counts("test").tolist() == [[1, 1, 1]]
    decode = dataset.decoder(split)
    for i, name in enumerate(split.images.tolist()):
        number = int(name.rpartition("/")[2][1:8])
        wanted = np.asarray(Image.open(io.BytesIO(png(number))))
        assert np.array_equal(decode(i), wanted)
    assert sorted(Path(f).name for f in dataset.image_files(split)) == [
        "0.tar",
        "train-000000.tar",
        "train-000001.tar",
        "val-000000.tar",
    ]
    assert sorted(p.suffix for p in archives.rglob("*.*")) == [".tar"] * 4


def test_fields_of_json(archives: Path, data_dir: Path) -> None:
    name = f"webdataset[path={archives},label=species,domain=site"
    dataset, split = open_dataset(parse_name(f"{name}]"), data_dir)
    assert dataset.facts.classes == ("species 0", "species 1", "species 10")
    assert dataset.facts.domains == ("heath", "wood")
    _, split = open_dataset(parse_name(f"{name},unseen=wood]"), data_dir)
    assert split.counts("train")[1].sum() == 0


def test_names_of_classes(archives: Path, data_dir: Path) -> None:
    (archives / "classnames.txt").write_text("\n".join(f"moth {c}" for c in range(11)) + "\n")
    dataset, split = open_dataset(parse_name(f"webdataset[path={archives}]"), data_dir)
    assert dataset.facts.classes == tuple(f"moth {c}" for c in range(11))
    assert split.counts("train")[0, [0, 1, 10]].tolist() == [3, 2, 2]
    (archives / "classnames.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match="the class is '10', and 2 are named"):
        create_dataset(parse_name(f"webdataset[path={archives}]"), data_dir).split()
    (archives / "classnames.txt").write_text("a\na\n")
    with pytest.raises(DataError, match="must name every class once"):
        create_dataset(parse_name(f"webdataset[path={archives}]"), data_dir).split()


def test_one_archive_is_split_by_the_rule(tmp_path: Path, data_dir: Path) -> None:
    write_tar(tmp_path / "moths.tar", samples([0, 1] * 10))
    name = f"webdataset[path={tmp_path}/moths.tar,val=1,test=2"
    _, split = open_dataset(parse_name(f"{name}]"), data_dir)
    assert split.counts("train").tolist() == [[7, 7]]
    _, split = open_dataset(parse_name(f"{name},profile=exp,ratio=7]"), data_dir)
    assert sorted(split.counts("train")[0].tolist()) == [1, 7]


def test_what_is_left_out_is_said(tmp_path: Path, data_dir: Path) -> None:
    files = [*samples([0, 1] * 4), ("s9.cls", b"1"), ("s91.png", png(1)), ("__key__.txt", b"")]
    write_tar(tmp_path / "a" / "train-0.tar", files)
    write_tar(tmp_path / "a" / "unlabeled-00000-of-00001.tar", files)
    dataset, split = open_dataset(
        parse_name(f"webdataset[path={tmp_path}/a,val=1,test=1]"), data_dir
    )
    assert dataset.remarks(split) == [
        "1 archives of other splits are not used",
        "1 samples without a label or domain are left out",
        "2 samples without an image that is read are left out",
    ]


def test_a_run_of_three_steps(archives: Path, train: Callable) -> None:
    result = train(f"webdataset[path={archives},size=32]", "bsoftmax")
    assert np.array(result["confusion"]["images"]).sum() == 3


def link(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("a.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)


def cut(path: Path) -> None:
    write_tar(path, samples([0, 1]))
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"s0000001.png") + 600])


def huge(path: Path) -> None:
    """Write an entry that says it has more bytes than any archive."""
    entry = tarfile.TarInfo("a.png")
    entry.size = 8**11 - 1
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)


@pytest.mark.parametrize(
    ("write", "cause"),
    [
        (link, "its entry 'a.png' is a link or a device"),
        (cut, "it is cut|cannot be read"),
        (huge, "ends within 'a.png': it is cut"),
        (lambda p: write_tar(p, [("../a.png", b"")]), "leads out of the folder"),
        (lambda p: write_tar(p, [("/a.png", b"")]), "leads out of the folder"),
        (lambda p: write_tar(p, samples([0, 1]), "w:gz"), "not compressed"),
        (lambda p: p.write_bytes(b"no archive" * 200), "cannot be read as a tar archive"),
        (
            lambda p: write_tar(p, samples([0, 1]) + samples([0])),
            "the sample 's0000000' comes twice",
        ),
        (lambda p: write_tar(p, [("a.cls", b"1" * 5000)]), "more than 1,024"),
        (lambda p: write_tar(p, [("a.png", b""), ("a.cls", b"1")]), "a single class, '1'"),
        (lambda p: write_tar(p, [("a.txt", b"")]), "no labelled image"),
    ],
)
def test_archives_that_do_not_fit(
    write: Callable[[Path], None], cause: str, tmp_path: Path, data_dir: Path
) -> None:
    write(tmp_path / "train-0.tar")
    with pytest.raises(DataError, match=cause):
        create_dataset(parse_name(f"webdataset[path={tmp_path}]"), data_dir).split()


def test_json_that_is_none(tmp_path: Path, data_dir: Path) -> None:
    write_tar(tmp_path / "a.tar", [("a.json", b"[" * 100_000), ("a.png", png(0))])
    with pytest.raises(DataError, match=r"'a\.json' is no JSON"):
        create_dataset(parse_name(f"webdataset[path={tmp_path},label=x]"), data_dir).split()


def test_nothing_there(tmp_path: Path, data_dir: Path) -> None:
    assert "needs the folder" in str(create_dataset(parse_name("webdataset"), data_dir).missing())
    cause = create_dataset(parse_name(f"webdataset[path={tmp_path}]"), data_dir).missing()
    assert "no .tar archive in" in str(cause)
