"""Plugins that are single files, from ``ltbench --plugin FILE`` and ``LTBENCH_PLUGIN_PATH``.

A file is imported as ``ltbench.plugins.files.f_<folder>.<stem>``, a name that depends on its place
alone. Any process with the same environment variable finds it by that name, so that worker
processes can unpickle what the file defines, and ``from .helper import …`` finds the files beside
it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

from ltbench import hookimpl
from ltbench.errors import PluginError, UsageError
from ltbench.plugins.hookspecs import Register
from ltbench.plugins.text import visible
from ltbench.regular_files import open_file, read_file

VARIABLE = "LTBENCH_PLUGIN_PATH"
DIGITS = 12  # hexadecimal, of a content's SHA-256

__path__: list[str] = []  # lets modules be imported from below this one, through _Finder

# Where a class without any hook belongs; of a stage, which is an algorithm too, the first counts.
_BASES = {
    "stages": "ltbench.plugins.stage:Stage",
    "algorithms": "ltbench.plugins.algorithm:Algorithm",
    "modifiers": "ltbench.plugins.modifier:Modifier",
    "datasets": "ltbench.plugins.dataset:Dataset",
    "augmentations": "ltbench.plugins.augmentation:Augmentation",
    "observers": "ltbench.plugins.observer:Observer",
    "executors": "ltbench.executors.base:Executor",
}


def plugin_files() -> list[Path]:
    """Return the files that the environment variable names, each once, in their order."""
    parts = os.environ.get(VARIABLE, "").split(os.pathsep)
    return list(dict.fromkeys(Path(part).expanduser().resolve() for part in parts if part.strip()))


def add_plugin_files(paths: Sequence[Path]) -> None:
    """Put files before those that the environment variable names already.

    Worker processes, and machines that inherit the environment, load them too.

    Raises:
        UsageError: the path of one holds the sign that parts paths in the variable.
    """
    files = [path.expanduser().resolve() for path in paths]
    for file in files:
        if os.pathsep in str(file):
            raise UsageError(
                f"the plugin file '{visible(str(file))}' has '{os.pathsep}' in its path, which "
                f"parts files in {VARIABLE}: rename it, or move it to another folder"
            )
    files += plugin_files()
    os.environ[VARIABLE] = os.pathsep.join(map(str, dict.fromkeys(files)))


def content_hash(path: Path) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of a file, and of those it imports from.

    Only files beside it that are imported relatively (``from .helper import …``) count, and what
    those import in turn; without any it is the SHA-256 of the file itself.

    Raises:
        OSError: the file cannot be read.
    """
    files = {path.name: read_file(path)}
    waiting = list(_beside(path, files[path.name]))
    while waiting:
        file = waiting.pop()
        name = file.relative_to(path.parent).as_posix()
        if name not in files and file.is_file():
            files[name] = read_file(file)
            waiting.extend(_beside(file, files[name]))
    digest = hashlib.sha256(files.pop(path.name))
    for name, content in sorted(files.items()):
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:DIGITS]


def load_plugin_file(path: Path) -> object:
    """Import a file and return what can be registered: the module, or its classes.

    A file without any hook implementation gives its subclasses of what plugins are made of
    (:class:`ltbench.api.Algorithm`, ``Dataset``, ``Executor``, …), under their names in lower case
    with hyphens.

    Raises:
        PluginError: there is nothing in it to register, or its name cannot be a module's.
        OSError: it is not there, or no regular file.
        Exception: whatever the file raises.
    """
    if path.suffix != ".py" or "." in path.stem:
        raise PluginError(f"{path} is not called NAME.py, without further dots: rename it")
    open_file(path).close()  # a pipe would be waited for
    name = module_name(path)
    # Read anew: the file may have changed since this process imported it.
    sys.modules.pop(name, None)
    module = importlib.import_module(name)
    if any(hasattr(value, "ltbench_impl") for value in vars(module).values()):
        return module
    classes = Classes(module)
    if not classes.found:
        names = [base.partition(":")[2] for base in _BASES.values()]
        raise PluginError(
            f"{path} registers nothing: mark a function with @hookimpl, or define a subclass of "
            f"{', '.join(names[:-1])} or {names[-1]}"
        )
    return classes


def module_name(path: Path) -> str:
    """Return the name under which a file is imported."""
    return f"{__name__}.{_folder_name(path.parent)}.{path.stem}"


class Classes:
    """Registers the classes of a module that has no hooks.

    Attributes:
        found: name and class by the kind of thing they are.
    """

    def __init__(self, module: ModuleType) -> None:
        self.found: dict[str, list[tuple[str, type]]] = {}
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                kinds = _kinds(value)
                if kinds and not value.__name__.startswith("_"):
                    self.found.setdefault(kinds, []).append((hyphenated(value.__name__), value))

    @hookimpl
    def ltbench_algorithms(self, register: Register) -> None:
        """Register the algorithms."""
        self._register("algorithms", register)

    @hookimpl
    def ltbench_modifiers(self, register: Register) -> None:
        """Register the modifiers."""
        self._register("modifiers", register)

    @hookimpl
    def ltbench_stages(self, register: Register) -> None:
        """Register the stages."""
        self._register("stages", register)

    @hookimpl
    def ltbench_datasets(self, register: Register) -> None:
        """Register the data sets."""
        self._register("datasets", register)

    @hookimpl
    def ltbench_augmentations(self, register: Register) -> None:
        """Register the augmentations."""
        self._register("augmentations", register)

    @hookimpl
    def ltbench_observers(self, register: Register) -> None:
        """Register the observers."""
        self._register("observers", register)

    @hookimpl
    def ltbench_executors(self, register: Register) -> None:
        """Register the executors."""
        self._register("executors", register)

    def _register(self, kinds: str, register: Register) -> None:
        for name, value in self.found.get(kinds, ()):
            register(name, value)


def hyphenated(name: str) -> str:
    """Return a class's name as a user types it: ``BrierScore`` is ``brier-score``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def _kinds(cls: type) -> str | None:
    """Return which registry a class belongs to, without importing torch to find out."""
    bases = {f"{base.__module__}:{base.__qualname__}" for base in cls.__mro__[1:]}
    return next((kinds for kinds, base in _BASES.items() if base in bases), None)


def _folder_name(folder: Path) -> str:
    return f"f_{hashlib.sha256(str(folder).encode()).hexdigest()[:DIGITS]}"


def _beside(file: Path, content: bytes) -> Iterator[Path]:
    """Yield the files from which ``file`` imports relatively."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # said when it is imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            place = file.parent.joinpath(*(node.module.split(".") if node.module else ()))
            inside = [place / alias.name for alias in node.names]
            for candidate in inside if node.module is None else [place, *inside]:
                yield candidate.with_name(f"{candidate.name}.py")
                yield candidate / "__init__.py"


class _Finder:
    """Finds the folders of plugin files as packages, and the files in them."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module below this one is, or ``None`` for all others."""
        head, _, tail = name.removeprefix(f"{__name__}.").partition(".")
        if not name.startswith(f"{__name__}.f_"):
            return None
        folder = next((f.parent for f in plugin_files() if _folder_name(f.parent) == head), None)
        if folder is None:
            return None
        if not tail:
            package = ModuleSpec(name, None, is_package=True)
            package.submodule_search_locations = [str(folder)]
            return package
        file = folder / f"{tail}.py"
        if "." in tail or not file.is_file():
            return None  # a package in the folder, which Python finds by itself
        return importlib.util.spec_from_file_location(name, file, loader=_Uncached(name, str(file)))


class _Uncached(SourceFileLoader):
    """Always compiles: byte code is told by seconds and sizes, and an edit may change neither."""

    def path_stats(self, path: str) -> dict[str, float]:
        raise OSError


sys.meta_path.append(_Finder)
