"""Unpacking archives from the network: nothing lands outside the folder, and no links."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from ltbench.errors import DataError, LtbenchError, UsageError
from ltbench.plugins.text import visible
from ltbench.regular_files import open_file

MOST_ENTRIES = 5_000_000
_LONGEST_NAME = 1 << 20  # bytes of an entry's own headers
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack a tar (plain or compressed) or zip archive into ``folder``, all of it or nothing.

    Files that are there already are replaced. One process at a time may unpack an archive into a
    folder, which :func:`ltbench.data.sources.fetch_sources` sees to.

    Returns:
        What the archive gave, relative to ``folder``: its files and folders, and those in them.

    Raises:
        DataError: the archive is broken, or an entry leads out of the folder, is a link or a
            device; the message names it. Nothing is unpacked then.
        UsageError: the folder cannot be written or its disk is full.
    """
    with _explained(archive, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _fresh(folder / f".unpacking-{archive.name}") as place:
            if zipfile.is_zipfile(archive):
                _unzip(archive, place)
            else:
                _untar(archive, place)
            found = [path for pattern in ("*", "*/*") for path in place.glob(pattern)]
            names = sorted(path.relative_to(place).as_posix() for path in found)
            for path in sorted(place.iterdir()):
                move_into(path, folder / path.name)
    return names


@contextlib.contextmanager
def _fresh(place: Path) -> Iterator[Path]:
    """Make an empty folder, and remove it in the end.

    Its name is always the same, so that what a killed process left there goes the next time.
    """
    if place.exists():
        shutil.rmtree(place)
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def move_into(path: Path, target: Path) -> None:
    """Move a file or folder to where it may be already: folders merge, files are replaced.

    Raises:
        DataError: a folder lies where a file should.
    """
    if path.is_dir() and target.is_dir():
        for child in sorted(path.iterdir()):
            move_into(child, target / child.name)
        path.rmdir()
        return
    if target.is_dir():
        raise DataError(f"{target} is a folder where a file should be: remove it first")
    path.replace(target)


class TarFile(NamedTuple):
    """A file within an archive that is read where it lies.

    Attributes:
        name: in the archive; it does not lead out of a folder.
        offset: of its first byte in the archive.
        size: in bytes.
    """

    name: str
    offset: int
    size: int


def tar_files(archive: Path) -> Iterator[TarFile]:
    """Yield the files of a tar archive without unpacking it; folders are passed over.

    Args:
        archive: an archive that is not compressed, as its files could not be found in it again.

    Raises:
        DataError: it cannot be read, is compressed or cut, or an entry leads out of the folder, is
            a link, a device or has holes; the message names it.
    """
    try:
        length = archive.stat().st_size
        with open_file(archive) as file, tarfile.open(fileobj=file, mode="r:", tarinfo=_Entry) as t:
            for count, member in enumerate(t, start=1):
                if count > MOST_ENTRIES:
                    raise DataError(f"{archive} has more than {MOST_ENTRIES:,} entries")
                if member.isdir():
                    continue
                _check_name(archive, member.name)
                if not member.isreg() or member.issparse():
                    raise DataError(_refusal(archive, member.name, "is a link or a device"))
                if member.offset_data + member.size > length:
                    raise DataError(f"{archive} ends within '{visible(member.name)}': it is cut")
                yield TarFile(member.name, member.offset_data, member.size)
                t.members = []  # type: ignore[attr-defined]  # which it would keep
    except DataError:
        raise
    except Exception as error:  # on torn files the reader raises what it pleases
        cause = visible(" ".join(str(error).split()) or type(error).__name__, 400)
        raise DataError(
            f"{archive} cannot be read as a tar archive that is not compressed ({cause})"
        ) from error


class _Entry(tarfile.TarInfo):
    """An entry whose sizes are those of a file.

    Python reads the headers that extend an entry whole, whatever they say of their size, and turns
    back without end where it is negative.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0 or (self.type in _EXTENDED and self.size > _LONGEST_NAME):
            raise tarfile.ReadError(f"an entry says that it has {self.size} bytes")
        return super()._proc_member(tar)  # type: ignore[misc]


def _untar(archive: Path, place: Path) -> None:
    with tarfile.open(archive, tarinfo=_Entry) as tar:
        members: list[tarfile.TarInfo] = []
        for member in tar:
            if len(members) == MOST_ENTRIES:
                raise DataError(f"{archive} has more than {MOST_ENTRIES:,} entries")
            _check_name(archive, member.name)
            if not (member.isreg() or member.isdir()):
                raise DataError(_refusal(archive, member.name, "is a link or a device"))
            members.append(member)
        _check_room(archive, place, (member.size for member in members))
        tar.extractall(place, members=members, filter="data")


def _unzip(archive: Path, place: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            _check_name(archive, entry.filename)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(_refusal(archive, entry.filename, "is a link or a device"))
            # Readers of others unpack a chunk to whatever it holds, however little it says it is.
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(_refusal(archive, entry.filename, "is not deflated, as zips are"))
        _check_room(archive, place, (entry.file_size for entry in file.infolist()))
        file.extractall(place)


def _check_name(archive: Path, name: str) -> None:
    # Either system's idea of a path, so that an archive is as safe on one as on the other.
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(name)
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise DataError(_refusal(archive, name, "leads out of the folder"))


def _refusal(archive: Path, name: str, cause: str) -> str:
    entry = visible(name)
    return f"{archive} is not safe to unpack: its entry '{entry}' {cause}; nothing was unpacked"


def _check_room(archive: Path, place: Path, sizes: Iterable[int]) -> None:
    needed, free = sum(sizes), shutil.disk_usage(place).free
    if needed > free:
        raise UsageError(
            f"{archive} needs {needed / 1e9:.1f} GB in {place.parent} and {free / 1e9:.1f} GB are "
            "free: free some space, or choose another folder with --data-dir"
        )


@contextlib.contextmanager
def _explained(archive: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except LtbenchError:
        raise
    except OSError as error:
        if not isinstance(error, gzip.BadGzipFile):
            raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
        raise DataError(_broken(archive, error)) from error
    except Exception as error:  # on torn files the readers raise what they please
        raise DataError(_broken(archive, error)) from error


def _broken(archive: Path, error: Exception) -> str:
    cause = visible(" ".join(str(error).split()) or type(error).__name__, 400)
    return f"the archive {archive} is broken ({cause}): remove it, then prepare again"
