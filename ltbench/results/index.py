"""The run index: what reports need of every run, kept in one file of the user's own.

Opening three JSON files for each of 10,000 runs is what makes reports slow, so their small parts
are kept in the user's cache, in a file for each folder of runs, under the run's path with the times
and sizes of its files; a run whose files changed is read again. The index is a cache and nothing
else: it may be deleted, broken, locked or impossible to write, and the answer stays the same. It
does not lie with the runs, as those may be somebody else's: what that person wrote into an index
would be believed over the files.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from ltbench.data.locations import cache_folder
from ltbench.results.earlier import present_result
from ltbench.results.parse_record import known_steps, parse_record, unreadable
from ltbench.results.run import RunRecord, Status
from ltbench.results.untrusted import UnreadableRun, clean, read_json

logger = logging.getLogger(__name__)

_VERSION = 8
_TABLE = "CREATE TABLE runs (path TEXT PRIMARY KEY, stamp TEXT, standing TEXT, documents TEXT)"
_UNUSED_S = 100 * 86400.0
_DEEPEST = 8
_FILES = ("spec.json", "result.json", "error.json")
_Row = tuple[str, str, str, str]
_STANDING = (
    "status", "reason", "hash", "protocol_hash", "seed", "method", "algorithm", "stages", "dataset",
    "options", "protocol", "tuned", "seconds",
)  # fmt: skip
_STANDING_TYPES = [
    type(json.loads(json.dumps(getattr(unreadable("", ""), name)))) for name in _STANDING
]


def read_runs(root: Path, *, scores: bool = True, keep: bool = True) -> list[RunRecord]:
    """Return every run below ``root`` (or ``root`` itself), in the order of their paths.

    Args:
        root: the folder.
        scores: whether metrics, hyper-parameters and environment are wanted, which takes three
            times as long; records that are read anew have them all the same.
        keep: whether the index keeps what is read anew.
    """
    found = {os.path.normpath(path): stamp for path, stamp in _find_runs(str(root), 0)}
    kept, gone = _load(root, found, scores)
    records: list[RunRecord] = []
    fresh: list[_Row] = []
    for path in sorted(found):
        record = kept.get(path)
        if record is None:
            documents = _read_documents(Path(path))
            record = _record(path, documents)
            row = (
                os.path.relpath(path, root),
                found[path],
                _to_standing(record),
                json.dumps(documents),
            )
            fresh.append(row)
        records.append(record)
    logger.debug("%d runs in %s, %d of them read anew", len(records), root, len(fresh))
    if keep and not (root / "spec.json").is_file() and (fresh or gone):
        _store(root, fresh, {os.path.relpath(path, root) for path in found})
    return records


def index_file(root: Path) -> Path:
    """Return where the index of a folder of runs lies, for this user."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container that has no name for its user
        user = str(os.getuid())
    place = f"{user}\0{os.path.realpath(root)}"
    digest = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()
    return cache_folder() / "runs" / f"{digest[:24]}.sqlite"


def _find_runs(folder: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield run folders with the stamp of their files; links are not followed."""
    stamps: dict[str, str] = {}
    below: list[str] = []
    # What cannot be looked at hides nothing that can.
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in _FILES:
                stamps[entry.name] = _stamp(entry)
            elif not entry.name.startswith(".") and _is_folder(entry):
                below.append(entry.path)
    if "spec.json" in stamps:
        yield folder, " ".join(stamps.get(name, "-") for name in _FILES)
    if stamps.get("spec.json", "-") == "-" and depth < _DEEPEST:
        for path in below:
            yield from _find_runs(path, depth + 1)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _stamp(entry: os.DirEntry[str]) -> str:
    """Return times and size of a file; a dangling link, or what just vanished, has none."""
    try:
        state = entry.stat()
    except OSError:
        return "-"
    # Nobody can set the second time, which tells an exchanged file.
    return f"{state.st_mtime_ns}:{state.st_ctime_ns}:{state.st_size}"


def _read_documents(folder: Path) -> dict[str, Any]:
    """Return the small parts of a run's documents; ``unreadable`` holds a reason instead."""
    try:
        spec, result, error = (read_json(folder / name) for name in _FILES)
    except UnreadableRun as problem:
        return {"unreadable": str(problem)}
    if spec is None:
        return {"unreadable": "spec.json is missing"}
    result = present_result(spec, result) if result is not None else None
    data = spec.get("data")
    kept = data if isinstance(data, dict) else {}
    spec["data"] = {key: kept.get(key, "") for key in ("title", "split")}
    for large in ("confusion", "domains", "val", "selection"):
        (result or {}).pop(large, None)
    if error is not None:
        error.pop("traceback", None)
    return {"spec": spec, "result": result, "error": error}


def _record(path: str, documents: dict[str, Any]) -> RunRecord:
    if "unreadable" in documents:
        return unreadable(path, str(documents["unreadable"]))
    try:
        return parse_record(path, documents["spec"], documents["result"], documents["error"])
    except (UnreadableRun, KeyError, TypeError, AttributeError) as problem:
        return unreadable(path, str(problem))


def _load(root: Path, found: dict[str, str], scores: bool) -> tuple[dict[str, RunRecord], int]:
    """Return the records of runs whose files are as they were, and how many runs are gone."""
    kept: dict[str, RunRecord] = {}
    gone = 0
    file = index_file(root)
    if not os.path.isfile(file):
        return kept, gone
    address = f"{file.absolute().as_uri()}?mode=ro"
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(address, uri=True, timeout=5)) as database,
    ):
        if not _is_index(database):
            return kept, gone
        column = "documents" if scores else "standing"
        for relative, stamp, text in database.execute(f"SELECT path, stamp, {column} FROM runs"):
            path = os.path.normpath(os.path.join(root, str(relative)))
            gone += path not in found
            if found.get(path) != stamp:
                continue
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                if not scores:
                    kept[path] = _from_standing(path, text)
                elif isinstance(documents := json.loads(text), dict):
                    kept[path] = _record(path, documents)
    return kept, gone


def _is_index(database: sqlite3.Connection) -> bool:
    """Return whether a file holds the one table and nothing else: no view, no trigger."""
    if database.execute("PRAGMA user_version").fetchone() != (_VERSION,):
        return False
    made = database.execute("SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 2")
    return made.fetchall() == [("table", _TABLE)]


def _store(root: Path, fresh: list[_Row], present: set[str]) -> None:
    """Write what was read anew and forget runs that are gone; failing to do so costs only time."""
    try:
        file = index_file(root)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            _forget_unused(file.parent)
        _write(file, fresh, present)
    except sqlite3.DatabaseError as problem:
        if isinstance(problem, sqlite3.OperationalError):
            return  # locked by another process, or the folder cannot be written
        with contextlib.suppress(OSError):
            file.unlink()  # not an index: it is made anew the next time
    except (OSError, UnicodeError):
        return


def _forget_unused(folder: Path) -> None:
    """Remove indices that were not written for long, as of folders that are no more."""
    for file in folder.glob("*.sqlite"):
        if time.time() - file.stat().st_mtime > _UNUSED_S:
            file.unlink(missing_ok=True)


def _write(file: Path, fresh: list[_Row], present: set[str]) -> None:
    with contextlib.closing(sqlite3.connect(file, timeout=5)) as database, database:
        database.execute("BEGIN IMMEDIATE")
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            database.execute(_TABLE)
            database.execute(f"PRAGMA user_version = {_VERSION}")
        if not _is_index(database):
            raise sqlite3.DatabaseError("another version's, or none of ours")
        gone = {row[0] for row in database.execute("SELECT path FROM runs")} - present
        database.executemany("DELETE FROM runs WHERE path = ?", ((name,) for name in gone))
        database.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", fresh)


def _to_standing(record: RunRecord) -> str:
    """Return as JSON the few fields that say how a run stands, small enough for 10,000 in a blink.

    Left out are hyper-parameters, metrics and the environment.
    """
    return json.dumps([getattr(record, name) for name in _STANDING])


def _from_standing(path: str, text: str) -> RunRecord:
    """Return the record of :func:`_to_standing`, without what that leaves out.

    Raises:
        ValueError: it is something else.
    """
    values = json.loads(text)
    if not isinstance(values, list) or [type(value) for value in values] != _STANDING_TYPES:
        raise ValueError("these are not the fields that say how a run stands")
    known = dict(zip(_STANDING, values, strict=True))
    known |= {name: clean(value) for name, value in known.items() if isinstance(value, str)}
    if known["status"] not in get_args(Status):
        raise ValueError(f"there is no status {known['status']!r}")
    known["stages"] = tuple(clean(str(stage)) for stage in known["stages"])
    known["steps"] = known_steps(known["stages"], known["protocol"])
    return RunRecord(path=path, **known)
