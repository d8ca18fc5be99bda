"""How torch computes during a run: float32 as IEEE has it, and the same bits in every run.

What is set is global to the process, and is put back when the run ends. What a plugin set meanwhile
stays as it is: it is for the process to be noticed by (:mod:`ltbench.executors.process_state`).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_REFUSED = re.compile(r"^\W*(\S+) does not have a deterministic implementation")


@contextlib.contextmanager
def repeatable(device: torch.device, threads: int, deterministic: bool = False) -> Iterator[None]:
    """Have torch compute as a run wants it, and leave the process as it was.

    Products and convolutions of float32 are never rounded to TF32, on no device: a run that is to
    be fast has another ``--precision``. On GPUs cuDNN chooses its algorithms without trying them,
    among those that give the same bits each time.

    Args:
        device: that the run computes on.
        threads: CPU threads to compute with.
        deterministic: whether every operation must give the same bits each time, on every device;
            one that cannot raises RuntimeError (:func:`refused_operation`).
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_held(torch.get_num_threads, torch.set_num_threads, threads))
        for held in _float32(device.type):
            stack.enter_context(held)
        if device.type == "cuda":
            cudnn = torch.backends.cudnn
            stack.enter_context(_attribute(cudnn, "deterministic", True))
            stack.enter_context(_attribute(cudnn, "benchmark", False))
        if deterministic:
            if device.type == "cuda":
                stack.enter_context(_workspace())
            stack.enter_context(
                _held(
                    torch.are_deterministic_algorithms_enabled,
                    torch.use_deterministic_algorithms,
                    True,
                )
            )
        yield


def described(device: torch.device, deterministic: bool = False) -> dict[str, Any]:
    """Return what :func:`repeatable` sets, as a result's ``environment`` has it.

    Args:
        device: as there.
        deterministic: as there.
    """
    of_gpu = {"cudnn_deterministic": True, "cudnn_benchmark": False}
    return {
        "tf32": False,
        **(of_gpu if device.type == "cuda" else {}),
        "deterministic_algorithms": deterministic,
    }


def refused_operation(error: BaseException) -> str:
    """Return the operation that has no deterministic implementation, or nothing.

    Args:
        error: what was raised in a run that is to be deterministic.
    """
    if not isinstance(error, RuntimeError):
        return ""
    found = _REFUSED.search(str(error))
    return found.group(1) if found else ""


def _float32(kind: str) -> Iterator[contextlib.AbstractContextManager[None]]:
    """Yield what keeps float32 from being rounded to TF32, or to bf16 on a CPU.

    Torch has two ways to say so, of which the older cannot be read where the newer was used.
    """
    backends: Any = torch.backends
    older = False
    with contextlib.suppress(RuntimeError):
        torch.get_float32_matmul_precision()
        _ = backends.cudnn.allow_tf32
        older = all(part.fp32_precision == "none" for part in (backends, backends.mkldnn))
    if older:
        get, put = torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
        yield _held(get, put, "highest")
        if kind == "cuda":
            yield _attribute(backends.cudnn, "allow_tf32", False)
        return
    of_cpu = (backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn)
    of_gpu = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    for part in of_gpu if kind == "cuda" else of_cpu:
        yield _attribute(part, "fp32_precision", "ieee")


@contextlib.contextmanager
def _held(get: Callable[[], Any], put: Callable[[Any], Any], value: Any) -> Iterator[None]:
    """Have a setting its value, and what it was afterwards; nothing is set that has it already."""
    before = get()
    if before != value:
        put(value)
    try:
        yield
    finally:
        if before != value and get() == value:
            put(before)


def _attribute(owner: Any, name: str, value: Any) -> contextlib.AbstractContextManager[None]:
    return _held(lambda: getattr(owner, name), lambda to: setattr(owner, name, to), value)


@contextlib.contextmanager
def _workspace() -> Iterator[None]:
    """Give cuBLAS the fixed workspace without which torch takes no product for deterministic."""
    ours = ":4096:8"
    if os.environ.get(WORKSPACE) in (ours, ":16:8"):
        yield
        return
    before = os.environ.get(WORKSPACE)
    os.environ[WORKSPACE] = ours
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(WORKSPACE, None)
        else:
            os.environ[WORKSPACE] = before
