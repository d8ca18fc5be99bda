"""Which operations on CUDA make the host wait for the device, and which are refused there.

torch does not say so anywhere; it is read from its kernels. What they look at is here a tensor of
the emulated device, which C++ knows as ``meta`` (:mod:`ltbench.testing.fake_cuda`).
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from traceback import walk_stack, walk_tb
from typing import Any

import torch
from torch import Tensor

import ltbench

META = torch.device("meta")

WAITS = {
    "aten._local_scalar_dense": "the value of a tensor is read",
    "aten.equal": "two tensors are compared as a whole",
    "aten.allclose": "two tensors are compared as a whole",
    **dict.fromkeys(
        (
            "aten._linalg_check_errors", "aten._linalg_svd", "aten._linalg_eigh",
            "aten.linalg_eig", "aten.linalg_lstsq", "aten.cholesky",
        ),
        "an error of linear algebra is looked for",
    ),
    **dict.fromkeys(
        (
            "aten.nonzero", "aten.masked_select", "aten.bincount", "aten.histc", "aten._unique",
            "aten._unique2", "aten.unique_dim", "aten.unique_consecutive",
            "aten.unique_dim_consecutive",
        ),
        "the size of the result is known on the device alone",
    ),
}  # fmt: skip
"""Operations whose kernels, or whose results, the host has to wait for."""

_FILLS = ("aten.masked_fill", "aten.masked_fill_", "aten.index_fill", "aten.index_fill_")
_INDEXING = ("aten.index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_")
_TORCH, _SUITE = Path(torch.__file__).parent, Path(ltbench.__file__).parent
_KIT, _PYTHON = _SUITE / "testing", Path(sysconfig.get_path("stdlib"))


class WrongDevice(RuntimeError):
    """Tensors of two devices, or a generator of another, met in an operation."""


def on_device(value: Any) -> bool:
    """Return whether something is a tensor of the emulated device."""
    return isinstance(value, Tensor) and value.is_meta


def what_waits(name: str, args: Any, kwargs: Mapping[str, Any]) -> str:
    """Return what the host waits for in an operation with tensors of the device, or nothing.

    Args:
        name: of the operation, ``aten.index``.
        args, kwargs: of the operation.
    """
    if name in WAITS:
        return WAITS[name]
    if name in _INDEXING:
        return _index_waits([index for index in args[1] if index is not None], args[2:3])
    if name == "aten.where" and not all(map(on_device, args)):
        return "a number in a tensor on the CPU is copied to the device"
    if name in _FILLS and on_device((args[3:] or args[2:])[0]):
        return "the number that is filled in is read from a tensor"
    return _size_waits(name, args, kwargs) or _copy_waits(name, args, kwargs)


def _index_waits(indices: list[Tensor], values: Sequence[Any]) -> str:
    if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
        return "a mask is used as an index, so that the size must be known"
    there = all(map(on_device, [*indices, *values]))
    return "" if there else "an index, or what it is set to, is copied to the device"


def _size_waits(name: str, args: Any, kwargs: Mapping[str, Any]) -> str:
    if name == "aten.repeat_interleave" and kwargs.get("output_size") is None:
        return "numbers of repetitions are summed up (give output_size)"
    if name != "aten.multinomial":
        return ""
    replaced = args[2] if len(args) > 2 else kwargs.get("replacement", False)
    several = args[1] > 1 and replaced
    return "" if several else "probabilities are checked, unless several draws are replaced"


def _copy_waits(name: str, args: Any, kwargs: Mapping[str, Any]) -> str:
    there, later = False, kwargs.get("non_blocking")
    if name == "aten._to_copy":
        there = (kwargs.get("device") or args[0].device) == META
    elif name == "aten.copy_":
        there, later = on_device(args[1]), args[2] if len(args) > 2 else later
    else:
        return ""
    same = on_device(args[0]) == there
    return "" if same or later else "a tensor is copied between host and device"


def check_devices(func: Any, name: str, args: Any, tensors: list[Tensor]) -> None:
    """Refuse tensors on the CPU among those of the device, where CUDA does.

    A number in a tensor without dimensions may be there where it is an operand of an arithmetic
    operation; an index may be, but is copied.
    """
    if name in (*_INDEXING, "aten.copy_", "aten._to_copy") or "_foreach_" in name:
        return
    numbers = torch.Tag.pointwise in func.tags or name.startswith("aten.fill")
    strangers = [one for one in tensors if not (on_device(one) or (numbers and not one.dim()))]
    changed = func._schema.is_mutable and isinstance(args[0], Tensor) and not on_device(args[0])
    if strangers or changed:
        raise WrongDevice(f"{name} gets tensors of cuda and of cpu at {calling_line()}")


def calling_line() -> str:
    """Return file and line of the code that is being run, of a plugin's where it is one's."""
    return _responsible((frame.f_code.co_filename, line) for frame, line in walk_stack(None))


def line_of(error: BaseException) -> str:
    """Return file and line of the code that raised an error, of a plugin's where it is one's."""
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    return _responsible(reversed(frames))


def _responsible(frames: Iterable[tuple[str, int]]) -> str:
    """Return the innermost of some places that is a plugin's, or else the suite's.

    Args:
        frames: files and lines, innermost first; what called the conformance kit is not looked at.
    """
    own = ""
    for name, line in frames:
        path = Path(name)
        if not path.is_absolute():  # code that was made, of a data class say
            continue
        if path.is_relative_to(_TORCH) or path.is_relative_to(_KIT):
            if own and path.is_relative_to(_KIT):
                break
            continue
        if path.is_relative_to(_SUITE):
            own = own or f"{name}:{line}"
        elif not path.is_relative_to(_PYTHON) or "site-packages" in path.parts:
            return f"{name}:{line}"
    return own or "an unknown place"
