"""A run's folder: what lies in it, and how it is written so that nothing half-done is believed.

The format is described in ``docs/run-folder.md``.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ltbench.results.claim import is_claim_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

LOGITS = "logits.npz"


class RunFolder:
    """The files of one run below ``path``.

    Args:
        path: the folder.
        guard: called before anything is written; raises where the run is not this process's.
    """

    def __init__(self, path: Path, guard: Callable[[], None] = lambda: None) -> None:
        self.path, self.guard = path, guard
        self.spec = path / "spec.json"
        self.log = path / "log.jsonl"
        self.result = path / "result.json"
        self.error = path / "error.json"
        self.predictions = path / "predictions.npz"
        self.features = path / "features.npz"
        self.logits = path / LOGITS
        self.latest = path / "checkpoint" / "latest.pt"
        self.beginning = path / "checkpoint" / "stage.pt"
        self.best = path / "checkpoint" / "best.pt"

    @property
    def done(self) -> bool:
        """Whether the run has its result."""
        return self.result.exists()

    def start(self, spec: Mapping[str, Any]) -> None:
        """Create the folder with its specification, and remove what earlier attempts left.

        Their error goes too: a run that is tried again has not failed, and if it is killed now, it
        was broken off.
        """
        self.guard()
        self.error.unlink(missing_ok=True)
        self.latest.parent.mkdir(parents=True, exist_ok=True)
        _remove_drafts(self.path)
        _remove_drafts(self.latest.parent)
        content = _json(spec)
        if not self.spec.is_file() or self.spec.read_bytes() != content:
            write_bytes(self.spec, content, sync=None)

    def append_log(self, record: Mapping[str, Any]) -> None:
        """Append one line to ``log.jsonl``."""
        self.guard()
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")

    def cut_log(self, lines: int) -> bool:
        """Keep the first ``lines`` lines of ``log.jsonl``, those that a checkpoint covers.

        Returns:
            Whether they are all there and whole; if not, the log is as it was.
        """
        self.guard()
        if self.log.is_symlink() or not self.log.is_file():
            self.log.unlink(missing_ok=True)  # whatever it leads to is not to be written to
        there = self.log.read_bytes() if self.log.exists() else b""
        kept = there.splitlines(keepends=True)[:lines]
        if len(kept) < lines or not all(map(_is_record, kept)):
            logger.info("%s does not fit its checkpoint, so the run begins anew", self.log)
            return False
        if b"".join(kept) != there:
            write_bytes(self.log, b"".join(kept))
        self.log.touch()
        return True

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write ``result.json``, which makes the run done, and drop what only a resume needs."""
        self.guard()
        # Whatever a done run promises is on the disk before it is done.
        arrays = [self.predictions, self.features, self.logits]
        sync_files([self.spec, self.log, self.best, *arrays])
        self.error.unlink(missing_ok=True)
        write_json(self.result, result)
        self.latest.unlink(missing_ok=True)
        self.beginning.unlink(missing_ok=True)

    def fail(self, error: Mapping[str, Any]) -> None:
        """Write ``error.json``, and remove what a process that was killed was writing."""
        self.guard()
        self.path.mkdir(parents=True, exist_ok=True)
        _remove_drafts(self.path)
        _remove_drafts(self.latest.parent)
        write_json(self.error, error)

    def tidy(self) -> None:
        """Remove from a done run what processes that were killed at the very end left behind.

        Nobody works on a done run, and a claim on one is given up as soon as its owner looks, so
        all claims and temporary files are litter.
        """
        with contextlib.suppress(OSError):
            for name in os.listdir(self.path):
                if is_claim_file(name):
                    (self.path / name).unlink(missing_ok=True)
            self.latest.unlink(missing_ok=True)
            self.beginning.unlink(missing_ok=True)
            self.error.unlink(missing_ok=True)
            _remove_drafts(self.path)
            _remove_drafts(self.latest.parent)


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is there whole or not at all."""
    write_bytes(path, _json(value))


def write_arrays(
    path: Path, arrays: Mapping[str, NDArray[Any]], sync: Sequence[Path] | None = ()
) -> None:
    """Write a compressed ``.npz`` so that the file is there whole or not at all."""
    import numpy as np  # which commands that only look at runs do not wait for

    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue(), sync)


def write_bytes(path: Path, content: bytes, sync: Sequence[Path] | None = ()) -> None:
    """Write a file beside its place, then move it there in one step.

    Args:
        path: its place.
        content: what it holds.
        sync: as of :func:`write_file`.

    Raises:
        OSError: the disk is full or the folder is not writable; no partial file is left.
    """
    write_file(path, lambda file: file.write(content), sync)


def write_file(
    path: Path,
    write: Callable[[BinaryIO], object],
    sync: Sequence[Path] | None = (),
    guard: Callable[[], None] = lambda: None,
) -> None:
    """Have a file written beside its place, then move it there in one step.

    Args:
        path: its place.
        write: writes what it holds.
        sync: other files that must have reached the disk when it is there; ``None`` if not even
            this one must, as somebody calls :func:`sync_files` later.
        guard: called just before it is moved; raises where it shall not be.

    Raises:
        OSError: the disk is full or the folder is not writable; no partial file is left.
    """
    # Not by tempfile, whose files nobody else may read: colleagues share results.
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with draft.open("xb") as file:
            write(file)
        if sync is not None:
            sync_files([draft, *sync])
        guard()
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def sync_files(paths: Iterable[Path]) -> None:
    """Wait until files have reached the disk; those that are not there count as if they had.

    All at once: a journalling file system then commits them together, in a fraction of the time.
    """
    there = [path for path in paths if path.exists()]
    if len(there) == 1:
        _sync(there[0])
    else:
        list(_syncing().map(_sync, there))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@lru_cache(maxsize=1)
def _syncing() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(5, "sync")


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _is_record(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _remove_drafts(folder: Path) -> None:
    """Remove temporary files; a claim's too, which whoever is about to claim writes again."""
    for name in os.listdir(folder) if folder.is_dir() else ():
        if name.startswith(".") and name.endswith(".tmp"):
            (folder / name).unlink(missing_ok=True)
