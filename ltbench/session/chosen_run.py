"""Which run is meant: a folder, or a row of a leaderboard, ``bsoftmax@image-folder``."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.text import visible
from ltbench.report.dataset_labels import dataset_label, dataset_labels, full_name
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord
from ltbench.results.untrusted import UnreadableRun, clean, numbers, read_result


def chosen_folders(
    text: str, root: Path, protocols: Sequence[str] = (), *, all_seeds: bool = False
) -> list[Path]:
    """Return the folders of the runs that are meant.

    Args:
        text: the folder of a run, or ``METHOD@DATASET`` as a leaderboard writes them.
        root: the folder of the runs that a row is looked for in.
        protocols: names or hashes, of which the run's must be one; none for any.
        all_seeds: every seed of a row, and not the one with the best validation score alone.

    Raises:
        UsageError: there is no such run, none is done, several settings are meant, or a folder's
            run has another protocol.
    """
    folder = Path(text).expanduser()
    if (folder / "spec.json").is_file():
        _check_protocol(folder, protocols)
        return [folder]
    if folder.is_dir():
        below = [run for run in read_runs(folder) if run.status == "done" and not run.combined]
        if len(below) == 1:
            _check_protocol(Path(below[0].path), protocols)
            return [Path(below[0].path)]
        rows = sorted({_titles(run, dataset_label(run.dataset, run.options))[0] for run in below})
        if not rows:
            raise UsageError(f"there is no run in {folder} that is done")
        raise UsageError(
            f"{folder} holds {len(below)} runs that are done: name one, such as '{rows[0]}' with "
            f"--runs {shlex.quote(str(folder))}"
        )
    return _of_row(text, root, protocols, all_seeds=all_seeds)


def is_folder(text: str) -> bool:
    """Return whether a folder is meant, and no row."""
    return Path(text).expanduser().is_dir()


def _check_protocol(folder: Path, protocols: Sequence[str]) -> None:
    """Check that the run in a folder has a protocol that is asked for beside it.

    Raises:
        UsageError: it has another.
    """
    for run in read_runs(folder, scores=False)[:1] if protocols else ():
        if run.status != "unreadable" and not any(_under(run, one) for one in protocols):
            own = f"{run.protocol.get('name', '')} {run.protocol_hash[:12]}".strip()
            raise UsageError(
                f"the run in {folder} has the protocol {clean(own)}, and --protocol asks for "
                f"{visible(', '.join(protocols))}: leave out one of them"
            )


def _of_row(text: str, root: Path, protocols: Sequence[str], *, all_seeds: bool) -> list[Path]:
    """Return the runs of a row of a leaderboard."""
    if not root.is_dir():
        raise UsageError(
            f"'{visible(text)}' is no folder of a run, and there is no folder {root} that its row "
            "could be in: --runs names another"
        )
    records = [run for run in read_runs(root) if not run.combined]
    labels = dataset_labels([(run.dataset, run.options) for run in records])
    titles = {run.path: _titles(run, own) for run, own in zip(records, labels, strict=True)}
    found = [run for run in records if text in titles[run.path]]
    if not found:
        known = {title for names in titles.values() for title in names}
        raise UsageError(
            f"'{visible(text)}' is no folder of a run, nor METHOD@DATASET of a run in {root}"
            f"{suggestion(text, known)}"
        )
    if protocols:
        found = [run for run in found if any(_under(run, p) for p in protocols)]
        if not found:
            raise UsageError(f"no run of '{text}' has the protocol {', '.join(protocols)}")
    done = [run for run in found if run.status == "done"]
    if not done:
        first = found[0]
        why = f" ({first.reason})" if first.reason else ""
        raise UsageError(f"no run of '{text}' is done: seed {first.seed} {first.status}{why}")
    settings = {run.hash: run for run in done}
    if len(settings) > 1:
        hashes = sorted({run.protocol_hash[:12] for run in settings.values()})
        folders = ", ".join(str(Path(run.path).parent) for run in settings.values())
        choose = (
            f"choose one with --protocol (hashes {', '.join(hashes)}), or name a run's folder"
            if len(hashes) > 1
            else f"name a run's folder, one of those in {folders}"
        )
        raise UsageError(f"'{text}' has runs of {len(settings)} settings: {choose}")
    if all_seeds:
        return [Path(run.path) for run in sorted(done, key=lambda run: run.seed)]
    return [Path(max(done, key=lambda run: (_validation(run), -run.seed)).path)]


def _titles(run: RunRecord, dataset: str) -> tuple[str, ...]:
    """Return how a run's row may be written, first as leaderboards write it."""
    datasets = (dataset, full_name(run.dataset, run.options), run.dataset)
    methods = (run.label, run.method, run.algo)
    names = [f"{method}@{name}" for name in datasets for method in methods]
    return tuple(dict.fromkeys(names))


def _under(run: RunRecord, protocol: str) -> bool:
    by_hash = len(protocol) >= 4 and run.protocol_hash.startswith(protocol)
    return run.protocol.get("name") == protocol or by_hash


def _validation(run: RunRecord) -> float:
    """Return the validation score by which a run's model was chosen.

    Of protocols that take the last model, the mean accuracy over domains.
    """
    try:
        result = read_result(Path(run.path)) or {}
    except UnreadableRun:
        return -math.inf
    selection = result.get("selection")
    if isinstance(selection, dict) and selection.get("metric") == "step":
        return numbers(result.get("val")).get("accuracy_average", -math.inf)
    return numbers(selection).get("value", -math.inf)
