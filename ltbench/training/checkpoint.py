"""Checkpoints: one file that holds all a run needs to go on as if nothing had happened."""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ltbench.errors import LtbenchError, described
from ltbench.regular_files import open_file
from ltbench.results.folder import RunFolder, write_file

logger = logging.getLogger(__name__)

State = dict[str, Tensor]

_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + 64
_END_BYTES = 22  # of a ZIP archive's last record, where it has no comment


class DamagedCheckpoint(LtbenchError):
    """A checkpoint does not hold what was written; to go on from it might change the result."""


@dataclass
class Best:
    """The chosen model of a stage: where it was found, its validation metrics and weights."""

    step: int
    value: float
    val: dict[str, float | None]
    model: State


@dataclass
class Checkpoint:
    """The state of a run between two steps.

    Attributes:
        stage: index of the stage, 0 for the algorithm.
        step: optimisation steps of the stage that are done.
        model, optimizers: their states.
        best: the stage's best model so far.
        seconds: time spent in the run so far.
        evaluating: the part of ``seconds`` spent on evaluation.
        log_lines: lines of ``log.jsonl`` that belong to the state.
        threads: CPU threads that the run computes with; sums depend on their number.
        running: sums of the losses since the last evaluation, over ``running_steps`` batches each.
        stale: evaluations of the stage since its best model.
        waited: the same, counted anew whenever the schedule ``plateau`` drops the rate.
        drops: how often it did.
        stopped: stages that ended before their last step, with the step.
        evaluation_batch: images in an evaluation's forward pass; 0 where it is yet to be chosen.
        taken_over: the run that the first stage was taken from, and the seconds of it; empty where
            it was trained here.
        loss_scale: the state of the stage's loss scale, with ``--precision fp16``.
        spent: seconds of the run's parts (:data:`ltbench.plugins.stopwatch.PARTS`).
        modifiers: the states of the stage's modifiers.
        given: whether the best model has weights that a modifier gave.
    """

    stage: int = 0
    step: int = 0
    model: State = field(default_factory=dict)
    optimizers: dict[str, Any] = field(default_factory=dict)
    best: Best | None = None
    seconds: float = 0.0
    evaluating: float = 0.0
    log_lines: int = 0
    threads: int = 1
    running: dict[str, Tensor] = field(default_factory=dict)
    running_steps: dict[str, int] = field(default_factory=dict)
    stale: int = 0
    waited: int = 0
    drops: int = 0
    stopped: list[dict[str, Any]] = field(default_factory=list)
    evaluation_batch: int = 0
    taken_over: dict[str, Any] = field(default_factory=dict)
    loss_scale: dict[str, Any] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    modifiers: list[dict[str, Any]] = field(default_factory=list)
    given: bool = False

    def begin_stage(self, stage: int) -> None:
        """Go on to the first step of the next stage."""
        self.stage, self.step, self.best = stage, 0, None
        self.optimizers, self.running, self.running_steps = {}, {}, {}
        self.loss_scale, self.modifiers, self.given = {}, [], False
        self.stale = self.waited = self.drops = 0


def save_checkpoint(
    path: Path,
    checkpoint: Checkpoint | Best,
    sync: Sequence[Path] | None = (),
    guard: Callable[[], None] = lambda: None,
) -> None:
    """Write a checkpoint in one step, without a copy of it in memory.

    Args:
        path: its file.
        checkpoint: the state.
        sync: as of :func:`ltbench.results.folder.write_file`.
        guard: as there.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    save_state(path, _plain(checkpoint), sync, guard)


def save_state(
    path: Path,
    state: Mapping[str, Any],
    sync: Sequence[Path] | None = (),
    guard: Callable[[], None] = lambda: None,
) -> None:
    """Write tensors, numbers and texts by name, with a checksum, in one step.

    Args:
        path: its file.
        state: what it holds.
        sync: as of :func:`ltbench.results.folder.write_file`.
        guard: as there.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """

    def write(file: BinaryIO) -> None:
        sealing = _Sealing(file)
        torch.save(dict(state), sealing)  # type: ignore[arg-type]
        sealing.finish()

    write_file(path, write, sync, guard)


def keep_beginning(folder: RunFolder, checkpoint: Checkpoint, model: torch.nn.Module) -> None:
    """Write down where a stage begins, so that what befalls its checkpoint costs that stage only.

    Args:
        folder: the run's.
        checkpoint: before the first step of a stage.
        model: of the stage.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    save_checkpoint(folder.beginning, replace(checkpoint, model=clone_state(model)), [folder.log])


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Read the newest checkpoint; ``None`` where there is none, or it is torn or damaged.

    A run without a sound checkpoint starts again, which costs time but never a wrong result.
    """
    try:
        state = load_state(path)
        best = state.pop("best")
        found = Checkpoint(**state, best=Best(**best) if best else None)
    except FileNotFoundError:
        return None
    except (DamagedCheckpoint, OSError, LookupError, TypeError, AttributeError) as error:
        logger.info("%s cannot be read, so the run begins anew (%s)", path, error)
        return None
    logger.info("going on at step %d of stage %d from %s", found.step, found.stage + 1, path)
    return found


def resume(
    folder: RunFolder, threads: int, say: Callable[[str], None] = lambda _: None
) -> Checkpoint:
    """Return where a run goes on: at its newest checkpoint, else where its stage or itself began.

    The log is cut to what the checkpoint covers.

    Args:
        folder: the run's.
        threads: CPU threads that a fresh run computes with.
        say: is told in a sentence of a checkpoint that is damaged or does not fit the log.
    """
    reasons = []
    for path in (folder.latest, folder.beginning):
        checkpoint = load_checkpoint(path)
        if checkpoint is None:
            reasons += [f"{path.name} is damaged"] if path.exists() else []
            continue
        if folder.cut_log(checkpoint.log_lines):
            if reasons:
                say(f"{'; '.join(reasons)}: stage {checkpoint.stage + 1} begins anew")
            return checkpoint
        reasons.append(f"log.jsonl lacks lines that {path.name} counts")
    folder.cut_log(0)
    if reasons:
        say(f"{'; '.join(reasons)}: the run begins anew")
    return Checkpoint(threads=threads)


def load_best(path: Path) -> Best:
    """Read the chosen model of a finished run.

    Raises:
        OSError: it is not there.
        DamagedCheckpoint: it is torn, or some of its bits are not those that were written.
    """
    try:
        return Best(**load_state(path))
    except TypeError as error:
        raise DamagedCheckpoint(f"{path.name} does not hold a chosen model") from error


def load_state(path: Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote; what was written without a checksum is read as well.

    Raises:
        OSError: it is not there.
        DamagedCheckpoint: it is torn, or some of its bits are not those that were written.
    """
    with open_file(path) as file:
        try:
            damaged = None if _is_sound(file) else "its checksum is another"
            if damaged is None:
                file.seek(0)
                found: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
                if isinstance(found, dict):
                    return found
        except Exception as error:  # on torn files the readers raise what they please
            raise DamagedCheckpoint(f"{path.name} is damaged: {described(error)}") from error
    raise DamagedCheckpoint(f"{path.name} is damaged: {damaged or 'it holds something else'}")


class _Sealing:
    """Takes a file of torch, a ZIP archive, and adds its checksum for a comment at its end.

    Whoever knows nothing of that reads the file as before.

    Args:
        file: where it goes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest, self.end = file, hashlib.sha256(), b""

    def write(self, part: bytes | memoryview) -> int:
        """Pass on all but the last bytes, which are to change."""
        view = memoryview(part).cast("B")
        self._pass_on(self.end[: max(0, len(self.end) + len(view) - _END_BYTES)])
        self._pass_on(view[: max(0, len(view) - _END_BYTES)])
        self.end = (self.end + bytes(view[-_END_BYTES:]))[-_END_BYTES:]
        return len(view)

    def flush(self) -> None:
        """Do nothing, as the end is yet to come."""

    def finish(self) -> None:
        """Write the end."""
        if self.end[:4] != b"PK\5\6":  # the archive's end, without a comment
            self._pass_on(self.end)
            return
        self._pass_on(self.end[:-2] + struct.pack("<H", _SEAL_BYTES))
        self.file.write(_SEAL + self.digest.hexdigest().encode())

    def _pass_on(self, part: bytes | memoryview) -> None:
        self.digest.update(part)
        self.file.write(part)


def _is_sound(file: BinaryIO) -> bool:
    """Return whether a file of torch is what was written.

    Older versions wrote no checksum of the whole. There are those of its parts, which torch writes
    and does not read.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _SEAL_BYTES))
    seal = file.read()
    file.seek(0)
    if not seal.startswith(_SEAL):
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    digest, left = hashlib.sha256(), size - _SEAL_BYTES
    while left > 0 and (part := file.read(min(left, 1 << 20))):
        digest.update(part)
        left -= len(part)
    return seal == _SEAL + digest.hexdigest().encode()


def clone_state(module: torch.nn.Module) -> State:
    """Return a copy of a module's state on the CPU."""
    return {key: copied(value) for key, value in module.state_dict().items()}


def copied(value: Any) -> Any:
    """Return a copy on the CPU of a tensor, and of those in lists and mappings."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def _plain(value: Checkpoint | Best) -> dict[str, Any]:
    return {
        key: _plain(item) if isinstance(item, Best) else item for key, item in vars(value).items()
    }
