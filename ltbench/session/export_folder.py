"""The folder of an export: what is in it, and how it appears whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from ltbench.errors import UsageError
from ltbench.results.untrusted import UnreadableRun, read_json

CARD, LABELS, RECORD = "MODEL_CARD.md", "labels.txt", "export.json"
FORMAT = 1
FILES = frozenset({CARD, LABELS, RECORD, "model.onnx", "model.safetensors", "config.json"})
"""What an export consists of; a folder with anything else in it is somebody's own."""


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Check that an export may be written to a folder.

    Raises:
        UsageError: something else is there, or an earlier export that is not to be replaced.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if not _is_export(folder):
        raise UsageError(
            f"{folder} exists and is no earlier export alone: name a folder that does not exist"
        )
    if not overwrite:
        raise UsageError(f"{folder} is an earlier export: --overwrite replaces it")


def _is_export(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        record = read_json(folder / RECORD)
        names = {path.name for path in folder.iterdir()}
    except (UnreadableRun, OSError):
        return False
    return record is not None and record.get("format") == FORMAT and names <= FILES


@contextlib.contextmanager
def draft_of(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a folder beside a place, which is moved there at the end, or removed on any error.

    Args:
        folder: the place.
        overwrite: whether an earlier export that is there is replaced.

    Raises:
        UsageError: something was put there meanwhile.
        OSError: it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex
    draft, old = (folder.with_name(f".{folder.name}.{token}.{end}") for end in ("tmp", "old.tmp"))
    draft.mkdir()
    try:
        yield draft
        check_place(folder, overwrite=overwrite)  # once more, as it took a while
        if folder.exists():
            folder.rename(old)
        try:
            draft.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        for left in (draft, old):
            shutil.rmtree(left, ignore_errors=True)
