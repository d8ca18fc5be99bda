"""What can be removed from a folder of runs, and removing it without spoiling what goes on.

Only folders are touched that are a run's by name and content, only while their claim is held, and
no link is followed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ltbench.results.claim import Owner, acquire, find_owner, is_claim_file
from ltbench.results.damage import is_removable
from ltbench.results.folder import LOGITS
from ltbench.results.holders import find_holder
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord
from ltbench.results.states import Overview
from ltbench.results.sweeps import STAGES, SWEEPS, TUNING

_DRAFT_AGE = 3600.0


class StillHeld(Exception):
    """A run is not touched, as somebody trains it."""


@dataclass(frozen=True)
class Litter:
    """One thing that can be removed.

    Attributes:
        kind: ``run``, ``unreadable run``, ``checkpoint``, ``logits file``, ``first stage``,
            ``temporary file``, ``stale claim``, ``sweep record``, ``index of an old version``,
            ``temporary folder`` or ``tuning folder``.
        path: the run's folder, or the file or folder itself.
        detail: what more there is to say: the run's state, or why it cannot be read.
        size: bytes.
        remove: removes it.
    """

    kind: str
    path: Path
    detail: str
    size: int
    remove: Callable[[], None]


def find_runs(runs: Iterable[RunRecord]) -> Iterator[Litter]:
    """Yield these runs as litter, but for those whose folder is not one that a run makes."""
    for run in runs:
        path = Path(run.path)
        if is_run_folder(run) and run.status != "running":
            check = _nothing if run.status == "done" else _check_undone
            yield Litter("run", path, run.status, tree_size(path), _Removal(path, check))
        elif run.status == "unreadable" and is_removable(path) and find_holder(path) is None:
            removal = _Removal(path, _check_unreadable)
            yield Litter("unreadable run", path, run.reason, tree_size(path), removal)


def find_leftovers(runs: Iterable[RunRecord], *, checkpoints: bool) -> Iterator[Litter]:
    """Yield temporary files and stale claims of runs that stay, and their checkpoints if told.

    Args:
        runs: that stay.
        checkpoints: yield the checkpoints of runs that are done.
    """
    for run in runs:
        path = Path(run.path)
        if not is_run_folder(run) or find_holder(path) is not None:
            continue
        if run.status == "done" and checkpoints and (size := tree_size(path / "checkpoint")):
            yield Litter("checkpoint", path, "", size, _Inside(path, _remove_checkpoint))
        drafts = list(_drafts(path))
        if drafts:
            size = sum(map(_size, drafts))
            yield Litter("temporary file", path, "", size, _Inside(path, _remove_drafts))
        claims = [entry for entry in _files(path) if is_claim_file(entry.name)]
        if claims:
            yield Litter("stale claim", path, "", sum(map(_size, claims)), _Inside(path, _nothing))


def find_logits(runs: Iterable[RunRecord]) -> Iterator[Litter]:
    """Yield the logits of runs that are done and stay; the files of others are not whole."""
    for run in runs:
        path = Path(run.path)
        if run.status != "done" or not is_run_folder(run) or find_holder(path) is not None:
            continue
        if size := sum(_size(entry) for entry in _files(path) if entry.name == LOGITS):
            yield Litter("logits file", path, "", size, _Inside(path, _remove_logits))


def find_first_stages(
    root: Path, datasets: Collection[str], *, checkpoints: bool
) -> Iterator[Litter]:
    """Yield first stages that runs share, if told, and what processes that are gone left there.

    Args:
        root: a folder of runs.
        datasets: whose first stages they are.
        checkpoints: yield the trained stages; runs that still need one train it again.
    """
    for folder in sorted((root / STAGES).glob("*/*/seed-*")):
        above = [folder, *list(folder.parents)[:3]]
        if folder.parents[1].name not in datasets or any(path.is_symlink() for path in above):
            continue
        if find_holder(folder) is not None:
            continue
        stages = [Path(entry.path) for entry in _files(folder) if entry.name.endswith(".pt")]
        if stages and checkpoints:
            yield Litter("first stage", folder, "", sum(map(_size, stages)), _Emptied(folder))
        drafts = list(_drafts(folder))
        if drafts:
            size = sum(map(_size, drafts))
            yield Litter("temporary file", folder, "", size, _Inside(folder, _remove_drafts))
        claims = [entry for entry in _files(folder) if is_claim_file(entry.name)]
        if claims and not (stages and checkpoints):
            size = sum(map(_size, claims))
            yield Litter("stale claim", folder, "", size, _Inside(folder, _nothing))


def find_records(overview: Overview, removed: Collection[str], *, forget: bool) -> Iterator[Litter]:
    """Yield records of commands that have ended.

    Args:
        overview: of the runs.
        removed: folders of runs that are removed. What planned them and has nothing else to go on
            with is removed too, or they would be said to wait.
        forget: yield all of them, so that what was not begun is forgotten.
    """
    open_runs = {run.path for run in overview.runs if run.status in ("waiting", "broken-off")}
    for sweep in overview.sweeps:
        planned = {run.path for run in sweep.runs}
        over = not planned.isdisjoint(removed) and planned.isdisjoint(open_runs.difference(removed))
        if sweep not in overview.active and (forget or over):
            yield Litter("sweep record", sweep.path, "", _size(sweep.path), _unlink(sweep.path))


def find_drafts(root: Path) -> Iterator[Litter]:
    """Yield old temporary files beside the records of sweeps, and folders beside runs."""
    for entry in _files(root / SWEEPS):
        draft = entry.name.startswith(".") and entry.name.endswith(".tmp")
        if draft and time.time() - entry.stat(follow_symlinks=False).st_mtime > _DRAFT_AGE:
            path = Path(entry.path)
            yield Litter("temporary file", path, "", _size(entry), _unlink(path))
    for path in sorted(root.glob("*/*/*/.seed-*.tmp")):  # of an ensemble or a soup
        if _is_old_folder(path):
            size = tree_size(path)
            yield Litter("temporary folder", path, "", size, partial(shutil.rmtree, path))


def _is_old_folder(path: Path) -> bool:
    try:
        state = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(state.st_mode) and time.time() - state.st_mtime > _DRAFT_AGE


def find_old_index(root: Path) -> Iterator[Litter]:
    """Yield the index that versions before this one kept beside the runs; nothing reads it."""
    for entry in _files(root):
        if entry.name in (".index.sqlite", ".index.sqlite-journal"):
            path = Path(entry.path)
            yield Litter("index of an old version", path, "", _size(entry), _unlink(path))


def find_tuning(root: Path, runs: Iterable[RunRecord]) -> Iterator[Litter]:
    """Yield the folder of tuning's runs below ``root``, unless one of them is running.

    Args:
        root: a folder of runs.
        runs: those of tuning.
    """
    path, runs = root / TUNING, list(runs)
    if path.is_dir() and not path.is_symlink() and not any(r.status == "running" for r in runs):
        size, detail = tree_size(path), f"{len(runs)} runs"
        yield Litter("tuning folder", path, detail, size, lambda: _remove_tuning(path, runs))


def is_run_folder(run: RunRecord) -> bool:
    """Return whether a folder is one that a run makes: named by its hash and seed, and no link."""
    path = Path(run.path)
    return (
        run.status != "unreadable"
        and bool(run.hash)
        and path.name == f"seed-{run.seed}"
        and path.parent.name == run.hash[:12]
        and not path.is_symlink()
        and (path / "spec.json").is_file()
    )


def tree_size(path: Path) -> int:
    """Return the bytes of a folder's files, links counted as themselves."""
    return sum(_size(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)


def prune(folders: Iterable[Path]) -> None:
    """Remove what became empty above runs: folders of hashes, algorithms and data sets."""
    for folder in folders:
        for above in list(folder.parents)[:3]:
            try:
                above.rmdir()
            except OSError:
                break


@dataclass(frozen=True)
class _Inside:
    """Does something in a run's folder while nobody else can train the run."""

    folder: Path
    work: Callable[[Path], None]

    def __call__(self) -> None:
        owner = find_owner(self.folder)
        gone = owner.key if owner and find_holder(self.folder) is None else None
        claim = acquire(self.folder, gone)
        if isinstance(claim, Owner):
            raise StillHeld(str(claim))
        with claim:
            self.work(self.folder)


@dataclass(frozen=True)
class _Emptied:
    """Removes the stages from the folder of a first stage, and the folders that are then empty."""

    folder: Path

    def __call__(self) -> None:
        _Inside(self.folder, self._empty)()
        for folder in [self.folder, *list(self.folder.parents)[:3]]:
            try:
                folder.rmdir()
            except OSError:
                break

    def _empty(self, folder: Path) -> None:
        for entry in _files(folder):
            if entry.name.endswith(".pt"):
                os.unlink(entry.path)


@dataclass(frozen=True)
class _Removal:
    """Removes a run, unless somebody trains it or ``check`` finds that it is not as it was."""

    folder: Path
    check: Callable[[Path], None]

    def __call__(self) -> None:
        _Inside(self.folder, self._empty)()
        with contextlib.suppress(OSError):  # somebody may have begun the run anew by now
            self.folder.rmdir()

    def _empty(self, folder: Path) -> None:
        self.check(folder)
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif not is_claim_file(entry.name):  # those go last, when the claim is released
                os.unlink(entry.path)


def _check_undone(folder: Path) -> None:
    if (folder / "result.json").exists():
        raise StillHeld("it was done meanwhile")


def _check_unreadable(folder: Path) -> None:
    if any(run.status != "unreadable" for run in read_runs(folder, keep=False)):
        raise StillHeld("it can be read by now")


def _remove_tuning(path: Path, runs: Iterable[RunRecord]) -> None:
    for run in runs:
        if is_run_folder(run):
            _Removal(Path(run.path), _nothing)()
    shutil.rmtree(path)


def _remove_checkpoint(folder: Path) -> None:
    path = folder / "checkpoint"
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)


def _remove_logits(folder: Path) -> None:
    (folder / LOGITS).unlink(missing_ok=True)


def _remove_drafts(folder: Path) -> None:
    for path in _drafts(folder):
        path.unlink(missing_ok=True)


def _nothing(_: Path) -> None:
    """Do nothing: there is nothing to check, or releasing a claim that was taken over suffices,
    which removes the stale ones too.
    """


def _drafts(folder: Path) -> Iterator[Path]:
    for place in (folder, folder / "checkpoint"):
        if not place.is_symlink():
            for entry in _files(place):
                if _is_draft(entry.name):
                    yield Path(entry.path)


def _is_draft(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp") and not is_claim_file(name)


def _files(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []


def _size(path: Path | os.DirEntry[str]) -> int:
    try:
        state = os.lstat(path)
    except OSError:
        return 0
    return 0 if stat.S_ISDIR(state.st_mode) else state.st_size


def _unlink(path: Path) -> Callable[[], None]:
    return lambda: path.unlink(missing_ok=True)
