"""Reading the files of one run folder, which may be broken, huge or hostile."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray

from ltbench.errors import DataError
from ltbench.plugins.text import visible
from ltbench.regular_files import open_file
from ltbench.results.earlier import shot_rule
from ltbench.results.untrusted import UnreadableRun, read_json

_MOST_NUMBERS = 2**28
_MOST_TEXT = 2**29
MOST_IMAGES = 2_000_000
"""Test images of a run, at most; the largest test sets of the field have a quarter of them."""
MOST_COUNTED = 30_000_000
"""Images of a data set, at most: twice those of ImageNet-21k."""
MOST_PAIRS = 200_000
"""Classes times domains, at most: ImageNet-21k in nine domains. Reports count each of them."""

Arrays = dict[str, NDArray[Any]]


def read_arrays(
    path: Path,
    shapes: Mapping[str, int],
    more: Iterable[str] = (),
    most: int = _MOST_NUMBERS,
    texts: Collection[str] = (),
) -> Arrays:
    """Return the named arrays of an ``.npz`` file, and no others.

    Nothing is allocated that the file does not hold.

    Args:
        path: the file.
        shapes: the arrays that must be there, with their numbers of dimensions.
        more: arrays that may be there.
        most: numbers that each may hold.
        texts: arrays that hold texts, not numbers.

    Raises:
        DataError: the file is missing, is not an archive of plain arrays, or lacks one of them.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            members = {name: f"{name}.npy" for name in (*shapes, *more)}
            there = set(archive.namelist())
            arrays = {
                name: _read_array(archive, member, most, "U" if name in texts else "biuf")
                for name, member in members.items()
                if member in there
            }
            for name in there - set(members.values()):
                archive.open(name).close()  # a damaged name would only seem to be another array's
    except FileNotFoundError as error:
        raise DataError(
            f"{path} is missing: this run wrote none; run it again to have it"
        ) from error
    except Exception as error:  # on torn files the parsers raise what they please
        cause = visible(str(error))
        raise DataError(f"{path} is not an archive of plain arrays: {cause}") from error
    for name, dimensions in shapes.items():
        array = arrays.get(name)
        if array is None or array.ndim != dimensions:
            raise DataError(f"{path} lacks the array '{name}' with {dimensions} dimensions")
    return arrays


def _read_array(archive: zipfile.ZipFile, name: str, most: int, kinds: str) -> NDArray[Any]:
    """Return one array of these kinds, whose header may promise no more than the archive holds.

    Raises:
        ValueError: it does, holds something else than numbers, or too many of them.
        Exception: whatever numpy's parser of headers raises.
    """
    member = archive.getinfo(name)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed as numpy does not")
    with archive.open(member) as file:
        version = read_magic(file)
        read = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"{name} has version {version} of its format")
        shape, columns_first, dtype = read(file)
        count = math.prod(shape)
        if dtype.kind not in kinds:
            raise ValueError(f"{name} holds {dtype}, not {'texts' if kinds == 'U' else 'numbers'}")
        if min(shape, default=0) < 0 or count * dtype.itemsize > member.file_size:
            raise ValueError(f"{name} is shorter than it says")
        if count > most:
            raise ValueError(f"{name} holds more than {most:,} numbers")
        if kinds == "U" and count * dtype.itemsize > _MOST_TEXT:
            raise ValueError(f"{name} holds more than {_MOST_TEXT // 2**20} MB of texts")
        content = bytearray(file.read(count * dtype.itemsize))
    return np.ndarray(shape, dtype, content, order="F" if columns_first else "C")


def read_predictions(folder: Path) -> Arrays:
    """Return ``class``, ``domain``, ``prediction`` (N,) and what else lies in ``predictions.npz``.

    Raises:
        DataError: the file is missing or does not fit; the message names it.
    """
    path = folder / "predictions.npz"
    arrays = read_arrays(
        path,
        {"class": 1, "domain": 1, "prediction": 1},
        more=("confidence", "loss"),
        most=MOST_IMAGES,
    )
    length = len(arrays["class"])
    for name in ("class", "domain", "prediction"):
        array = arrays[name]
        if len(array) != length or array.dtype.kind not in "iu" or (length and array.min() < 0):
            raise DataError(f"{path}: '{name}' is not {length} whole numbers from 0")
        if length and array.max() >= MOST_PAIRS:
            raise DataError(f"{path}: '{name}' holds {array.max()}, and no data set has so many")
        arrays[name] = array.astype(np.int64)
    for name in ("confidence", "loss"):
        if name in arrays and arrays[name].shape != (length,):
            raise DataError(f"{path}: '{name}' is not {length} numbers")
    if length:
        labels = 1 + max(int(arrays["class"].max()), int(arrays["prediction"].max()))
        pairs = labels * (1 + int(arrays["domain"].max()))
        if pairs > MOST_PAIRS:
            raise DataError(f"{path}: no data set has {pairs:,} pairs of a class and a domain")
    return arrays


def read_features(folder: Path) -> Arrays:
    """Return ``features`` (n, F), ``index`` (n,) and ``centroids`` (D, C, F) of ``features.npz``.

    Raises:
        DataError: the file is missing or does not fit; the message names it.
    """
    path = folder / "features.npz"
    arrays = read_arrays(path, {"features": 2, "index": 1, "centroids": 3})
    if len(arrays["features"]) != len(arrays["index"]):
        raise DataError(f"{path}: 'features' and 'index' differ in length")
    return arrays


def read_data_facts(folder: Path) -> dict[str, Any]:
    """Return the ``data`` part of ``spec.json``: title, domains, classes, shots and counts.

    ``tested`` are the domains that have test images, of which alone a run has a confusion matrix.
    ``counts`` become arrays of shape (domains, classes), ``shots`` what
    :meth:`ltbench.api.ShotRule.from_dict` takes, and ``shot_counts`` the training images by which
    that rule tells the shots of pairs: their own, but of domains that were kept from training.
    ``held_out`` says how many these are, the last ones; it is ``None`` where the file says nothing.

    Raises:
        DataError: the file is missing or its ``data`` does not fit.
    """
    path = folder / "spec.json"
    try:
        document = read_json(path)
        data = (document or {})["data"]
        domains = [str(name) for name in data["domains"]]
        classes = [str(name) for name in data["classes"]]
        counts = {
            part: _images(data["counts"][part], len(domains), len(classes))
            for part in data["counts"]
        }
        told_by = data.get("shot_counts", data["counts"].get("train", []))
        shot_counts = np.asarray(told_by, dtype=np.int64)
        if shot_counts.size:
            shot_counts = shot_counts.reshape(len(domains), len(classes))
        shots = shot_rule(_dataset(document), data.get("shots", {})).as_dict()
        title, held_out = str(data.get("title", "")), data.get("held_out")
        if held_out is not None and not 0 <= int(held_out) < len(domains):
            raise ValueError("more domains are kept from training than there are")
    except (UnreadableRun, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DataError(f"{path}: 'data' does not hold domains, classes and counts") from error
    return {
        "title": title,
        "domains": domains,
        "tested": _tested(domains, counts),
        "classes": classes,
        "counts": counts,
        "shots": shots,
        "shot_counts": shot_counts,
        "held_out": None if held_out is None else int(held_out),
    }


def _images(value: Any, domains: int, classes: int) -> NDArray[np.int64]:
    """Return how many images each pair has, (domains, classes).

    Raises:
        TypeError, ValueError, OverflowError: these are no numbers of images.
    """
    counts = np.asarray(value, dtype=np.int64).reshape(domains, classes)
    if (counts < 0).any() or (counts > MOST_COUNTED).any() or counts.sum() > MOST_COUNTED:
        raise ValueError("no data set has so many images")
    return counts


def _tested(domains: list[str], counts: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """Return the domains with test images; all where a file does not count them."""
    images = counts["test"].sum(axis=1) if "test" in counts else np.ones(len(domains))
    return [name for name, number in zip(domains, images, strict=True) if number]


def _dataset(document: Mapping[str, Any] | None) -> object:
    """Return the name of the data set in a ``spec.json``, if it has one."""
    identity = (document or {}).get("identity")
    dataset = identity.get("dataset") if isinstance(identity, dict) else None
    return dataset.get("name") if isinstance(dataset, dict) else None


def _matrix(value: Any, classes: int) -> Any:
    """Return a confusion matrix, whichever way it is written.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it is not written so.
    """
    if not isinstance(value, dict):
        return value
    columns = [value[name] for name in SPARSE]
    if not all(isinstance(c, list) and set(map(type, c)) <= {int} for c in columns):
        raise TypeError("the columns of a matrix are no numbers")
    y, prediction, images = (np.asarray(column, dtype=np.int64) for column in columns)
    if not len(y) == len(prediction) == len(images) or (images < 0).any():
        raise ValueError("the columns of a matrix are not of one length")
    if ((y < 0) | (y >= classes) | (prediction < 0) | (prediction >= classes)).any():
        raise ValueError("a matrix names classes that there are not")
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (y, prediction), images)
    return matrix


SPARSE = ("class", "prediction", "images")
"""The columns by which a large confusion matrix is written: of what is not zero alone."""


def read_confusion(folder: Path, domains: list[str], classes: int) -> NDArray[np.int64]:
    """Return the confusion matrices of ``result.json``, shape (domains, classes, classes).

    Rows are true classes, columns predictions.

    Raises:
        DataError: the run has no result, or its matrices do not have these sizes.
    """
    path = folder / "result.json"
    try:
        confusion = (read_json(path) or {})["confusion"]
        found = [_matrix(confusion[name], classes) for name in domains]
        matrices = np.asarray(found, dtype=np.int64)
    except (UnreadableRun, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: 'confusion' does not hold a matrix for each domain") from error
    if matrices.shape != (len(domains), classes, classes) or (matrices < 0).any():
        raise DataError(f"{path}: the matrices of 'confusion' are not {classes} × {classes}")
    return matrices
