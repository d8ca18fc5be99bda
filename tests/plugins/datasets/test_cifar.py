from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ltbench_datasets.cifar_files import read_batches
from published import batch, python2_pickle, write_batch

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.errors import DataError
from ltbench.plugins.names import parse_name


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both data sets at full size, which the published counts need."""
    root = tmp_path_factory.mktemp("published")
    write_batch(root / "cifar-100-python" / "train", 500, 100, b"fine_labels")
    write_batch(root / "cifar-100-python" / "test", 100, 100, b"fine_labels")
    for i in range(1, 6):
        write_batch(root / "cifar-10-batches-py" / f"data_batch_{i}", 1000, 10, b"labels")
    write_batch(root / "cifar-10-batches-py" / "test_batch", 1000, 10, b"labels")
    return root


@pytest.fixture
def cifar100(published: Path, data_dir: Path) -> Path:
    (data_dir / "cifar-100-python").symlink_to(published / "cifar-100-python")
    return data_dir / "cifar-100-python"


@pytest.fixture
def cifar10(published: Path, data_dir: Path) -> Path:
    (data_dir / "cifar-10-batches-py").symlink_to(published / "cifar-10-batches-py")
    return data_dir / "cifar-10-batches-py"


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("cifar100-lt", 10847),
        ("cifar100-lt[ratio=50]", 12608),
        ("cifar100-lt[ratio=10]", 19573),
        ("cifar100-lt[profile=exp-inverse]", 10847),
        ("cifar100-lt[profile=step]", 25250),
        ("cifar100-lt[ratio=1]", 50000),
        ("cifar100-lt[profile=balanced]", 50000),
        ("cifar100-lt[val=50,test=50]", 9754),
        ("cifar100-lt[val=50,test=50,profile=balanced]", 45000),
    ],
)
@pytest.mark.usefixtures("made_up")
def test_sizes(name: str, images: int, cifar100: Path, data_dir: Path) -> None:
    dataset = create_dataset(parse_name(name), data_dir)
    split = dataset.split()
    assert split.counts("train").sum() == images
    given = dataset.hparams
    assert split.counts("val").tolist() == [[given.val] * 100]
    assert split.counts("test").tolist() == [[given.test or 100] * 100]
    assert len(set(split.images)) == len(split)
    assert dataset.verify(split) == []


def test_checksums_are_those_of_the_registry(cifar10: Path, open_named: Callable) -> None:
    dataset, split = open_named("cifar10-lt")
    found = dataset.verify(split)
    assert len(found) == 6
    assert "data_batch_1 has the md5" in found[0]
    assert "instead of c99cafc152244af753f735de768cd75f" in found[0]


def test_the_five_test_sets_of_the_thesis(cifar100: Path, data_dir: Path) -> None:
    for profile in ("exp", "balanced"):
        name = parse_name(f"cifar100-lt[val=50,test=50,profile={profile}]")
        dataset = create_dataset(name, data_dir)
        split = dataset.split()
        sets = dataset.test_sets(split)
        assert {key: len(rows) for key, rows in sets.items()} == {
            "balanced": 5000,
            "long-tailed": 1051,
            "head": 844,
            "middle": 169,
            "tail": 38,
        }
        assert all((split.part[rows] == 2).all() for rows in sets.values())
        thirds = np.concatenate([sets["head"], sets["middle"], sets["tail"]])
        assert sorted(thirds) == sets["long-tailed"].tolist()


def test_the_profile_changes_nothing_but_what_trains(cifar100: Path, data_dir: Path) -> None:
    long, flat, other = (
        create_dataset(parse_name(f"cifar100-lt[val=50,{more}]"), data_dir).split()
        for more in ("ratio=100", "profile=balanced", "ratio=100,data_seed=1")
    )
    for part in ("val", "test"):
        assert set(long.images[long.rows(part)]) == set(flat.images[flat.rows(part)])
    assert set(long.images[long.rows("train")]) < set(flat.images[flat.rows("train")])
    assert other.sha256 != long.sha256


def test_pixels_are_those_of_the_file(cifar10: Path, data_dir: Path) -> None:
    dataset, split = open_dataset(parse_name("cifar10-lt"), data_dir)
    assert split.counts("train").sum() == 12406
    decode = dataset.decoder(split)
    row = int(split.rows("train")[77])
    number = int(split.images[row].rpartition("/")[2])
    batch = pickle.loads((cifar10 / f"data_batch_{number // 10000 + 1}").read_bytes())
    expected = batch[b"data"][number % 10000].reshape(3, 32, 32).transpose(1, 2, 0)
    assert (decode(row) == expected).all()
    assert batch[b"labels"][number % 10000] == split.y[row]


def test_training_without_validation(cifar10: Path, train: Callable) -> None:
    result = train("cifar10-lt[test=5]", "ldam", protocol="cifar-lt", backbone=None)
    assert result["selection"]["step"] == 3
    assert result["selection"]["metric"] == "step"
    assert result["val"] == {}
    assert set(result["test_sets"]) >= {"balanced", "long-tailed", "head"}


def test_the_thesis_protocol_enlarges_the_images(cifar100: Path, train: Callable) -> None:
    result = train(
        "cifar100-lt[val=1,test=1]",
        protocol="thesis",
        backbone="mobilenetv2_100",
        overrides={"image_size": 64},
    )
    assert result["selection"]["metric"] == "accuracy_average"
    assert set(result["test_sets"]) == {"balanced", "long-tailed", "head", "middle", "tail"}


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch /tmp/ltbench-was-here",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        pickle.dumps({b"data": Evil()}),
        pickle.dumps({b"data": np.zeros((2, 3072)), b"fine_labels": [0, 1]}, protocol=2),
        pickle.dumps({b"data": np.zeros((2, 3), np.uint8), b"fine_labels": [0, 1]}, protocol=2),
        pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"fine_labels": [100]}, protocol=2),
        pickle.dumps({b"data": np.zeros((1, 3072), np.uint8)}, protocol=2),
        pickle.dumps([1, 2]),
    ],
)
def test_hostile_pickles(content: bytes, data_dir: Path) -> None:
    folder = data_dir / "cifar-100-python"
    write_batch(folder / "test", 1, 100, b"fine_labels", protocol=2)
    (folder / "train").write_bytes(content)
    with pytest.raises(DataError, match=r"cifar-100-python/train cannot be read"):
        create_dataset(parse_name("cifar100-lt"), data_dir).split()
    assert not Path("/tmp/ltbench-was-here").exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_every_age_of_pickle_reads_alike(protocol: int, tmp_path: Path) -> None:
    write_batch(tmp_path / "batch", 2, 10, b"labels", protocol)
    images, y = read_batches([tmp_path / "batch"] * 2, "labels", 10)
    assert images.shape == (40, 3, 32, 32)
    assert (images[:, 1, 976 // 32, 976 % 32] == y).all()


def test_pickles_of_python_2_read_alike(tmp_path: Path) -> None:
    table = batch(2, 10, b"labels")
    (tmp_path / "batch").write_bytes(python2_pickle(table))
    assert b"numpy.core.multiarray\n_reconstruct" in (tmp_path / "batch").read_bytes()
    images, y = read_batches([tmp_path / "batch"], "labels", 10)
    assert (images.reshape(20, 3072) == table[b"data"]).all()
    assert y.tolist() == table[b"labels"]


def test_too_much_is_asked_for(cifar100: Path, data_dir: Path) -> None:
    for name, message in (
        ("cifar100-lt[val=500]", "leaves nothing to train on"),
        ("cifar100-lt[test=200]", "100 test images of class 0 where 50. and 200 are wanted"),
    ):
        with pytest.raises(DataError, match=message.replace("50. and", "500 and")):
            create_dataset(parse_name(name), data_dir).split()


def test_what_is_missing(data_dir: Path) -> None:
    cause = create_dataset(parse_name("cifar100-lt"), data_dir).missing() or ""
    assert "ltbench data prepare cifar100-lt" in cause
    assert str(data_dir / "cifar-100-python" / "train") in cause
