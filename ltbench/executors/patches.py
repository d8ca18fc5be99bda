"""Finds what was replaced in modules: functions, methods, classes, constants.

A plugin that patches ``torch.nn.functional.cross_entropy`` patches it for every run of its process.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

WATCHED = frozenset(
    {
        "PIL", "builtins", "collections", "copy", "functools", "itertools", "json", "ltbench",
        "math", "numpy", "operator", "os", "pickle", "random", "scipy", "sklearn", "statistics",
        "time", "timm", "torch", "torchvision", "warnings",
    }
)  # fmt: skip
"""Packages that training goes through; the first-party plugins are watched as well."""
_UNUSED = (
    "torch._C._distributed", "torch._dynamo", "torch._export", "torch._inductor", "torch.ao",
    "torch.compiler",
    "torch.distributed", "torch.export", "torch.fx", "torch.onnx", "torch.package",
    "torch.profiler", "torch.testing",
)  # fmt: skip
"""Large parts of torch that no run passes through, and that change themselves when first used."""

_Function = types.FunctionType
_CALLABLE = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.MethodType, type, classmethod, staticmethod, property,
    functools.partial, type(functools.lru_cache(abs)), np.ufunc,
)  # fmt: skip
_PLAIN = (bool, int, float, str, tuple, frozenset, type(None))
_CONTAINERS = (dict, list, set)
_ABSENT = object()


class _Namespace:
    """What a module or a class had when it was looked at.

    Args:
        name: as it is written in code.
        holder: the module or class.
        constants: whether values are watched too, not only what can be called.
    """

    def __init__(self, name: str, holder: Any, *, constants: bool) -> None:
        self.name, self.holder = name, holder
        self.size = len(vars(holder)) if isinstance(holder, type) else None
        self.kept: dict[str, Any] = {}
        self.functions: list[tuple[str, types.FunctionType, Any, Any, Any]] = []  # and their parts
        self.inside: dict[str, Any] = {}  # what containers hold
        for key, value in list(vars(holder).items()):
            if isinstance(value, _CALLABLE):
                self.kept[key] = value
                if type(value) is _Function:
                    parts = value.__code__, value.__defaults__, _content(value.__kwdefaults__)
                    self.functions.append((key, value, *parts))
            elif constants and not key.startswith("_"):
                if isinstance(value, _PLAIN):
                    self.kept[key] = value
                elif isinstance(value, _CONTAINERS):
                    self.kept[key], self.inside[key] = value, _content(value)

    def _is_own(self, key: str, value: Any) -> bool:
        """Return whether the package itself put a value there: torch wraps what is first used.

        It does so in classes that inherit it, of other packages too: optimisers' ``step``.
        """
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        if type(function) is not _Function:
            return isinstance(value, type) and _root(value.__module__) == _root(self.name)
        module = str(function.__globals__.get("__name__"))
        if not isinstance(self.holder, type):
            return _root(module) == _root(self.name) and function.__qualname__ == key
        classes = self.holder.__mro__
        packages = {_root(cls.__module__) for cls in classes}
        names = {f"{cls.__qualname__}.{key}" for cls in classes}
        return _root(module) in packages and function.__qualname__ in names

    def changes(self) -> Iterator[str]:
        """Yield the names of what is no longer what it was."""
        there: Mapping[str, Any] = vars(self.holder)
        get = there.get
        for key, value in self.kept.items():
            now = get(key, _ABSENT)
            if now is not value and not self._is_own(key, now):
                yield f"{self.name}.{key}"
        for key, function, code, defaults, named in self.functions:
            if (
                function.__code__ is not code
                or function.__defaults__ is not defaults
                or (function.__kwdefaults__ and _content(function.__kwdefaults__) != named)
            ):
                yield f"{self.name}.{key}"
        for key, content in self.inside.items():
            if _content(self.kept[key]) != content:
                yield f"{self.name}.{key}"
        # What a class inherited may be hidden by what it has now.
        if self.size is not None and len(there) != self.size:
            for key in there.keys() - self.kept.keys():
                if isinstance(there[key], _CALLABLE) and not self._is_own(key, there[key]):
                    yield f"{self.name}.{key}"


class Patches:
    """What the watched modules held when they were last looked at.

    Args:
        plugins: the packages, or files' modules, of third parties' plugins. A module that is first
            imported and then patched is known by functions of theirs in it.
    """

    def __init__(self, plugins: frozenset[str]) -> None:
        Image.init()  # registers its formats, which the first image would do otherwise
        self.plugins = plugins
        self._namespaces: dict[int, list[_Namespace]] = {}
        self._keep: list[types.ModuleType] = []  # so that no other module gets their number
        list(self._look_at_new())

    def changes(self) -> list[str]:
        """Return the names of what was replaced, since this was made or in modules that are new."""
        known = [space for spaces in self._namespaces.values() for space in spaces]
        return [name for space in known for name in space.changes()] + list(self._look_at_new())

    def _look_at_new(self) -> Iterator[str]:
        """Take in the modules that were imported since, and yield what is foreign in them."""
        for name, module in list(sys.modules.items()):
            if id(module) in self._namespaces or not _is_watched(name):
                continue
            if not isinstance(module, types.ModuleType):
                continue
            spaces = list(_namespaces(name, module))
            self._namespaces[id(module)] = spaces
            self._keep.append(module)
            for space in spaces:
                for key, value in space.kept.items():
                    if type(value) is _Function and self._is_foreign(value):
                        yield f"{space.name}.{key}"

    def _is_foreign(self, function: types.FunctionType) -> bool:
        module = str(function.__globals__.get("__name__"))
        return module in self.plugins or _root(module) in self.plugins


def _root(module: str) -> str:
    return module.partition(".")[0]


def _is_watched(name: str) -> bool:
    root = _root(name)
    if root == "ltbench":
        # Plugin files are imported below the core; what they do to themselves is theirs.
        return not name.startswith("ltbench.plugins.files.")
    return (root in WATCHED or root.startswith("ltbench_")) and not name.startswith(_UNUSED)


def _namespaces(name: str, module: types.ModuleType) -> Iterator[_Namespace]:
    ours = _root(name).startswith("ltbench")
    constants = ours or name.startswith("PIL")
    yield _Namespace(name, module, constants=constants)
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__ == name:
            yield _Namespace(f"{name}.{value.__qualname__}", value, constants=ours)


def _content(value: Any) -> Any:
    """Return something that differs if what a container holds does."""
    if value is None:
        return None
    if isinstance(value, dict):
        return [(key, id(item)) for key, item in value.items()]
    return sorted(map(id, value)) if isinstance(value, set) else list(map(id, value))
