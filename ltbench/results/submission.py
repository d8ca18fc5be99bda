"""A submission: runs that somebody hands to a board, as one archive of the same bytes each time.

``manifest.json`` says who made it with what, and has the SHA-256 of every other member; below
``runs/`` stand the documents and answers of each run. There are no images, weights or features. See
``docs/submit.md``.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.errors import DataError, UsageError
from ltbench.results.folder import LOGITS, write_file

FORMAT = 1
SUFFIX = ".zip"
"""What the name of a submission ends in."""
MANIFEST = "manifest.json"
DOCUMENTS = ("spec.json", "result.json", "log.jsonl")
ARRAYS = ("predictions.npz", LOGITS)
FILES = (*DOCUMENTS, *ARRAYS)
"""What is handed in of a run; what was made of other runs has no log."""
PER_MACHINE = ("places", "weights_file")
"""What stands in ``spec.json`` for the machine that trained, and is no part of the run."""
RUNS = "runs"
_MEMBER = re.compile(
    rf"{RUNS}(/[^/\\:\x00-\x1f]{{1,200}}){{2}}/[0-9a-f]{{12}}/seed-\d{{1,20}}/([^/]+)"
)
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that an archive can hold
_MODE = 0o100644 << 16  # a regular file that everybody may read


def is_member(name: str) -> bool:
    """Return whether a submission may have a member of this name."""
    found = _MEMBER.fullmatch(name)
    parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts)
    return name == MANIFEST or (found is not None and found[2] in FILES and not hidden)


def document_bytes(document: Mapping[str, Any]) -> bytes:
    """Return a document as it stands in a submission: the same bytes for the same content.

    Raises:
        DataError: it holds a number that is not finite.
    """
    try:
        return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    except ValueError as error:
        raise DataError(
            "spec.json, or the environment in result.json, of a run holds a number that is not "
            "finite, as 1e999 is: leave the run out"
        ) from error


def write_submission(
    members: Mapping[str, bytes | Path], manifest: Mapping[str, Any], path: Path
) -> None:
    """Write an archive: the manifest first, then the members by name.

    Nothing in it depends on when or where it is written, so that the same runs make the same bytes.

    Args:
        members: contents, or files to copy, by the names that they get.
        manifest: without the digests, which are added as ``files``.
        path: of the archive; what is there is replaced.

    Raises:
        UsageError: a file cannot be read, or the archive not be written.
        DataError: the manifest holds a number that is not finite.
    """
    try:
        contents = {name: _content(members[name]) for name in sorted(members)}
        digests = {name: _digest(content) for name, content in contents.items()}
        first = document_bytes({**manifest, "files": digests})
        path.parent.mkdir(parents=True, exist_ok=True)

        def write(file: Any) -> None:
            with zipfile.ZipFile(file, "w") as archive:
                for name, content in ((MANIFEST, first), *contents.items()):
                    archive.writestr(_entry(name), _bytes(content))

        write_file(path, write)
    except OSError as error:
        where = error.filename or path
        raise UsageError(f"{path} cannot be written: {where}: {error.strerror}") from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content(member: bytes | Path) -> bytes | Path:
    if isinstance(member, Path):
        with member.open("rb"):
            return member
    return member


def _bytes(content: bytes | Path) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content


def _digest(content: bytes | Path) -> str:
    if isinstance(content, Path):
        return file_digest(content)
    return hashlib.sha256(content).hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system, entry.external_attr = 3, _MODE
    # Arrays are compressed already.
    packed = not name.endswith(".npz")
    entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    return entry
