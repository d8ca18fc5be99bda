"""Reading a submission, whoever made it: nothing outside its folder, no links, no bombs, no copies.

What cannot be an honest archive is refused as a whole. What is whole and says something that does
not hold, such as a file of another digest than the manifest gives, is told, as are members that
break off.
"""

from __future__ import annotations

import atexit
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltbench.errors import DataError, UsageError
from ltbench.plugins.text import visible
from ltbench.regular_files import LARGEST, open_file
from ltbench.results.submission import FORMAT, MANIFEST, file_digest, is_member
from ltbench.results.untrusted import UnreadableRun, clean, read_json

_MOST_MEMBERS = 200_000
_LARGEST_DOCUMENT = 256 * 2**20
_CHUNK = 2**20


@dataclass(frozen=True)
class Unpacked:
    """A submission on this machine.

    Attributes:
        root: a temporary folder with its members; it goes when the process ends.
        manifest: the content of ``manifest.json``.
        by: who says to have made it, empty where nobody does.
        broken: (member, what is wrong with it) of those that are not what the manifest says.
    """

    root: Path
    manifest: dict[str, Any]
    by: str
    broken: tuple[tuple[str, str], ...]


def unpack_submission(path: Path) -> Unpacked:
    """Unpack a submission into a temporary folder.

    Raises:
        UsageError: the file cannot be opened.
        DataError: it is no submission, or not safe to unpack; the message says why.
    """
    try:
        open_file(path).close()
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror}") from error
    place = tempfile.TemporaryDirectory(prefix="ltbench-submission-")
    atexit.register(place.cleanup)
    root = Path(place.name)
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check(path, entries, shutil.disk_usage(root).free)
            torn = [(e.filename, cause) for e in entries if (cause := _copy(archive, e, root))]
    except (DataError, UsageError):
        raise
    except Exception as error:  # on torn archives the reader raises what it pleases
        cause = visible(" ".join(str(error).split()) or type(error).__name__, 200)
        raise DataError(
            f"{path} is no whole submission ({cause}): it breaks off or is something else"
        ) from error
    manifest = _manifest(path, root)
    others = _others(manifest["files"], root, {name for name, _ in torn})
    by = manifest.get("by")
    name = clean(by) if isinstance(by, str) else ""
    return Unpacked(root, manifest, name, (*torn, *others))


def _check(path: Path, entries: list[zipfile.ZipInfo], free: int) -> None:
    """Refuse an archive that no command of ltbench wrote, before anything of it is read."""

    def refuse(entry: zipfile.ZipInfo, cause: str) -> DataError:
        name = visible(entry.filename)
        return DataError(f"{path} is no submission: its entry '{name}' {cause}; nothing was read")

    if len(entries) > _MOST_MEMBERS:
        raise DataError(f"{path} is no submission: it has more than {_MOST_MEMBERS:,} entries")
    # Of an archive that breaks off the reader finds another, an archive of arrays within it.
    if MANIFEST not in {entry.filename for entry in entries}:
        raise DataError(
            f"{path} is no whole submission: it has no {MANIFEST}, so it breaks off or is "
            "something else"
        )
    seen: set[str] = set()
    for entry in entries:
        # Names that differ in case alone are one file on some systems.
        if entry.filename.casefold() in seen:
            raise refuse(entry, "is there twice")
        seen.add(entry.filename.casefold())
        if not is_member(entry.filename):
            raise refuse(entry, "is none of the files of a run")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise refuse(entry, "is a link or a device")
        if entry.flag_bits & 1:
            raise refuse(entry, "is encrypted")
        # Readers of others unpack a chunk to whatever it holds before its size can be looked at.
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refuse(entry, "is compressed in a way that ltbench does not write")
        if entry.file_size > _most(entry.filename):
            raise refuse(entry, f"is larger than {_most(entry.filename) // 2**20:,} MB")
    needed = sum(entry.file_size for entry in entries)
    if needed > free:
        raise DataError(
            f"{path} says that it holds {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in "
            f"{tempfile.gettempdir()}"
        )


def _most(name: str) -> int:
    return LARGEST if name.endswith(".npz") else _LARGEST_DOCUMENT


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path) -> str:
    """Copy a member to its place, and return what is wrong with it; nothing where it is whole."""
    target = root / entry.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    try:
        with archive.open(entry) as source, target.open("xb") as file:
            while chunk := source.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    return "holds more than it says"
                file.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        return f"is damaged ({visible(str(error), 100)})"
    return "" if left == 0 else "breaks off"


def _manifest(path: Path, root: Path) -> dict[str, Any]:
    try:
        manifest = read_json(root / MANIFEST)
    except UnreadableRun as error:
        raise DataError(f"{path}: {error}") from error
    if manifest is None:
        raise DataError(f"{path} is no submission: it has no {MANIFEST}")
    if manifest.get("format") != FORMAT:
        found = visible(repr(manifest.get("format")))
        raise DataError(f"{path}: {MANIFEST} has format {found}, not {FORMAT}: upgrade ltbench")
    if not isinstance(manifest.get("files"), dict):
        raise DataError(f"{path}: {MANIFEST} names no 'files'")
    return manifest


def _others(files: dict[str, Any], root: Path, torn: set[str]) -> Iterator[tuple[str, str]]:
    """Yield members that are others than the manifest says."""
    there = {
        member.relative_to(root).as_posix() for member in root.rglob("*") if member.is_file()
    } - {MANIFEST}
    for name in sorted(there | files.keys()):
        if name not in there:
            yield clean(name), "is in the manifest and not in the archive"
        elif name not in files:
            yield name, "is in the archive and not in the manifest"
        elif name not in torn and file_digest(root / name) != files[name]:
            yield name, "was changed after it was handed in: its SHA-256 is not the manifest's"
