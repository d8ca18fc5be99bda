"""Fetches the sources that a data set's facts list, and arranges what the archives hold."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ltbench.command_start import command_start
from ltbench.data.archives import move_into, unpack
from ltbench.data.fetch import Source, fetch, wrong_content
from ltbench.data.locations import cache_folder
from ltbench.errors import DataError, UsageError
from ltbench.plugins.facts import Facts


def fetch_sources(
    entries: Iterable[Mapping[str, Any]], data_dir: Path, report: Callable[[str], None]
) -> None:
    """Fetch files below ``data_dir`` and unpack those that are archives.

    An entry's ``folder`` says where its file goes, ``unpack`` (true, or a folder) where its
    content, and ``rename`` which unpacked folders get other names. An archive is removed once its
    content is in place. What is there already is not fetched again, and a transfer that broke off
    goes on.

    Args:
        entries: of ``sources`` in the facts: ``file``, ``urls``, and where known ``sha256``,
            ``md5`` and ``size`` in bytes.
        data_dir: the folder of all data sets' files.
        report: takes a line about what is being done.

    Raises:
        DataError: a file cannot be had, or an archive is broken, empty or not safe.
        UsageError: a folder cannot be written or its disk is full.
    """
    for entry in entries:
        folder = data_dir / entry.get("folder", "")
        with _alone(folder / entry["file"], report):
            _fetch_and_unpack(entry, folder, report)


def _fetch_and_unpack(
    entry: Mapping[str, Any], folder: Path, report: Callable[[str], None]
) -> None:
    target = entry.get("unpack")
    content = folder / target if isinstance(target, str) else folder
    # Beside the content lies a note of what the archive gave. It holds only as long as all of
    # that is there: who removes a broken file is told to fetch it anew.
    note = content / f".{entry['file']}.unpacked"
    if target and _is_unpacked(note):
        report(f"{entry['file']} is unpacked in {content}")
        return
    path = fetch(Source.from_facts(entry), folder, report)
    if not target:
        return
    report(f"Unpacking {path}")
    names = unpack(path, content)
    if not names:
        raise DataError(f"{path} holds no files: remove it, then type the same command again")
    try:
        for old, new in entry.get("rename", {}).items():
            if (content / old).exists():
                move_into(content / old, content / new)
            else:
                report(f"{entry['file']} holds no folder '{old}', which '{new}' would be")
            names = [re.sub(f"^{re.escape(old)}(?=/|$)", new, name) for name in names]
        note.write_text("\n".join(names), encoding="utf-8")
        path.unlink()
    except OSError as error:
        raise UsageError(f"{content} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _alone(path: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process of this machine fetches or unpacks the same file.

    Two would write into one unfinished file, and unpack into one folder. The lock lies in the cache
    and not beside the data, where it would stay.

    Args:
        path: of the file, where it is fetched to.
        report: takes a line where that takes time.

    Raises:
        UsageError: the cache folder cannot be written.
    """
    name = hashlib.sha256(os.path.realpath(path).encode(errors="surrogateescape")).hexdigest()
    folder = cache_folder() / "fetching"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name[:16]}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            report(f"{path} is being fetched by another command, for which this one waits")
            lock.acquire()
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror or error}; set LTBENCH_CACHE to another "
            "folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _is_unpacked(note: Path) -> bool:
    if not note.is_file():
        return False
    names = note.read_text(encoding="utf-8").splitlines()
    return all((note.parent / name).exists() for name in names)


def wrong_files(entries: Iterable[tuple[Path, Mapping[str, Any]]]) -> list[str]:
    """Return one sentence per file whose size or checksum is not what is known of it.

    That is what its entry says or, where that says nothing, what was recorded beside the file when
    it was first downloaded.

    Args:
        entries: files that are there, each with its entry of ``sources`` in the facts.

    Raises:
        DataError: a record cannot be read.
        OSError: a file is not there or cannot be read.
    """
    lines = []
    for path, entry in entries:
        source = Source.from_facts(entry).locked(path.parent)
        if cause := wrong_content(path, source):
            lines.append(f"{path} {cause}")
    return lines


def where_to_put(facts: Facts, place: Path, name: str) -> str:
    """Return the sentence on a data set that is not there: how to get it, and where by hand.

    Args:
        facts: of the data set.
        place: where its images would be looked for.
        name: as a user types it, with parameters where they matter.
    """
    return (
        f"{facts.name} is not on this machine: type '{command_start()} data prepare {name}', or "
        f"put the images by hand in {place}"
    )
