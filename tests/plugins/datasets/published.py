"""Writes tiny data sets in the exact formats in which their authors publish them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.io import savemat

from ltbench.plugins.facts import Facts, registry_facts

WriteImage = Callable[[Path], None]

TRAIN, TEST = 1850, 810  # digits of each class, enough for the published counts


def write_batch(path: Path, per_class: int, classes: int, labels: bytes, protocol: int = 4) -> None:
    """Write a pickle as published: rows of 3072 bytes, channel by channel, and lists of labels.

    The first bytes of an image are its number, so that it can be told again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(batch(per_class, classes, labels), protocol=protocol))


def batch(per_class: int, classes: int, labels: bytes) -> dict[bytes, Any]:
    """Return what a pickle of CIFAR holds."""
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(classes), per_class))
    pixels = np.zeros((len(y), 3072), dtype=np.uint8)
    pixels[:, 0], pixels[:, 1], pixels[:, 2000] = np.arange(len(y)) // 256, np.arange(len(y)), y
    return {
        b"batch_label": b"training batch",
        labels: y.tolist(),
        b"data": pixels,
        b"filenames": [b"x.png"] * len(y),
    }


def python2_pickle(table: dict[bytes, Any]) -> bytes:
    """Return a pickle as Python 2 wrote CIFAR's: its byte strings and NumPy's old module."""

    class Python2(pickle._Pickler):
        dispatch: ClassVar = dict(pickle._Pickler.dispatch)

        def save_string(self, value: bytes | str) -> None:
            text = value.encode("latin1") if isinstance(value, str) else value
            short = len(text) < 256
            size = struct.pack("B" if short else "<i", len(text))
            self.write((pickle.SHORT_BINSTRING if short else pickle.BINSTRING) + size + text)
            self.memoize(value)

        def save_global(self, obj: Any, name: str | None = None) -> None:
            module = obj.__module__.replace("numpy._core", "numpy.core")
            self.write(pickle.GLOBAL + f"{module}\n{obj.__name__}\n".encode())
            self.memoize(obj)

        dispatch[bytes] = dispatch[str] = save_string

    file = io.BytesIO()
    Python2(file, protocol=2).dump(table)
    return file.getvalue()


def write_cifar(folder: Path, facts: Facts, per_class: int, tests: int) -> None:
    """Write the folder that CIFAR's archive holds."""
    layout, classes = facts.details["layout"], len(facts.classes)
    folder.mkdir(parents=True)
    for name in layout["train"]:
        table = batch(per_class // len(layout["train"]), classes, layout["labels"].encode())
        (folder / name).write_bytes(python2_pickle(table))
    (name,) = layout["test"]
    (folder / name).write_bytes(python2_pickle(batch(tests, classes, layout["labels"].encode())))
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": []}, protocol=2))
    (folder / "readme.html").write_text('<meta HTTP-EQUIV="REFRESH">')


def digits(per_class: int, seed: int) -> np.ndarray:
    """Return shuffled digits, as many of each."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(10), per_class))


def idx(path: Path, array: np.ndarray) -> None:
    """Write an IDX file, compressed where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
    content = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def write_mnist(folder: Path, suffix: str = ".gz", train: int = TRAIN, test: int = TEST) -> None:
    """Write MNIST's four files; every pixel of an image is its digit."""
    for part, n, seed in (("train", train, 0), ("t10k", test, 1)):
        y = digits(n, seed)
        idx(folder / f"{part}-labels-idx1-ubyte{suffix}", y)
        images = np.zeros((len(y), 28, 28), np.uint8) + y[:, None, None].astype(np.uint8)
        idx(folder / f"{part}-images-idx3-ubyte{suffix}", images)


def write_mnist_m(folder: Path, train: int = TRAIN, test: int = TEST) -> None:
    """Write MNIST-M's two pairs of tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", train), ("test", test)):
        y = torch.from_numpy(digits(n, 2))
        images = (
            torch.zeros(len(y), 28, 28, 3, dtype=torch.uint8)
            + y.to(torch.uint8)[:, None, None, None]
        )
        torch.save((images, y), folder / f"mnist_m_{part}.pt")


def write_svhn(folder: Path, train: int = TRAIN, test: int = TEST) -> None:
    """Write SVHN's two MATLAB files."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", train), ("test", test)):
        y = digits(n, 3)
        images = np.zeros((32, 32, 3, len(y)), np.uint8) + y.astype(np.uint8)
        labels = np.where(y == 0, 10, y).astype(np.uint8)[:, None]
        savemat(folder / f"{part}_32x32.mat", {"X": images, "y": labels})


def plant(
    name: str,
    root: Path,
    write_image: WriteImage,
    folders: dict[str, str],
    *,
    images: int = 5,
    file: str = "{i}.jpg",
) -> list[str]:
    """Write a few images of the first classes of every domain.

    Returns:
        Their names as ``domain/class/file``.
    """
    facts, names = registry_facts(name), []
    for domain in facts.domains:
        for label in facts.classes[:3]:
            for i in range(images):
                image = file.format(i=i)
                write_image(root / folders.get(domain, domain) / label / image)
                names.append(f"{domain}/{label}/{image}")
    return names


def write_official(path: Path, facts: Facts, images: Iterable[str]) -> None:
    """Write a split file of images ``domain/class/file``: most train, some validate, some test."""
    rows = []
    for i, image in enumerate(images):
        domain, label, _ = image.split("/")
        part = ("train", "val", "test", "train", "test")[i % 5]
        rows.append(f"{domain},{facts.classes.index(label)},{image},{part}")
    path.write_text("\n".join(["env,label,path,split", *rows]) + "\n")


def camera_traps(data_dir: Path, write_image: WriteImage) -> list[str]:
    """Write what the two archives of Caltech Camera Traps unpack to.

    Returns:
        The images of the benchmark's four locations and ten animals, as ``location/animal/file``.
    """
    animals, wanted = ["bird", "dog", "empty", "car"], []
    tables: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for i in range(64):
        name = f"58{i:03d}e94-23d2-11e8-a6a3-ec086b02610b.jpg"
        write_image(data_dir / "eccv_18_all_images_sm" / name)
        place, animal = (38, 43, 46, 100, 7)[i % 5], i % 4
        part = ("cis_test", "cis_val", "trans_test", "trans_val", "train")[i // 13]
        table = tables.setdefault(part, {"images": [], "annotations": [], "categories": []})
        table["images"].append(
            {"id": name[:-4], "file_name": name, "location": place, "seq_id": str(i), "width": 30}
        )
        box = {"bbox": [0.0, 0.0, 9.0, 9.0]} if animals[animal] != "empty" else {}
        sighting = {"id": str(i), "image_id": name[:-4], "category_id": 30 + animal, **box}
        # Two animals of a kind in one photograph are two annotations.
        table["annotations"] += [sighting, {**sighting, "id": f"{i}b"}][: 1 + i % 2]
        if place != 7 and animals[animal] != "car":
            wanted.append(f"location_{place}/{animals[animal]}/{name}")
    folder = data_dir / "eccv_18_annotation_files"
    folder.mkdir()
    for part, table in tables.items():
        table["categories"] = [{"id": 30 + c, "name": name} for c, name in enumerate(animals)]
        (folder / f"{part}_annotations.json").write_text(json.dumps(table))
    return wanted


def write_archive(archive: Path, folder: Path, names: Iterable[str]) -> None:
    """Pack files and folders below ``folder`` as a zip or tar, whichever the name says."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            for name in names:
                for path in sorted([folder / name, *(folder / name).rglob("*")]):
                    file.write(path, path.relative_to(folder))
        return
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name in names:
            tar.add(folder / name, name)
