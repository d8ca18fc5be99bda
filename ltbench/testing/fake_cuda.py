"""A CUDA device that is not there, on which code runs, and which notes where the host would wait.

::

    with FakeCuda() as device:
        model.to("cuda")
        model.step(batch)
        assert not device.waits

Python sees tensors on ``cuda:0``. To torch's C++ they are tensors of its ``meta`` device, so that
operations, gradients and optimisers take the ways that they take on an accelerator, and which
device a tensor is on is torch's own knowledge. The values, which meta tensors have none of, lie on
the CPU, under the storage that they belong to: every operation computes them there, so that what is
read back is right. No GPU and no build of torch for one is needed.

What is not there: streams, memory, ``torch.autocast`` in half precision, and kernels, of which only
the number is known (:attr:`FakeCuda.launches`).
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from ltbench.testing.waits import (
    META,
    WrongDevice,
    calling_line,
    check_devices,
    on_device,
    what_waits,
)

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")

NO_KERNEL = re.compile(r"aten\.(empty\w*|new_empty\w*|_unsafe_view|_local_scalar_dense)$")
"""Operations that launch nothing, beside all that give another view of a tensor."""

_CLEAR_EVERY = 64


class FakeCuda:
    """Stands for the first CUDA device while it is entered.

    Attributes:
        waits: what the host would have waited for, each with file and line.
        doubles: where tensors of float64 were made, which Apple's GPUs have not.
        launches: operations that would have launched kernels, by name. One of a list of tensors
            (``torch._foreach_*``, a fused optimiser) counts once; so does each of the few that are
            several kernels (backward passes of convolutions and norms).
    """

    def __init__(self) -> None:
        self.waits: list[str] = []
        self.doubles: list[str] = []
        self.launches: Counter[str] = Counter()
        self._values: dict[int, tuple[StorageWeakRef, torch.UntypedStorage]] = {}
        self._kept = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make ``cuda`` the emulated device for this thread."""
        generator, synchronize = torch.Generator, torch.cuda.synchronize
        self._stack.callback(setattr, torch, "Generator", generator)
        self._stack.callback(setattr, torch.cuda, "synchronize", synchronize)
        torch.Generator = DeviceGenerator  # type: ignore[misc]
        torch.cuda.synchronize = lambda device=None: self.note("the device is synchronised")
        self._stack.enter_context(_Named(self))
        self._stack.enter_context(_Watched(self))
        return self

    def __exit__(self, *error: object) -> None:
        """Leave everything as it was; tensors of the device are of no use any more."""
        self._stack.close()
        self._values.clear()

    def clear(self) -> None:
        """Forget what was noted."""
        self.waits.clear()
        self.doubles.clear()
        self.launches.clear()

    def note(self, what: str) -> None:
        """Note a wait with the line of the code that causes it."""
        self.waits.append(f"{what} at {calling_line()}")

    def knows(self, tensor: Tensor) -> bool:
        """Return whether the values of a tensor of the device are known; constants' may not be."""
        return tensor.untyped_storage()._cdata in self._values

    def values_of(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the CPU that shares its memory with the values of ``tensor``."""
        storage = tensor.untyped_storage()
        if not self.knows(tensor):
            self._keep(storage, torch.zeros(storage.nbytes(), dtype=torch.uint8).untyped_storage())
        _, values = self._values[storage._cdata]
        if values.nbytes() < storage.nbytes():
            values.resize_(storage.nbytes())
        found = torch.empty(0, dtype=tensor.dtype)
        offset = tensor.storage_offset()
        return found.set_(values, offset, tensor.size(), tensor.stride())

    def holding(self, values: Tensor) -> Tensor:
        """Return a tensor of the device that holds ``values``, which nobody else may change."""
        if values.dtype == torch.float64:
            self.doubles.append(calling_line())
        found = torch.empty_strided(values.size(), values.stride(), dtype=values.dtype, device=META)
        memory = values.untyped_storage()
        if values.storage_offset() or memory.nbytes() < found.untyped_storage().nbytes():
            memory = values.clone(memory_format=torch.preserve_format).untyped_storage()
        self._keep(found.untyped_storage(), memory)
        return found

    def _keep(self, storage: torch.UntypedStorage, values: torch.UntypedStorage) -> None:
        reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
        self._values[storage._cdata] = (reference, values)
        self._kept += 1
        if self._kept % _CLEAR_EVERY == 0:
            alive = {k: v for k, v in self._values.items() if not v[0].expired()}  # type: ignore[no-untyped-call]
            self._values = alive


class DeviceGenerator(torch.Generator):
    """Stands for ``torch.Generator``, which refuses devices that are not there."""

    def __new__(cls, device: Any = "cpu") -> Self:
        """Make one that draws on the CPU, whatever its device is called."""
        found = super().__new__(cls)
        found._device = CUDA if _is_cuda(device) else torch.device(device)  # type: ignore[attr-defined]
        return found

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The device that it was made for."""
        return self._device  # type: ignore[attr-defined]


class _Named(TorchFunctionMode):
    """Calls the device ``cuda`` towards Python, and ``meta`` towards C++."""

    def __init__(self, device: FakeCuda) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.device:  # Python's name for it
            return func(*args, **(kwargs or {}))
        kwargs = {key: _renamed(value) for key, value in (kwargs or {}).items()}
        args = tuple(map(_renamed, args))
        target = args[0] if args else None
        if on_device(target) and func in _INSTEAD:
            return _INSTEAD[func](self.device, func, *args, **kwargs)
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == META:
            return func(*args, **{**kwargs, "device": CPU}).to(META)
        if func == torch.Tensor.cuda:
            return args[0].to(META, non_blocking=kwargs.get("non_blocking", False))
        if func == torch.Tensor.pin_memory:
            return target
        _check_generator(func, args, kwargs)
        return func(*args, **kwargs)


class _Watched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Computes on the CPU what is asked of the device, and notes what the host waits for."""

    def __init__(self, device: FakeCuda) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        with torch._C.DisableTorchFunction():
            tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
            if not any(map(on_device, tensors)) and kwargs.get("device") != META:
                return func(*args, **kwargs)
            name = str(func.overloadpacket)
            if name == "aten.lift_fresh" and not self.device.knows(args[0]):
                self.device.note("a constant is copied to the device")
            if _only_looks(func):
                return func(*args, **kwargs)
            if what := what_waits(name, args, kwargs):
                self.device.note(what)
            check_devices(func, name, args, tensors)
            if not NO_KERNEL.match(name):
                self.device.launches[name] += 1
            return self._compute(func, args, kwargs)

    def _compute(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Carry an operation out on the CPU, and return its results on the device."""
        given: dict[int, Tensor] = {}

        def to_values(tensor: Tensor) -> Tensor:
            values = self.device.values_of(tensor) if on_device(tensor) else tensor
            given[id(values)] = tensor
            return values

        def to_result(values: Tensor) -> Tensor:
            if id(values) in given:  # an operation in place returns what it was given
                return given[id(values)]
            if target != META:
                return values
            memory = values.untyped_storage()._cdata
            shared = any(memory == one.untyped_storage()._cdata for one in computed)
            return self.device.holding(values.clone() if shared else values)

        target = kwargs.get("device") or META
        if "device" in kwargs:
            kwargs["device"] = CPU
        moved = tree_map_only(Tensor, to_values, (args, kwargs))
        computed = [one for one in tree_leaves(moved) if isinstance(one, Tensor)]
        return tree_map_only(Tensor, to_result, func(*moved[0], **moved[1]))


def _constant(device: FakeCuda, func: Any, like: Tensor, data: Any, **kwargs: Any) -> Tensor:
    """Make a tensor of numbers on the host and copy it to the device."""
    made = torch.tensor(data, **{"dtype": like.dtype, **kwargs, "device": CPU})
    return made.to(kwargs.get("device", META))


def _set(device: FakeCuda, func: Any, target: Tensor, index: Any, value: Any) -> None:
    """Set part of a tensor; a number is copied to places that tensors name, but not to a mask's."""
    if isinstance(value, Tensor):
        func(target, index, value)
    elif _is_mask(index):
        target.masked_fill_(index, value)
    else:
        if any(isinstance(one, Tensor) for one in (index if isinstance(index, tuple) else [index])):
            device.note("a number is copied to places that a tensor names")
        func(target, index, value)


def _copied(device: FakeCuda, func: Any, tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """Return a deep copy, as ``copy.deepcopy`` makes it."""
    found = tensor.detach().clone().requires_grad_(tensor.requires_grad)
    if isinstance(tensor, torch.nn.Parameter):
        found = torch.nn.Parameter(found.detach(), tensor.requires_grad)
    memo[id(tensor)] = found
    return found


def _as_text(device: FakeCuda, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
    return func(tensor.detach().cpu(), *args, **kwargs)


def _no_array(device: FakeCuda, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
    raise WrongDevice(f"a tensor on cuda becomes a NumPy array at {calling_line()}")


_INSTEAD: dict[Any, Callable[..., Any]] = {
    torch.Tensor.device.__get__: lambda *_: CUDA,
    torch.Tensor.is_cuda.__get__: lambda *_: True,  # type: ignore[attr-defined]
    torch.Tensor.is_meta.__get__: lambda *_: False,  # type: ignore[attr-defined]
    torch.Tensor.get_device: lambda *_: 0,
    torch.Tensor.new_tensor: _constant,
    torch.Tensor.__setitem__: _set,
    torch.Tensor.__deepcopy__: _copied,
    torch.Tensor.__repr__: _as_text,
    torch.Tensor.__format__: _as_text,
    torch.Tensor.numpy: _no_array,
    torch.Tensor.__array__: _no_array,
}
"""What is said of a tensor on the device, and done in the place of functions that treat ``meta``
tensors in a way of their own."""


def _renamed(value: Any) -> Any:
    """Return the device's name in C++ where ``value`` is its name in Python."""
    return META if isinstance(value, (torch.device, str)) and _is_cuda(value) else value


def _is_cuda(device: Any) -> bool:
    return str(device).partition(":")[0] == "cuda"


def _is_mask(index: Any) -> bool:
    return isinstance(index, Tensor) and index.dtype == torch.bool


def _check_generator(func: Any, args: Iterable[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse a generator of another device than the operation's, as CUDA does."""
    generator = kwargs.get("generator")
    if not isinstance(generator, torch.Generator):
        return
    tensors = [one.device for one in tree_leaves(list(args)) if isinstance(one, Tensor)]
    device = torch.device(kwargs.get("device") or (tensors or [CPU])[0])
    wanted = "cuda" if device.type in ("meta", "cuda") else device.type
    if generator.device.type != wanted:
        raise WrongDevice(
            f"{func.__name__} on {wanted} draws from a generator on {generator.device.type} at "
            f"{calling_line()}"
        )


def _only_looks(func: Any) -> bool:
    """Return whether an operation gives another view of the same values, or none."""
    if torch.Tag.inplace_view in func.tags:
        return True
    infos = [argument.alias_info for argument in func._schema.arguments if argument.alias_info]
    return bool(infos) and not any(info.is_write for info in infos)
