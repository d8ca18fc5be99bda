"""A run's folder: what lies in it, and how it is written so that nothing half-done is believed.

The format is described in ``docs/run-folder.md``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class RunFolder:
    """The files of one run below ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "spec.json"
        self.log = path / "log.jsonl"
        self.result = path / "result.json"
        self.error = path / "error.json"
        self.predictions = path / "predictions.npz"
        self.features = path / "features.npz"
        self.latest = path / "checkpoint" / "latest.pt"
        self.best = path / "checkpoint" / "best.pt"

    @property
    def done(self) -> bool:
        """Whether the run has its result."""
        return self.result.exists()

    def start(self, spec: Mapping[str, Any]) -> None:
        """Create the folder with its specification."""
        self.latest.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.spec, spec)

    def append_log(self, record: Mapping[str, Any]) -> None:
        """Append one line to ``log.jsonl``."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")

    def cut_log(self, lines: int) -> None:
        """Keep the first ``lines`` lines of ``log.jsonl``, those that a checkpoint covers."""
        kept = self.log.read_bytes().splitlines(keepends=True)[:lines] if self.log.exists() else []
        write_bytes(self.log, b"".join(kept))

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write ``result.json``, which makes the run done, and drop what only a resume needs."""
        self.error.unlink(missing_ok=True)
        write_json(self.result, result)
        self.latest.unlink(missing_ok=True)

    def fail(self, error: Mapping[str, Any]) -> None:
        """Write ``error.json``."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.error, error)


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is there whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a compressed ``.npz`` so that the file is there whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside its place, then move it there in one step.

    Raises:
        OSError: the disk is full or the folder is not writable; no partial file is left.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
