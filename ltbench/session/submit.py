"""Makes a submission of runs: what a board needs to check them, and nothing of the machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from ltbench import __version__
from ltbench.errors import DataError, UsageError
from ltbench.results.damage import advice
from ltbench.results.documents import read_predictions
from ltbench.results.folder import RunFolder
from ltbench.results.logits import PARTS, read_logits
from ltbench.results.run import RunRecord
from ltbench.results.submission import (
    ARRAYS,
    FORMAT,
    PER_MACHINE,
    RUNS,
    SUFFIX,
    document_bytes,
    is_member,
    write_submission,
)
from ltbench.results.untrusted import UnreadableRun, clean, read_json, read_log

_MOST_NAMED = 4


@dataclass(frozen=True)
class Submitted:
    """What was written.

    Attributes:
        path: of the archive.
        runs: how many there are in it.
        not_done: runs that were chosen and have no result, in words.
        left: what still tells of the machine, in words.
    """

    path: Path
    runs: int
    not_done: tuple[str, ...]
    left: tuple[str, ...]


def submit(
    records: Sequence[RunRecord], path: Path, by: str = "", *, force: bool = False
) -> Submitted:
    """Write the runs that are done as a submission.

    Args:
        records: the runs.
        path: of the archive.
        by: who hands them in.
        force: whether an archive that is there is replaced.

    Raises:
        UsageError: none is done, one cannot be read, members of an ensemble or soup are not among
            them, or something is at ``path``.
        DataError: a run lacks files that are handed in, or they do not fit.
    """
    _check_place(path, force=force)
    done = _done(records)
    _check_members(done)
    members: dict[str, bytes | Path] = {}
    left: dict[str, int] = {}
    documents = []
    for record in done:
        spec, result = _documents(record)
        documents.append((spec, result))
        members |= _members(record, spec)
        for words in dict.fromkeys(_of_machine(Path(record.path), spec, result)):
            left[words] = left.get(words, 0) + 1
    not_done = [record for record in records if record.status not in ("done", "unreadable")]
    write_submission(members, _manifest(documents, not_done, by), path)
    told = tuple(f"{what} ({number} of {len(done)} runs)" for what, number in left.items())
    return Submitted(path, len(done), tuple(map(_words, not_done)), told)


def _check_place(path: Path, *, force: bool) -> None:
    if path.suffix != SUFFIX:
        raise UsageError(f"-o {path}: a submission is a {SUFFIX} archive, so end its name in it")
    if path.is_dir():
        raise UsageError(f"-o {path} is a folder: name a file")
    if path.exists() and not force:
        raise UsageError(f"{path} exists: --force replaces it, or name another file")


def _done(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs that are handed in, in their order in the archive."""
    if broken := [record for record in records if record.status == "unreadable"]:
        raise UsageError(
            f"{broken[0].path} cannot be read: {broken[0].reason}; "
            f"{advice(Path(broken[0].path))}, or name folders without it"
        )
    done = [record for record in records if record.status == "done"]
    if not done:
        raise UsageError(
            f"none of the {len(records)} runs is done, so there is nothing to hand in; see "
            "`ltbench status`"
        )
    return sorted(done, key=_place)


def _check_members(done: Sequence[RunRecord]) -> None:
    """Refuse what was made of runs that are not handed in: nobody could check it."""
    there = {(record.hash, record.seed) for record in done}
    for record in done:
        missing = [
            member
            for member in record.combined.get("members", ())
            if (member["hash"], member["seed"]) not in there
        ]
        if missing:
            named = ", ".join(f"{m['method']} seed {m['seed']}" for m in missing[:_MOST_NAMED])
            raise UsageError(
                f"{record.label} on {record.dataset} was made of runs that are not handed in "
                f"({named}): choose them too, or leave it out by --algo"
            )


def _documents(record: RunRecord) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the documents of a run, whose other files are looked at.

    Raises:
        DataError: one is missing or does not fit.
    """
    folder = Path(record.path)
    try:
        spec, result = (read_json(folder / f"{name}.json") for name in ("spec", "result"))
    except UnreadableRun as error:
        raise DataError(f"{folder}: {clean(str(error))}") from error
    if spec is None or result is None:
        raise DataError(f"{folder}: spec.json or result.json is gone")
    for part in PARTS:
        read_logits(folder, part)
    read_predictions(folder)
    if not record.combined and not RunFolder(folder).log.is_file():
        raise DataError(f"{folder} has no log.jsonl: run it anew to hand it in")
    return spec, result


def _members(record: RunRecord, spec: Mapping[str, Any]) -> dict[str, bytes | Path]:
    folder, place = Path(record.path), _place(record)
    names = [*ARRAYS, "result.json", *([] if record.combined else ["log.jsonl"])]
    members: dict[str, bytes | Path] = {f"{place}/{name}": folder / name for name in names}
    shared = {name: value for name, value in spec.items() if name not in PER_MACHINE}
    try:
        members[f"{place}/spec.json"] = document_bytes(shared)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    if odd := [name for name in members if not is_member(name)]:
        raise DataError(f"{folder}: '{clean(odd[0])}' is no name that a submission can have")
    return members


def _place(record: RunRecord) -> str:
    return f"{RUNS}/{record.dataset}/{record.algo}/{record.hash}/seed-{record.seed}"


def _manifest(
    documents: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    not_done: Sequence[RunRecord],
    by: str,
) -> dict[str, Any]:
    """Return who hands in what, and what it was made with, each thing once."""
    plugins: dict[str, set[str]] = {}
    environments: dict[str, int] = {}
    for spec, result in documents:
        found = spec["identity"].get("plugins")
        for name, version in (found if isinstance(found, dict) else {}).items():
            plugins.setdefault(str(name), set()).add(str(version))
        text = json.dumps(result.get("environment", {}), sort_keys=True)
        environments[text] = environments.get(text, 0) + 1
    made_with = [json.loads(text) for text in sorted(environments)]
    codes = {str(one["code"]) for one in made_with if isinstance(one, dict) and one.get("code")}
    return {
        "format": FORMAT,
        **({"by": by} if by else {}),
        "ltbench": __version__,
        "code": sorted(codes),
        "plugins": {name: sorted(versions) for name, versions in sorted(plugins.items())},
        "environments": made_with,
        "runs": len(documents),
        "not_done": sorted(map(_words, not_done)),
        "left_out": ["images", "weights", "features.npz", *PER_MACHINE],
    }


def _words(record: RunRecord) -> str:
    reason = f" ({record.reason})" if record.reason else ""
    return f"{record.label} on {record.dataset} seed {record.seed}: {record.status}{reason}"


def _of_machine(folder: Path, spec: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a run says of the machine that it was made on and that is part of it."""
    shared = {name: value for name, value in spec.items() if name not in PER_MACHINE}
    for name, document in (("spec.json", shared), ("result.json", result)):
        yield from (f"{name}: {key} is a path, '{clean(value)}'" for key, value in _paths(document))
    for line in read_log(folder):
        yield from (f"log.jsonl: {key} is a path, '{clean(value)}'" for key, value in _paths(line))
    for part in PARTS:
        images = read_logits(folder, part).images
        absolute = np.char.startswith(images, "/").any() if images.size else False
        if absolute:
            yield f"logits.npz: names of {part} images are paths of this machine"
    environment = result.get("environment")
    told = environment if isinstance(environment, dict) else {}
    if told.get("platform"):
        yield f"result.json: the system and the device, '{clean(str(told['platform']))}'"


def _paths(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield where in a document texts stand that are paths from the root of a machine."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, key)
    elif isinstance(value, str) and _is_path(value):
        yield clean(key), value


def _is_path(text: str) -> bool:
    rooted = len(text) > 1 and PurePosixPath(text).is_absolute()
    return rooted or text.startswith("~/") or bool(PureWindowsPath(text).drive)
