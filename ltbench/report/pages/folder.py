"""Writes the files of the site into a folder, where it takes the place of nothing but its own.

A list in the folder names every file of the site with the SHA-256 of what was written. What is not
in it, or is no longer what was written, is somebody else's and stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ltbench.errors import UsageError
from ltbench.plugins.text import visible
from ltbench.regular_files import read_file
from ltbench.results.untrusted import UnreadableRun, read_json

LIST = ".ltbench-site.json"
"""The file that names the others."""

Digests = dict[str, list[str]]
"""SHA-256 that each file of the site may have, by its address."""


def write_site(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the site, and remove what an earlier one had that this one has not.

    Each file takes its place in one step, so that none is ever half-written. Where the writing is
    broken off, doing it again finishes it.

    Args:
        files: the files, by their addresses.
        folder: made where there is none.

    Raises:
        UsageError: something that this did not write is in the way, or cannot be written.
    """
    before = _read_list(folder)
    _check(files, folder, before)
    after = {address: [_digest(content)] for address, content in files.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        both = {a: [*before.get(a, []), *after.get(a, [])] for a in sorted({*before, *after})}
        _write(folder / LIST, _list(both))
        for address, content in files.items():
            path = folder / address
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, content)
        for address in before.keys() - after.keys():
            _remove(folder / address, before[address])
        _write(folder / LIST, _list(after))
    except OSError as error:
        raise UsageError(
            f"{error.filename or folder} cannot be written: {error.strerror}"
        ) from error


def check_folder(folder: Path) -> None:
    """Check that a site may be written into a folder, before it is made.

    Raises:
        UsageError: it is no folder, or holds something and no site.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"'{folder}' is no folder: name another with -o.")
    if folder.is_dir() and not (folder / LIST).is_file() and any(folder.iterdir()):
        raise UsageError(
            f"'{folder}' holds files that no site of ltbench put there: name an empty or a new "
            "folder with -o."
        )


def _check(files: Mapping[str, bytes], folder: Path, before: Digests) -> None:
    check_folder(folder)
    for address in files:
        path = folder / address
        for part in (path, *path.parents):
            if part == folder:
                break
            if part.is_symlink():
                raise UsageError(f"'{part}' is a link, behind which nothing is written: remove it.")
        if path.exists() and _digest_of(path) not in before.get(address, []):
            raise UsageError(
                f"'{path}' is not as ltbench wrote it, and is not written over: move it away, or "
                "name another folder with -o."
            )


def _read_list(folder: Path) -> Digests:
    """Return what is written of a site that is there; nothing where there is none.

    Raises:
        UsageError: the list is not as this writes it.
    """
    path = folder / LIST
    try:
        document = read_json(path) or {}
    except UnreadableRun as error:
        raise UsageError(f"'{folder}': {visible(str(error))}; remove the folder.") from error
    files = document.get("files", {})
    well = isinstance(files, dict) and all(
        isinstance(found, list) and _inside(address) for address, found in files.items()
    )
    if not well:
        raise UsageError(f"'{path}' is not a list that ltbench wrote: remove the folder.")
    return {
        address: [one for one in found if isinstance(one, str)] for address, found in files.items()
    }


def _inside(address: str) -> bool:
    path = PurePosixPath(address)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _remove(path: Path, digests: list[str]) -> None:
    """Remove a file that is still as it was written."""
    if path.is_file() and not path.is_symlink() and _digest_of(path) in digests:
        path.unlink()


def _list(files: Digests) -> bytes:
    return (json.dumps({"format": 1, "files": files}, indent=1, sort_keys=True) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".site-", suffix=".tmp")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _digest_of(path: Path) -> str:
    try:
        return _digest(read_file(path))
    except OSError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
