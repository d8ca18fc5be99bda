"""What a process is set to, beside what its modules hold: anything that a later run would meet."""

from __future__ import annotations

import builtins
import decimal
import gc
import locale
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Settings = dict[str, Any]
"""Values that can be compared, by what they are called in a sentence."""

_OWN_THREADS = ("MainThread", "claim", "sync_")
_OF_LIBRARIES = ("TORCHINDUCTOR_", "TRITON_", "KMP_")
"""Environment variables that torch and OpenMP set for themselves when they are first used."""


def read_settings() -> Settings:
    """Return the settings of this process; one that cannot be read has its error for a value."""
    found: Settings = {}
    for name, read in _SETTINGS.items():
        try:
            found[name] = read()
        except Exception as error:
            found[name] = repr(error)
    for name, value in os.environ.items():
        if not name.startswith(_OF_LIBRARIES):
            found[f"environment variable {name}"] = value
    return found


def differences(before: Settings, now: Settings) -> list[str]:
    """Return the names of the settings that differ."""
    names = before.keys() | now.keys()
    return sorted(name for name in names if before.get(name) != now.get(name))


def _torch_backends() -> dict[str, Callable[[], Any]]:
    cuda, cudnn, mkldnn = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
    return {
        "torch.backends.mkldnn": lambda: (
            mkldnn.enabled, mkldnn.deterministic, mkldnn.allow_tf32,
        ),
        "torch.backends.mkldnn precision": lambda: _precisions(mkldnn),
        "torch.backends.cudnn": lambda: (
            cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.benchmark_limit,
        ),
        "torch.backends.cudnn precision": lambda: (cudnn.allow_tf32, *_precisions(cudnn)),
        "torch.backends.cuda.matmul": lambda: (
            cuda.matmul.allow_tf32,
            cuda.matmul.allow_fp16_reduced_precision_reduction,
            cuda.matmul.allow_bf16_reduced_precision_reduction,
            cuda.matmul.allow_fp16_accumulation,
        ),
        "torch.backends.cuda attention": lambda: (
            torch._C._get_flash_sdp_enabled(),
            torch._C._get_mem_efficient_sdp_enabled(),
            torch._C._get_math_sdp_enabled(),
            torch._C._get_cudnn_sdp_enabled(),
        ),
        "torch.backends.mha": torch.backends.mha.get_fastpath_enabled,
        "torch.backends.opt_einsum": lambda: (
            torch.backends.opt_einsum.enabled, torch.backends.opt_einsum.strategy,
        ),
        "torch.backends.nnpack": torch._C._get_nnpack_enabled,
    }  # fmt: skip


def _precisions(backend: Any) -> tuple[Any, ...]:
    parts = (backend, *(getattr(backend, name, None) for name in ("conv", "rnn", "matmul")))
    return tuple(getattr(part, "fp32_precision", None) for part in parts)


def _autocast() -> Any:
    kinds = ("cpu", "cuda", "mps")
    return [(torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in kinds] + [
        torch.is_autocast_cache_enabled()
    ]


def _global_hooks(module: str) -> Any:
    return {
        name: [id(hook) for hook in value.values()]
        for name, value in vars(sys.modules[module]).items()
        if name.startswith("_global_") and isinstance(value, dict)
    }


def _arithmetic() -> Any:
    """Return results that depend on rounding and on whether tiny numbers count as zero."""
    tiny, third = 1e-310, 1.0 / 3.0
    smallest = torch.tensor(1e-40, dtype=torch.float32, device="cpu")
    return tiny * 0.5, third + third * 1e-16, -third * third, float(smallest.mul(0.5))


def _cwd() -> Any:
    return os.getcwd(), (os.stat(".").st_dev, os.stat(".").st_ino)


def _umask() -> Any:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # to be seen, it must be set for a moment
        mask = os.umask(0o022)
        os.umask(mask)
        return mask
    return [line for line in status.splitlines() if line.startswith("Umask")]


def _standard_files() -> Any:
    return [(s.st_dev, s.st_ino) for s in (os.fstat(number) for number in (0, 1, 2))]


def _children() -> Any:
    """Return the processes that this one started and that are not over."""
    try:
        tasks = list(Path("/proc/self/task").iterdir())
        return sorted(pid for task in tasks for pid in (task / "children").read_text().split())
    except OSError:
        import psutil

        return sorted(child.pid for child in psutil.Process().children())


def _threads() -> Any:
    return sorted(
        thread.ident or 0
        for thread in threading.enumerate()
        if not thread.name.startswith(_OWN_THREADS)
    )


def _limits() -> Any:
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def _signals() -> Any:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return handlers, signal.pthread_sigmask(signal.SIG_BLOCK, [])


def _scheduling() -> Any:
    share = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return share, os.getpriority(os.PRIO_PROCESS, 0)


_SETTINGS: dict[str, Callable[[], Any]] = {
    "the default dtype": torch.get_default_dtype,
    "the default device": torch.get_default_device,
    "grad mode": lambda: (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    "autocast": _autocast,
    "torch.use_deterministic_algorithms": lambda: (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch._C._get_deterministic_fill_uninitialized_memory(),
    ),
    "the precision of float32 products": torch.get_float32_matmul_precision,
    "the checksums of torch.save": torch.serialization.get_crc32_options,
    "autograd's anomaly detection": torch.is_anomaly_enabled,
    "torch's modes": lambda: (
        torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack(),
    ),
    "hooks on saved tensors": lambda: torch._C._autograd._top_saved_tensors_default_hooks(True),
    "global hooks of modules": lambda: _global_hooks("torch.nn.modules.module"),
    "global hooks of optimisers": lambda: _global_hooks("torch.optim.optimizer"),
    "the number of threads": lambda: (torch.get_num_threads(), torch.get_num_interop_threads()),
    **_torch_backends(),
    "arithmetic": _arithmetic,
    "numpy's error handling": lambda: (np.geterr(), np.geterrcall(), np.getbufsize()),
    "the working directory": _cwd,
    "the umask": _umask,
    "the standard files": _standard_files,
    "the standard streams": lambda: [id(s) for s in (sys.stdin, sys.stdout, sys.stderr)],
    "sys.path": lambda: [*sys.path, *map(id, sys.meta_path), *map(id, sys.path_hooks)],
    "the limit of recursion": sys.getrecursionlimit,
    "tracing": lambda: (sys.gettrace(), sys.getprofile()),
    "exception hooks": lambda: (sys.excepthook, sys.unraisablehook, threading.excepthook),
    "names of builtins": lambda: sorted(vars(builtins).keys() - {"_"}),
    "garbage collection": gc.isenabled,
    "warnings that are errors": lambda: [str(f) for f in warnings.filters if f[0] == "error"],
    "the decimal context": lambda: (decimal.getcontext().prec, decimal.getcontext().rounding),
    "the locale": lambda: locale.setlocale(locale.LC_ALL),
    "the folder of temporary files": tempfile.gettempdir,
    "the timeout of sockets": socket.getdefaulttimeout,
    "signal handlers": _signals,
    "timers": lambda: [signal.getitimer(k)[1] for k in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL)],
    "limits of resources": _limits,
    "priority and cores": _scheduling,
    "running threads": _threads,
    "child processes": _children,
}  # fmt: skip
