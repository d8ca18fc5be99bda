"""Reading the files of one run folder, which may be broken, huge or hostile."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import DataError
from ltbench.results.untrusted import UnreadableRun, read_json

_LARGEST_ARRAYS = 4 * 2**30

_BAD_ARCHIVE = (
    OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error
)  # fmt: skip
Arrays = dict[str, NDArray[Any]]


def read_arrays(path: Path, shapes: Mapping[str, int]) -> Arrays:
    """Return the named arrays of an ``.npz`` file.

    Args:
        path: the file.
        shapes: the arrays that must be there, with their numbers of dimensions.

    Raises:
        DataError: the file is missing, is not an archive of plain arrays, or lacks one of them.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: this run wrote none; run it again to have it")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _LARGEST_ARRAYS:
                raise DataError(f"{path} unpacks to more than {_LARGEST_ARRAYS // 2**30} GB")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _BAD_ARCHIVE as error:
        raise DataError(f"{path} is not an archive of plain arrays: {error}") from error
    for name, dimensions in shapes.items():
        array = arrays.get(name)
        if not isinstance(array, np.ndarray) or array.ndim != dimensions:
            raise DataError(f"{path} lacks the array '{name}' with {dimensions} dimensions")
    return arrays


def read_predictions(folder: Path) -> Arrays:
    """Return ``class``, ``domain``, ``prediction`` (N,) and what else lies in ``predictions.npz``.

    Raises:
        DataError: the file is missing or does not fit; the message names it.
    """
    path = folder / "predictions.npz"
    arrays = read_arrays(path, {"class": 1, "domain": 1, "prediction": 1})
    length = len(arrays["class"])
    for name in ("class", "domain", "prediction"):
        array = arrays[name]
        if len(array) != length or array.dtype.kind not in "iu" or (length and array.min() < 0):
            raise DataError(f"{path}: '{name}' is not {length} whole numbers from 0")
        arrays[name] = array.astype(np.int64)
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

    ``counts`` become arrays of shape (domains, classes).

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
            part: np.asarray(data["counts"][part], dtype=np.int64).reshape(
                len(domains), len(classes)
            )
            for part in data["counts"]
        }
        shots = {name: float(value) for name, value in data.get("shots", {}).items()}
        title = str(data.get("title", ""))
    except (UnreadableRun, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DataError(f"{path}: 'data' does not hold domains, classes and counts") from error
    return {
        "title": title,
        "domains": domains,
        "classes": classes,
        "counts": counts,
        "shots": shots,
    }


def read_confusion(folder: Path, domains: list[str], classes: int) -> NDArray[np.int64]:
    """Return the confusion matrices of ``result.json``, shape (domains, classes, classes).

    Rows are true classes, columns predictions.

    Raises:
        DataError: the run has no result, or its matrices do not have these sizes.
    """
    path = folder / "result.json"
    try:
        confusion = (read_json(path) or {})["confusion"]
        matrices = np.asarray([confusion[name] for name in domains], dtype=np.int64)
    except (UnreadableRun, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: 'confusion' does not hold a matrix for each domain") from error
    if matrices.shape != (len(domains), classes, classes) or (matrices < 0).any():
        raise DataError(f"{path}: the matrices of 'confusion' are not {classes} × {classes}")
    return matrices
