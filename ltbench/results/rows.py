"""The rows of a board: one line a run, from which every table is made again without the runs.

A line is a JSON object: ``format``, the run's ``spec`` and ``result`` (its ``spec.json`` without
paths of the machine, and ``result.json``), ``predictions`` (its ``predictions.npz`` with classes,
domains and predictions alone, in base64), ``logits_sha256``, the ``date`` when it was done (UTC)
and, where somebody else made the run, ``origin`` and ``badge``. See ``docs/boards.md``.
"""

from __future__ import annotations

import atexit
import base64
import binascii
import hashlib
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ltbench.errors import DataError, UsageError
from ltbench.plugins.text import visible
from ltbench.regular_files import open_file, read_file
from ltbench.results.folder import LOGITS, write_bytes
from ltbench.results.run import RunRecord
from ltbench.results.submission import PER_MACHINE
from ltbench.results.untrusted import UnreadableRun, clean, parse_line, read_json

SUFFIX = ".jsonl"
"""What the name of a file of rows ends in."""
FORMAT = 1
ABOUT = ("logits_sha256", "date", "origin", "badge")
"""What a row says beside the files of the run; kept as ``row.json`` where rows are unpacked."""
_LONGEST_ROW = 2**26


def write_rows(
    records: Sequence[RunRecord],
    path: Path,
    badges: Mapping[str, str] | None = None,
    origin: str = "",
) -> int:
    """Write the rows of those runs that are done, and return how many they are.

    They are sorted by data set, protocol, method and seed, so that a longer board differs from a
    shorter one by the lines that were added.

    Args:
        records: the runs.
        path: of the file.
        badges: of runs that somebody handed in, by their folders. Their rows have no date, as their
            files are of the day on which they came.
        origin: who handed those in that do not say it themselves.

    Raises:
        UsageError: none of the runs is done.
        DataError: a run's files do not fit; the message names them.
    """
    done = [record for record in records if record.status == "done"]
    if not done:
        raise UsageError(f"none of the {len(records)} runs is done: there are no rows to write")
    done.sort(key=lambda r: (r.dataset, r.protocol_hash, r.label, r.hash, r.seed))
    lines = [
        _line(_handed_in(_row(Path(one.path)), (badges or {}).get(one.path), origin), one.path)
        for one in done
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, b"".join(lines))
    return len(lines)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, each with its ``spec`` and ``result``.

    Raises:
        UsageError: the file cannot be opened.
        DataError: a line is no row; the message names it.
    """
    try:
        file = open_file(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror}") from error
    with file:
        number = 0
        while line := file.readline(_LONGEST_ROW):
            number += 1
            row = parse_line(line) if line.endswith(b"\n") else None
            if row is None:
                raise DataError(f"{path}, line {number} is torn or no JSON object")
            if row.get("format") != FORMAT:
                found = visible(repr(row.get("format")), 50)
                raise DataError(f"{path}, line {number} has format {found}, not {FORMAT}")
            if not all(isinstance(row.get(name), dict) for name in ("spec", "result")):
                raise DataError(f"{path}, line {number} lacks 'spec' or 'result'")
            yield row
    if not number:
        raise DataError(f"{path} is empty: there are no rows in it")


def known_runs(path: Path) -> set[tuple[str, int]]:
    """Return the hashes and seeds of the runs whose rows stand in a file.

    Raises:
        UsageError, DataError: as :func:`read_rows`.
    """
    keys = ((row["spec"].get("hash"), row["spec"].get("seed")) for row in read_rows(path))
    return {(hash_, seed) for hash_, seed in keys if isinstance(hash_, str) and type(seed) is int}


def opened(path: Path) -> Path:
    """Return a folder with a folder for each row, which reports read as they do those of runs.

    It is a temporary one, and goes when the process ends.

    Raises:
        UsageError, DataError: as :func:`read_rows`.
    """
    try:
        stamp = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror}") from error
    return _opened(path.absolute(), stamp.st_mtime_ns, stamp.st_size)


@lru_cache
def _opened(path: Path, mtime: int, size: int) -> Path:
    place = tempfile.TemporaryDirectory(prefix="ltbench-rows-")
    atexit.register(place.cleanup)
    root = Path(place.name, path.name)
    for number, row in enumerate(read_rows(path), 1):
        folder = root / f"line-{number:06}"
        folder.mkdir(parents=True)
        for name in ("spec", "result"):
            (folder / f"{name}.json").write_text(json.dumps(row[name]), encoding="utf-8")
        (folder / "row.json").write_text(json.dumps(_about(row)), encoding="utf-8")
        if "predictions" in row:
            try:
                content = base64.b64decode(row["predictions"], validate=True)
            except (TypeError, ValueError, binascii.Error) as error:
                raise DataError(f"{path}, line {number}: 'predictions' is not base64") from error
            (folder / "predictions.npz").write_bytes(content)
    return root


def about_row(folder: Path) -> dict[str, str]:
    """Return what the row of an unpacked run says of it (:data:`ABOUT`); empty for other runs."""
    try:
        return _about(read_json(folder / "row.json") or {})
    except UnreadableRun:
        return {}


def _about(row: dict[str, Any]) -> dict[str, str]:
    return {name: clean(row[name]) for name in ABOUT if isinstance(row.get(name), str)}


def _handed_in(row: dict[str, Any], badge: str | None, origin: str) -> dict[str, Any]:
    """Return the row of a run with its badge, if it has one."""
    if badge is None:
        return row
    dated = {name: value for name, value in row.items() if name != "date"}
    return {"origin": origin, **dated, "badge": badge}


def _line(row: dict[str, Any], path: str) -> bytes:
    try:
        text = json.dumps(row, separators=(",", ":"), sort_keys=True, allow_nan=False)
    except ValueError as error:  # 1e999, which no JSON of ltbench's holds
        raise DataError(
            f"{path}: its spec.json or result.json holds a number that is not finite, so there is "
            "no row of it: train it anew, or leave the run out"
        ) from error
    return text.encode() + b"\n"


def _row(folder: Path) -> dict[str, Any]:
    """Return the row of a run.

    Raises:
        DataError: its files do not fit.
    """
    try:
        spec, result = (read_json(folder / f"{name}.json") for name in ("spec", "result"))
    except UnreadableRun as error:
        raise DataError(f"{folder}: {error}") from error
    if spec is None or result is None:
        raise DataError(f"{folder}: spec.json or result.json is gone")
    spec = {name: value for name, value in spec.items() if name not in PER_MACHINE}
    finished = datetime.fromtimestamp((folder / "result.json").stat().st_mtime, UTC)
    row = {"format": FORMAT, "spec": spec, "result": result, "date": f"{finished:%Y-%m-%d}"}
    if about := about_row(folder):  # whose day is that of its run, and not of the file here
        row = {name: value for name, value in row.items() if name != "date"} | about
    if (folder / "predictions.npz").is_file():
        row["predictions"] = _predictions(folder)
    if (folder / LOGITS).is_file():
        try:
            row["logits_sha256"] = hashlib.sha256(read_file(folder / LOGITS)).hexdigest()
        except OSError as error:
            raise DataError(f"{folder / LOGITS} cannot be read: {error.strerror}") from error
    return row


def _predictions(folder: Path) -> str:
    """Return what tells each test image's error, compressed."""
    import numpy as np

    from ltbench.results.documents import read_predictions

    arrays = read_predictions(folder)
    buffer = io.BytesIO()
    small = {
        name: arrays[name].astype(np.min_scalar_type(int(arrays[name].max(initial=0))))
        for name in ("class", "domain", "prediction")
    }
    np.savez_compressed(buffer, allow_pickle=False, **small)
    return base64.b64encode(buffer.getvalue()).decode()
