"""What the images of a data set are, told by their content: paths and times are no identity."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ltbench.data.image_files import stamped, stamps_fingerprint
from ltbench.data.locations import cache_folder
from ltbench.data.unseen_domains import stored
from ltbench.errors import DataError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.split import Split
from ltbench.regular_files import open_file

Progress = Callable[[int, int], None]
"""Called with files read and files in all."""

_AT_A_TIME = 64  # files that a thread reads


def content_sha256(dataset: Dataset, split: Split, progress: Progress | None = None) -> str:
    """Return the SHA-256 of the files that hold the images, in the order of the split.

    Two folders with the same images give the same, wherever they lie and whenever they were
    written. Reading takes about a second for two gigabytes; what was read is remembered in the
    cache for as long as no file's size or time changes.

    Args:
        dataset: the data set.
        split: its table.
        progress: is told how far reading is, where files have to be read.

    Returns:
        64 hexadecimal digits, or nothing where the images are no files of the user's
        (:meth:`ltbench.api.Dataset.image_files`).

    Raises:
        DataError: a file cannot be read.
    """
    dataset, split = stored(dataset, split)
    known: dict[str, tuple[str, str]] = vars(dataset).setdefault("_content_sha256", {})
    if split.sha256 not in known:
        files = dataset.image_files(split)
        stamps = _stamps(files)
        found = _remembered(dataset, split, files, stamps, progress) if files else ""
        known[split.sha256] = found, stamps
    return known[split.sha256][0]


def remembered_content(dataset: Dataset, split: Split) -> str | None:
    """Return what :func:`content_sha256` does; ``None`` where files would have to be opened for it.

    Sizes and times of the files are asked for, which takes a second or two for half a million.
    """
    dataset, split = stored(dataset, split)
    files = dataset.image_files(split)
    return _recall(_kept_at(dataset, split, files, _stamps(files))) if files else ""


def check_content(dataset: Dataset, split: Split) -> None:
    """Look at the files once more, after they were decoded: nobody may have changed one meanwhile.

    Raises:
        DataError: they are no longer what they were when they were read.
    """
    dataset, split = stored(dataset, split)
    content_sha256(dataset, split)
    known = vars(dataset)["_content_sha256"]
    if _stamps(dataset.image_files(split)) != known[split.sha256][1]:
        del known[split.sha256]
        raise DataError(
            f"images of {dataset.name} were changed while they were read: type the command again"
        )


def _stamps(files: Sequence[str]) -> str:
    """Return what changes with any file's name, size or time."""
    return stamps_fingerprint(stamped(files))


def _remembered(
    dataset: Dataset,
    split: Split,
    files: Sequence[str],
    stamps: str,
    progress: Progress | None,
) -> str:
    path = _kept_at(dataset, split, files, stamps)
    found = _recall(path)
    if found is None:
        found = _read(files, progress)
        _remember(path, f"{found} {_sha256(found)}")
    return found


def _kept_at(dataset: Dataset, split: Split, files: Sequence[str], stamps: str) -> Path:
    """Return the file of the cache that remembers what was read of files."""
    place = os.path.dirname(os.path.abspath(files[0]))
    key = "\0".join((dataset.name, split.sha256, stamps, place))
    return cache_folder() / "contents" / _sha256(key)[:32]


def _recall(path: Path) -> str | None:
    """Return what is remembered; ``None`` where it is not there, or damaged."""
    try:
        found, _, check = path.read_text(encoding="ascii").partition(" ")
    except (OSError, ValueError):
        return None
    return found if check == _sha256(found) else None


def _read(files: Sequence[str], progress: Progress | None) -> str:
    digest, done = hashlib.sha256(), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        starts = range(0, len(files), _AT_A_TIME)
        for digests in pool.map(_digests, (files[i : i + _AT_A_TIME] for i in starts)):
            digest.update(digests)
            done += len(digests) // hashlib.sha256().digest_size
            if progress:
                progress(done, len(files))
    return digest.hexdigest()


def _digests(files: Sequence[str]) -> bytes:
    found = []
    for name in files:
        try:
            with open_file(Path(name)) as file:
                found.append(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise DataError(f"the image {name} cannot be read: {error.strerror}") from error
    return b"".join(found)


def _remember(path: Path, text: str) -> None:
    """Keep it for the next time; where that cannot be, the files are read again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_text(text, encoding="ascii")
        temporary.replace(path)
    except OSError:
        return


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
