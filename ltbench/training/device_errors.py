"""Errors of a device: those after which it is lost, and those that a user can mend."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

from ltbench.evaluation.batch_size import is_out_of_memory
from ltbench.training.job import Job
from ltbench.training.memory import out_of_memory
from ltbench.training.repeatability import refused_operation

_LOST = re.compile(
    r"\b(CUDA|HIP|cuDNN|MIOpen|cuBLAS|CUBLAS|cuFFT|cuSOLVER|NVRTC|NCCL|MPS|XPU)"
    r"(_STATUS_\w+| error\b| kernel errors| driver error|: unspecified| failure)"
    r"|device-side assert|illegal memory access|unspecified launch failure",
)


def advised(error: BaseException, job: Job) -> str:
    """Return an error of the device in a sentence with what to do, or nothing for any other.

    Args:
        error: what ended a run.
        job: the run.
    """
    for one in _chain(error, handled=False):
        if is_out_of_memory(one):
            return out_of_memory(job)
        if job.spec.protocol.deterministic and (operation := refused_operation(one)):
            return (
                f"'{operation}', which the run needs, has no implementation on "
                f"{torch.device(job.device).type} that gives the same bits each time: leave out "
                "--deterministic, or choose another method or backbone"
            )
    return ""


def loses_device(error: BaseException) -> bool:
    """Return whether an error, or one that led to it, means that the device is lost.

    After a failed assertion on a GPU every later call of the process fails as well; when the
    memory did not suffice, nothing is lost.
    """
    return any(map(_is_lost, _chain(error)))


def _chain(error: BaseException, *, handled: bool = True) -> Iterator[BaseException]:
    """Yield an error and those that led to it, with those that were being handled then or not."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (current.__context__ if handled else None)


def _is_lost(error: BaseException) -> bool:
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    try:
        text = str(error)
    except BaseException:
        text = ""
    return isinstance(error, torch.AcceleratorError) or _LOST.search(text) is not None
