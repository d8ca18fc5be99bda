"""The logits of a run's test and validation images: how they are kept, and reading them again.

From them any metric, ensemble, calibration or correction can be computed later. The file is
described in ``docs/run-folder.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.errors import DataError
from ltbench.results.documents import MOST_IMAGES, MOST_PAIRS, Arrays, read_arrays
from ltbench.results.folder import LOGITS, write_arrays

PARTS = ("test", "val")
MOST_WHOLE = 1000
"""Classes up to which the logits of all of them are kept."""
TOP = 50
"""Logits that are kept of an image where there are more classes."""
_LOWEST = float(np.finfo(np.float16).min)
_OTHER_BYTES = 8  # of an image, compressed: its class, domain and name
_SLAB = 4096  # rows made into other types at a time
_ROUNDING = 0.01  # of float16, in what the kept logits say of the logarithm of the sum
_LARGEST_CODE = 0x10FFFF


@dataclass(frozen=True)
class Logits:
    """Logits of N images and C classes, of all classes or the K largest of each image.

    Each row is shifted so that its largest logit is 0, which the softmax does not notice.

    Attributes:
        logits: (N, C), or (N, K) where ``top`` is given, the largest first.
        classes: true classes, (N,) in 0…C-1.
        domains: domains, (N,).
        images: names of the images in the split, (N,).
        top: which classes they are of, (N, K), or ``None`` for all in order.
        log_sum_exp: logarithm of the sum of exponentials over all classes of the shifted row,
            (N,), where ``top`` is given.
        class_count: C, where ``top`` is given.
    """

    logits: NDArray[np.float16]
    classes: NDArray[np.int64]
    domains: NDArray[np.int64]
    images: NDArray[np.str_]
    top: NDArray[np.int32] | None = None
    log_sum_exp: NDArray[np.float32] | None = None
    class_count: int | None = None

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def width(self) -> int:
        """The number of classes, C."""
        return self.class_count or self.logits.shape[1]

    def rows(self, rows: slice) -> Logits:
        """Return those of some images."""
        return replace(
            self,
            logits=self.logits[rows],
            classes=self.classes[rows],
            domains=self.domains[rows],
            images=self.images[rows],
            top=None if self.top is None else self.top[rows],
            log_sum_exp=None if self.log_sum_exp is None else self.log_sum_exp[rows],
        )

    def kept_probabilities(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probabilities of the logits that were kept, and of each other class.

        Those that were kept have the probabilities of the softmax over all classes, (N, K). What
        they lack of 1 is spread evenly over the other classes, (N,); 0 where there are none.
        """
        z = self.logits.astype(np.float64)
        own = _log_sum_exp(z)
        if self.log_sum_exp is None:
            return np.exp(z - own[:, None]), np.zeros(len(z))
        # Rounding may leave the kept ones with a little more than everything.
        total = np.maximum(self.log_sum_exp.astype(np.float64), own)
        others = max(self.width - z.shape[1], 1)
        return np.exp(z - total[:, None]), -np.expm1(own - total) / others

    def log_probabilities(self) -> NDArray[np.float64]:
        """Return the logarithm of :meth:`probabilities`, (N, C)."""
        z = self.logits.astype(np.float64)
        if self.top is None:
            found: NDArray[np.float64] = z - _log_sum_exp(z)[:, None]
            return found
        with np.errstate(divide="ignore"):
            return np.log(self.probabilities())

    def probabilities(self) -> NDArray[np.float64]:
        """Return the softmax, (N, C).

        Of classes whose logits were not kept, see :meth:`kept_probabilities`.
        """
        kept, rest = self.kept_probabilities()
        if self.top is None:
            return kept
        found = np.repeat(rest[:, None], self.width, axis=1)
        np.put_along_axis(found, self.top.astype(np.int64), kept, axis=1)
        return found


def kept_logits(
    logits: NDArray[np.floating],
    classes: NDArray[np.integer],
    domains: NDArray[np.integer],
    images: NDArray[np.str_],
) -> Logits:
    """Return what is kept of logits (N, C): all of up to 1,000 classes, else the 50 largest.

    Args:
        logits: of the model. Values that float16 cannot hold below the largest become its lowest.
        classes: true classes, (N,).
        domains: (N,).
        images: their names, (N,).
    """
    rows, width = logits.shape
    few = width <= MOST_WHOLE
    kept = np.empty((rows, width if few else TOP), np.float16)
    top = None if few else np.empty(kept.shape, np.int32)
    total = None if few else np.empty(rows, np.float32)
    for start in range(0, rows, _SLAB):
        part = slice(start, start + _SLAB)
        z = logits[part].astype(np.float64)
        z -= z.max(axis=1, keepdims=True)
        if top is not None and total is not None:
            total[part] = _log_sum_exp(z)
            top[part] = _largest(z)
            z = np.take_along_axis(z, top[part].astype(np.int64), axis=1)
        kept[part] = np.maximum(z, _LOWEST)
    return Logits(
        kept,
        classes.astype(np.int64),
        domains.astype(np.int64),
        images,
        top,
        total,
        None if few else width,
    )


def expected_bytes(images: int, classes: int) -> int:
    """Return about how many bytes :func:`write_logits` takes for so many images in all."""
    of_logits = 2 * classes if classes <= MOST_WHOLE else 4 * TOP + 4  # sorted, they compress
    return images * (of_logits + _OTHER_BYTES)


def write_logits(path: Path, parts: Mapping[str, Logits]) -> None:
    """Write the logits of parts of the images, by the names of the parts, to a file.

    The caller sees to it that the file reaches the disk, see
    :func:`ltbench.results.folder.sync_files`.
    """
    arrays: Arrays = {}
    for part, found in parts.items():
        arrays[f"{part}_logits"] = found.logits
        arrays[f"{part}_class"] = found.classes.astype(np.int32)
        arrays[f"{part}_domain"] = found.domains.astype(np.int32)
        arrays[f"{part}_image"] = found.images
        if found.top is not None and found.log_sum_exp is not None:
            arrays[f"{part}_top"] = found.top
            arrays[f"{part}_log_sum_exp"] = found.log_sum_exp
            arrays["class_count"] = np.array([found.width], np.int32)
    write_arrays(path, arrays, sync=None)


def read_logits(folder: Path, part: str) -> Logits:
    """Return the logits of the ``test`` or ``val`` images of the run in a folder.

    A run without validation images has 0 rows of them.

    Raises:
        DataError: the file is missing or does not fit; the message names it.
    """
    path = folder / LOGITS
    if not path.exists():
        raise DataError(
            f"{folder} keeps no logits: they were freed, or the run is of a version that kept "
            "none; remove its folder and run it again to have them"
        )
    names = {name: f"{part}_{name}" for name in ("logits", "class", "domain", "image")}
    more = {name: f"{part}_{name}" for name in ("top", "log_sum_exp")}
    found = read_arrays(
        path,
        {name: 2 if name == names["logits"] else 1 for name in names.values()},
        more=(*more.values(), "class_count"),
        texts=(names["image"],),
    )
    arrays = {name: found[key] for name, key in {**names, **more}.items() if key in found}
    if "class_count" in found:
        arrays["class_count"] = found["class_count"]
    try:
        return _judged(arrays)
    except ValueError as problem:
        raise DataError(f"{path}: {problem} ({part} images)") from problem


def _judged(arrays: Arrays) -> Logits:
    """Return the arrays of a file as logits.

    Raises:
        ValueError: they do not fit one another; the message says which.
    """
    classes, domains = (_whole(arrays, name) for name in ("class", "domain"))
    logits, images = _logits(arrays["logits"]), arrays["image"]
    rows, columns = logits.shape
    if not len(classes) == len(domains) == len(images) == rows <= MOST_IMAGES:
        raise ValueError("the arrays differ in length, or no data set has so many images")
    if not images.dtype.isnative or _largest_code(images) > _LARGEST_CODE:
        raise ValueError("'image' does not hold texts")
    top, total, width = _top(arrays, logits)
    if rows and classes.max() >= width:
        raise ValueError(f"'class' holds {classes.max()}, of {width:,} classes")
    pairs = width * (1 + int(domains.max(initial=0)))
    if not columns or pairs > MOST_PAIRS:
        raise ValueError(f"no data set has {pairs:,} pairs of a class and a domain")
    return Logits(logits, classes, domains, images, top, total, None if top is None else width)


def _whole(arrays: Arrays, name: str) -> NDArray[np.int64]:
    array = arrays[name]
    if array.dtype.kind not in "iu" or array.min(initial=0) < 0:
        raise ValueError(f"'{name}' does not hold whole numbers from 0")
    if array.max(initial=0) >= MOST_PAIRS:
        raise ValueError(f"'{name}' holds {array.max()}, and no data set has so many")
    return array.astype(np.int64)


def _logits(array: NDArray[Any]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        logits = array.astype(np.float16)
    if not np.isfinite(logits).all():
        raise ValueError("'logits' holds values that are not finite")
    return logits


def _largest_code(images: NDArray[Any]) -> int:
    codes = images.view(np.uint32) if images.size and images.dtype.itemsize else np.zeros(1)
    return int(codes.max())


def _top(
    arrays: Arrays, logits: NDArray[np.float16]
) -> tuple[NDArray[np.int32] | None, NDArray[np.float32] | None, int]:
    """Return which classes the logits are of, the logarithm of the sum, and how many there are."""
    if "top" not in arrays:
        return None, None, logits.shape[1]
    top, total, count = (arrays.get(name) for name in ("top", "log_sum_exp", "class_count"))
    if count is None or total is None or count.shape != (1,) or count.dtype.kind not in "iu":
        raise ValueError("'top' is there without 'log_sum_exp' or 'class_count'")
    width = int(count[0])
    if not logits.shape[1] <= width <= MOST_PAIRS:
        raise ValueError(f"'class_count' is {width}")
    if top is None or top.ndim != 2 or top.dtype.kind not in "iu" or top.shape != logits.shape:
        raise ValueError("'top' does not hold a class for each of 'logits'")
    if top.min(initial=0) < 0 or top.max(initial=0) >= width:
        raise ValueError(f"'top' holds others than the {width:,} classes")
    if (np.diff(np.sort(top, axis=1), axis=1) == 0).any():
        raise ValueError("'top' holds a class twice for one image")
    least = _log_sum_exp(logits.astype(np.float64)) - _ROUNDING
    if total.shape != least.shape or not (np.isfinite(total).all() and (total >= least).all()):
        raise ValueError("'log_sum_exp' does not fit 'logits'")
    return top.astype(np.int32), total.astype(np.float32), width


def _log_sum_exp(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the sum of the exponentials of each row, (N,)."""
    largest = z.max(axis=1, initial=-np.inf)
    return largest + np.log(np.exp(z - largest[:, None]).sum(axis=1))


def _largest(z: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the classes of the largest logits of each row, the largest first, (N, K)."""
    some = np.argpartition(-z, TOP, axis=1)[:, :TOP]
    # Of equals the first class comes first, as it does where an answer is chosen.
    order = np.lexsort((some, -np.take_along_axis(z, some, axis=1)), axis=1)
    return np.take_along_axis(some, order, axis=1)
