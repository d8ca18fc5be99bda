from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ltbench_datasets.digit_files import read_digits
from ltbench_datasets.idx_files import LARGEST
from published import write_mnist, write_mnist_m, write_svhn

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.data.normalisation import Normalisation
from ltbench.errors import DataError, UsageError
from ltbench.plugins.facts import Facts, registry_facts
from ltbench.plugins.names import Name, parse_name


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    write_mnist(root / "MNIST" / "raw")
    write_mnist_m(root / "MNISTM" / "processed")
    write_svhn(root / "SVHN")
    return root


@pytest.fixture
def all_digits(published: Path, data_dir: Path) -> Path:
    for folder in published.iterdir():
        (data_dir / folder.name).symlink_to(folder)
    return data_dir


@pytest.mark.usefixtures("made_up")
def test_the_published_counts(all_digits: Path, open_named: Callable) -> None:
    dataset, split = open_named("digits-mlt")
    assert dataset.facts.domains == ("mnist-m", "svhn")
    assert split.counts("train").sum(axis=1).tolist() == [2478, 2478]
    assert split.counts("train")[0].tolist() == [1000, 599, 359, 215, 129, 77, 46, 27, 16, 10]
    for part in ("val", "test"):
        assert (split.counts(part) == 800).all()
    assert dataset.verify(split) == []


def test_checksums_are_those_of_the_registry(all_digits: Path, open_named: Callable) -> None:
    dataset, split = open_named("digits-mlt")
    assert [line.split(" has the md5")[0] for line in dataset.verify(split)] == [
        str(all_digits / "SVHN" / f"{part}_32x32.mat") for part in ("train", "test")
    ]
    dataset, split = open_named("digits-mlt[mnist=true]")
    assert len(dataset.verify(split)) == 6


def test_pixels_and_digits_belong_together(all_digits: Path, open_named: Callable) -> None:
    dataset, split = open_named("digits-mlt[mnist=true]")
    assert dataset.facts.domains == ("mnist", "mnist-m", "svhn")
    decode = dataset.decoder(split)
    for i in range(0, len(split), 997):
        pixels = decode(i)
        assert pixels.shape[:2] == ((32, 32) if split.d[i] == 2 else (28, 28))
        assert (pixels == split.y[i]).all()
    assert len(set(split.images)) == len(split)


def test_the_network_sees_pixels_from_0_to_1_as_in_the_benchmark(data_dir: Path) -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    ends = {"digits-mlt": [0.0, 1.0], "digits-mlt[unit_range=false]": [-1.0, 1.0]}
    for text, expected in ends.items():
        facts = create_dataset(parse_name(text), data_dir).facts
        seen = Normalisation(facts, torch.device("cpu"))(pixels.float() / 255)
        assert seen[:, 0, 0, 0].tolist() == pytest.approx(expected)
        assert facts.domains == ("mnist-m", "svhn")


def test_a_profile_for_each_domain(all_digits: Path, open_named: Callable) -> None:
    _, split = open_named("digits-mlt[profile=ei]")
    n = split.counts("train")
    assert (n[0] == n[1][::-1]).all()
    _, split = open_named("digits-mlt[mnist=true,profile=sbj]")
    n = split.counts("train")
    assert n.sum(axis=1).tolist() == [5050, 10000, 5050]
    assert n[2].tolist() == [10] * 5 + [1000] * 5
    for wrong in ("eee", "x", "exp"):
        with pytest.raises(UsageError, match="one letter of e, s, b, i, j or 2 of them"):
            open_named(f"digits-mlt[profile={wrong}]")


def test_three_steps(all_digits: Path, train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(name: str) -> Facts:
        rule = {"largest": 20, "val": 2, "test": 2}
        return dataclasses.replace(registry_facts(name), details={"split": rule}, counts={})

    monkeypatch.setattr("ltbench.plugins.dataset.registry_facts", small)
    result = train("digits-mlt[mnist=true]", "coral")
    assert set(result["confusion"]) == {"mnist", "mnist-m", "svhn"}


@pytest.mark.parametrize("place", ["mnist", "MNIST", "."])
def test_other_places_and_decompressed_files(place: str, data_dir: Path) -> None:
    write_mnist(data_dir / place, suffix="")
    cause = create_dataset(parse_name("digits-mlt[mnist=true]"), data_dir).missing() or ""
    assert "mnist_m_train.pt" in cause
    assert "ltbench data prepare digits-mlt[mnist=true]" in cause


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("MNISTM/processed/mnist_m_train.pt", b""),
        ("MNISTM/processed/mnist_m_train.pt", b"no tensors"),
        ("SVHN/train_32x32.mat", b""),
        ("SVHN/train_32x32.mat", b"MATLAB 5.0 MAT-file" + bytes(200)),
        ("MNIST/raw/train-images-idx3-ubyte.gz", b"\x1f\x8b"),
        ("MNIST/raw/train-images-idx3-ubyte.gz", gzip.compress(b"\0\0\x08\x03\0\0")),
        ("MNIST/raw/train-labels-idx1-ubyte.gz", gzip.compress(b"\0\0\x0d\x01\0\0\0\1abcd")),
    ],
    # Not the content itself: what gzip packs holds the time, and every process collects its own.
    ids=["empty tensors", "no tensors", "empty mat", "no mat", "no gzip", "short", "other type"],
)
def test_broken_files_are_named(file: str, content: bytes, published: Path, data_dir: Path) -> None:
    for path in published.rglob("*.*"):
        target = data_dir / path.relative_to(published)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    (data_dir / file).unlink()
    (data_dir / file).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read") as error:
        open_dataset(parse_name("digits-mlt[mnist=true]"), data_dir)
    assert Path(file).name.split("-")[0] in str(error.value)


def test_tensors_that_would_run_code_are_refused(data_dir: Path, published: Path) -> None:
    write_svhn(data_dir / "SVHN")
    folder = data_dir / "MNISTM" / "processed"
    folder.mkdir(parents=True)
    torch.save(Path("evil"), folder / "mnist_m_train.pt")
    torch.save(Path("evil"), folder / "mnist_m_test.pt")
    with pytest.raises(DataError, match=r"mnist_m_train\.pt cannot be read"):
        open_dataset(Name("digits-mlt"), data_dir)


def test_the_embedded_default_keeps_its_split_and_pixels(open_named: Callable) -> None:
    import hashlib

    dataset, split = open_named("digits-mini-mlt")
    assert split.sha256 == "c49a0a39ab9b94b599c4d78c94b41e50b31b533de3a6f9869089d1ddab0983df"
    decode = dataset.decoder(split)
    digest = hashlib.sha256(b"".join(decode(i).tobytes() for i in range(0, len(split), 7)))
    assert digest.hexdigest()[:16] == "ca749ae1a058f00d"


def test_a_small_file_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    images, labels = tmp_path / "images.gz", tmp_path / "labels.gz"
    head = b"\0\0\x08\x03" + (3).to_bytes(4, "big") * 3
    images.write_bytes(gzip.compress(head + bytes(LARGEST + 1), 1))
    labels.write_bytes(gzip.compress(b"\0\0\x08\x01" + (3).to_bytes(4, "big") + bytes(3)))
    assert images.stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"images\.gz cannot be read \(ValueError: it holds more"):
        read_digits("mnist", [images, labels])
