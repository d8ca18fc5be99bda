"""Reads pickles of plain values and NumPy arrays without running anything that they ask for.

The opcodes are carried out here, on lists, dictionaries, text, numbers and arrays of whole numbers,
in the few forms in which NumPy has written arrays. Nothing is imported, called or given a state:
NumPy's own ``__setstate__`` trusts what it is handed, and a changed file ends the process.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = frozenset(sign + size for sign in "ui" for size in "1248")

_PUSHES_ARGUMENT = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
        *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    )
)
# Byte strings of Python 2, which the module gives as text.
_PUSHES_BYTES = frozenset(("STRING", "BINSTRING", "SHORT_BINSTRING"))
_PUSHES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_NOTHING = frozenset(("PROTO", "FRAME"))


@dataclass(frozen=True)
class _Named:
    """A function or class that the pickle names."""

    name: str


@dataclass
class _DType:
    """A NumPy type; without its byte order until the pickle gives it."""

    code: str
    order: str = ""


@dataclass
class _Array:
    """An array; empty until the pickle gives its state."""

    values: NDArray[Any] | None = None


_MARK = object()
_RECONSTRUCT, _NDARRAY, _DTYPE, _ENCODE = map(_Named, ("reconstruct", "ndarray", "dtype", "encode"))
# All that the published files name; NumPy's module has had two names.
_NAMED = {
    "numpy.core.multiarray _reconstruct": _RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": _RECONSTRUCT,
    "numpy ndarray": _NDARRAY,
    "numpy dtype": _DTYPE,
    "_codecs encode": _ENCODE,
}


def read_plain(content: bytes) -> Any:
    """Return what a pickle holds: plain values, and arrays of whole numbers as ``np.ndarray``.

    Byte strings of Python 2 are ``bytes``. Arrays lie in the dictionary or list at the top.

    Raises:
        ValueError: the pickle is broken, or holds anything else.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(content):
            machine.carry_out(opcode.name, argument)
        found = machine.stack.pop()
    except (IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(f"it is no pickle that holds together ({type(error).__name__})") from error
    if type(found) is dict:
        return {key: _plain(value) for key, value in found.items()}
    return [_plain(value) for value in found] if type(found) is list else _plain(found)


def _plain(value: Any) -> Any:
    return value.values if type(value) is _Array else value


class _Machine:
    """The stack and the memory of a pickle that is being read."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def carry_out(self, name: str, argument: Any) -> None:
        """Carry out one opcode."""
        stack = self.stack
        if name in _PUSHES_ARGUMENT:
            stack.append(argument)
        elif name in _PUTS:
            self.memory[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memory[len(self.memory)] = stack[-1]
        elif name in _GETS:
            stack.append(self.memory[argument])
        elif name in _PUSHES_BYTES:
            stack.append(argument.encode("latin1"))
        elif name in _PUSHES:
            stack.append(_PUSHES[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            stack.append(tuple(self._taken(_TUPLES[name])))
        elif name == "POP":
            stack.pop()
        elif name not in _NOTHING and name != "STOP":
            self._build(name, argument)

    def _build(self, name: str, argument: Any) -> None:
        """Carry out an opcode that makes something out of what lies on the stack."""
        stack = self.stack
        if name in ("TUPLE", "LIST", "DICT"):
            items = self._marked()
            made = _paired(items) if name == "DICT" else items
            stack.append(tuple(items) if name == "TUPLE" else made)
        elif name in ("APPEND", "APPENDS"):
            items = self._marked() if name == "APPENDS" else self._taken(1)
            _of(list, stack[-1]).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._marked() if name == "SETITEMS" else self._taken(2)
            _of(dict, stack[-1]).update(_paired(items))
        elif name == "GLOBAL":
            stack.append(_named(argument))
        elif name == "STACK_GLOBAL":
            stack.append(_named(" ".join(_of(str, part) for part in self._taken(2))))
        elif name == "REDUCE":
            function, arguments = self._taken(2)
            stack.append(_made(function, _of(tuple, arguments)))
        elif name == "BUILD":
            (state,) = self._taken(1)
            _give_state(stack[-1], _of(tuple, state))
        else:
            raise ValueError(f"it uses {name}, which no image file needs")

    def _taken(self, count: int) -> list[Any]:
        """Take the topmost values off the stack."""
        if len(self.stack) < count:
            raise IndexError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _marked(self) -> list[Any]:
        """Take what lies above the last mark off the stack."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                items = self.stack[place + 1 :]
                del self.stack[place:]
                return items
        raise IndexError


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        found = type(value).__name__.strip("_")
        raise ValueError(f"it holds {found} in place of {kind.__name__}")
    return value


def _paired(items: list[Any]) -> dict[Any, Any]:
    """Return a dictionary of keys and values in turn; keys are text, so that they hash at once."""
    if not all(type(key) in (bytes, str) for key in items[::2]):
        raise ValueError("it holds a key that is no text")
    return dict(zip(items[::2], items[1::2], strict=True))


def _named(name: str) -> _Named:
    if name not in _NAMED:
        raise ValueError(f"it asks for {name[:80].replace(' ', '.')}, which no image file needs")
    return _NAMED[name]


def _made(function: Any, arguments: tuple[Any, ...]) -> Any:
    """Return what a function that is known gives for arguments of the known forms."""
    given = [_text(argument) for argument in arguments]
    if function is _ENCODE and len(given) == 2 and given[1] == "latin1":
        return _of(str, given[0]).encode("latin1")
    if function is _DTYPE and type(given[0]) is str and given[0] in DTYPES and given[1:] == [0, 1]:
        return _DType(given[0])
    if function is _RECONSTRUCT and len(given) == 3 and given[0] is _NDARRAY:
        return _Array()
    raise ValueError("it makes something that no image file needs")


def _text(value: Any) -> Any:
    """Return short byte strings, as Python 2 wrote text, as text."""
    return value.decode("latin1") if type(value) is bytes and len(value) < 9 else value


def _give_state(value: Any, state: tuple[Any, ...]) -> None:
    """Give a type its byte order, or an array its values, of the one form that is known."""
    if type(value) is _DType and len(state) == 8:
        order = _text(state[1])
        if type(order) is str and order in ("<", ">", "|") and state[2:5] == (None, None, None):
            value.order = order
            return
    if type(value) is _Array and len(state) == 5:
        value.values = _values(*state[1:])
        return
    raise ValueError("it gives a state that no image file needs")


def _values(shape: Any, dtype: Any, by_columns: Any, content: Any) -> NDArray[Any]:
    """Return an array of exactly the bytes that its shape and type ask for."""
    if type(shape) is not tuple or not 1 <= len(shape) <= 4 or type(dtype) is not _DType:
        raise ValueError("it holds an array without shape or type")
    if not all(type(side) is int and 0 <= side <= 1 << 31 for side in shape) or by_columns:
        raise ValueError("it holds an array of a shape that cannot be")
    kind = np.dtype(dtype.order + dtype.code)
    if len(_of(bytes, content)) != math.prod(shape) * kind.itemsize:
        raise ValueError("it holds an array whose bytes do not fill its shape")
    return np.frombuffer(content, dtype=kind).reshape(shape)
