"""Checkpoints: one file that holds all a run needs to go on as if nothing had happened."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltbench.results.folder import RunFolder, write_bytes

logger = logging.getLogger(__name__)

State = dict[str, Tensor]


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
        running: sums of the losses since the last evaluation, over ``running_steps`` steps each.
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

    def begin_stage(self, stage: int) -> None:
        """Go on to the first step of the next stage."""
        self.stage, self.step, self.best = stage, 0, None
        self.optimizers, self.running, self.running_steps = {}, {}, {}


def save_checkpoint(
    path: Path, checkpoint: Checkpoint | Best, sync: Sequence[Path] | None = ()
) -> None:
    """Write a checkpoint in one step.

    Args:
        path: its file.
        checkpoint: the state.
        sync: as of :func:`ltbench.results.folder.write_bytes`.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    buffer = io.BytesIO()
    torch.save(_plain(checkpoint), buffer)
    write_bytes(path, buffer.getvalue(), sync)


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Read the newest checkpoint; ``None`` where there is none or it cannot be read.

    A run without a readable checkpoint starts again, which costs time but never a wrong result.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        best = state.pop("best")
        found = Checkpoint(**state, best=Best(**best) if best else None)
    except FileNotFoundError:
        return None
    except Exception as error:  # on torn files the unpickler raises what it pleases
        logger.info("%s cannot be read, so the run begins anew (%s)", path, error)
        return None
    logger.info("going on at step %d of stage %d from %s", found.step, found.stage + 1, path)
    return found


def resume(folder: RunFolder, threads: int) -> Checkpoint:
    """Return a run's newest checkpoint, or a fresh one where there is none that fits its log.

    The log is cut to what the checkpoint covers.

    Args:
        folder: the run's.
        threads: CPU threads that a fresh run computes with.
    """
    checkpoint = load_checkpoint(folder.latest)
    if checkpoint is not None and folder.cut_log(checkpoint.log_lines):
        return checkpoint
    folder.cut_log(0)
    return Checkpoint(threads=threads)


def load_best(path: Path) -> Best:
    """Read the chosen model of a finished run.

    Raises:
        OSError: it is not there.
    """
    return Best(**torch.load(path, map_location="cpu", weights_only=True))


def clone_state(module: torch.nn.Module) -> State:
    """Return a copy of a module's state on the CPU."""
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}


def _plain(value: Checkpoint | Best) -> dict[str, Any]:
    return {
        key: _plain(item) if isinstance(item, Best) else item for key, item in vars(value).items()
    }
