"""The runs of several folders, each once, and whether there are any such as are asked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.spelling import spelled
from ltbench.results.index import read_runs
from ltbench.results.rows import SUFFIX, opened
from ltbench.results.run import RunRecord
from ltbench.results.scheme import each_hash, one_unseen
from ltbench.results.tuned import protocol_before

_BEST_FIRST = {"done": 0, "diverged": 1, "failed": 2, "unfinished": 3, "unreadable": 4}
_COMMA = re.compile(r",(?![^\[]*\])")  # that parts names, not the options within brackets


def read_folders(folders: Path | Sequence[Path]) -> list[RunRecord]:
    """Read the runs below one or several folders, or in files of rows.

    A run that lies in two of the folders (same hash and seed) counts once; where one of the copies
    is done, that one.

    Raises:
        UsageError: a folder does not exist or is a file, or there is no run in any of them.
        DataError: a file of rows holds something else.
    """
    folders = [folders] if isinstance(folders, Path) else list(folders)
    rows = [folder for folder in folders if folder.suffix == SUFFIX and not folder.is_dir()]
    folders = [folder for folder in folders if folder not in rows]
    for folder in folders:
        if folder.is_file():
            raise UsageError(
                f"'{folder}' is a file: name a folder that holds runs, or a {SUFFIX} file of rows"
            )
        if not folder.is_dir():
            raise UsageError(
                f"There is no folder '{folder}': name the folder that holds the runs, or make some "
                "with `ltbench run --algo erm --dataset digits-mini-mlt --seeds 5`."
            )
    records = [record for folder in folders for record in read_runs(folder)]
    records += [record for file in rows for record in read_runs(opened(file), keep=False)]
    if not records:
        names = ", ".join(f"'{folder}'" for folder in folders)
        raise UsageError(
            f"There are no runs in {names}: make some with "
            "`ltbench run --algo erm --dataset digits-mini-mlt --seeds 5`, or name their folder."
        )
    return _without_copies(records)


def check_filters(
    runs: Sequence[RunRecord],
    algos: Sequence[str] = (),
    datasets: Sequence[str] = (),
    protocols: Sequence[str] = (),
) -> None:
    """Refuse a filter that no run can match, before anything is imported to compare runs with.

    Names with options are left to :func:`ltbench.report.selection.select_runs`, which knows how
    tables spell them; so are runs none of which can be read.

    Args:
        runs: what was read.
        algos: comma lists of labels, methods, or algorithms with their stages.
        datasets: comma lists of data sets.
        protocols: comma lists of names of protocols, or of first digits of their hashes.

    Raises:
        UsageError: a name is that of no run; the message suggests what it may have meant.
    """
    readable = [run for run in runs if run.status != "unreadable"]
    if not readable:
        return
    methods = {name for run in readable for name in (run.label, run.method, run.algo)}
    hashes = {run.protocol_hash for run in readable}
    _check("--algo", algos, methods)
    _check("--dataset", datasets, {run.dataset for run in readable})
    names = {str(run.protocol.get("name", "")) for run in readable}
    if protocols:
        hashes |= {
            each_hash(asdict(run), protocol_before(run.protocol, run.tuned))
            for run in readable
            if one_unseen(run.options)
        }
    _check("--protocol", protocols, names | hashes, starts=hashes)


def _check(
    option: str, wanted: Sequence[str], known: set[str], starts: Collection[str] = ()
) -> None:
    for name in (part.strip() for text in wanted for part in _COMMA.split(text)):
        meant = spelled(name, known) in known or any(hash_.startswith(name) for hash_ in starts)
        if not meant and "[" not in name:
            near = suggestion(name, known - {""})
            raise UsageError(f"{option} '{name}' matches no run here{near}.")


def _without_copies(records: Sequence[RunRecord]) -> list[RunRecord]:
    kept: dict[tuple[object, ...], RunRecord] = {}
    for record in records:
        key = (record.path,) if record.status == "unreadable" else (record.hash, record.seed)
        before = kept.get(key)
        if before is None or _BEST_FIRST[record.status] < _BEST_FIRST[before.status]:
            kept[key] = record
    return list(kept.values())
