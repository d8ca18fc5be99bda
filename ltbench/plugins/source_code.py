"""What a plugin's code is, told by its content: a version number does not change with an edit."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

DIGITS = 12  # hexadecimal, of a content's SHA-256


@lru_cache(maxsize=256)
def source_sha256(module: str) -> str:
    """Return the first digits of the SHA-256 of a module's source.

    The modules of the same package that it imports count too, and what those import in turn; other
    packages are told by their versions.

    Args:
        module: its full name; nothing is imported.

    Returns:
        Twelve hexadecimal digits; of no source where the module has none, as a compiled one.
    """
    found: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name and name not in found and (source := _source(name)) is not None:
            found[name] = source
            waiting.append(name.rpartition(".")[0])  # the package, which is imported first
            waiting.extend(_imported(name, source))
    return _digest(sorted(found.items()))


@lru_cache(maxsize=8)
def folder_sha256(folder: Path) -> str:
    """Return the first digits of the SHA-256 of all Python files below a folder."""
    files = sorted(folder.rglob("*.py"))
    return _digest((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in files:
        plain = content.replace(b"\r\n", b"\n")  # a checkout on another system
        digest.update(f"{name}\0{len(plain)}\0".encode() + plain)
    return digest.hexdigest()[:DIGITS]


def _source(module: str) -> bytes | None:
    spec = _find(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        return Path(spec.origin).read_bytes()
    except OSError:  # in an archive, say
        return None


def _find(module: str) -> ModuleSpec | None:
    """Return where a module is, without importing the packages that it lies in."""
    top, *inner = module.split(".")
    try:
        spec, name = importlib.util.find_spec(top), top
    except ValueError:  # a program that is no module, as __main__
        return None
    for part in inner:
        name = f"{name}.{part}"
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec


def _imported(module: str, source: bytes) -> Iterator[str]:
    """Yield the modules of the same top-level package that a source may import.

    A name that is imported from a package may be a module of it, or not.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # said when it is imported
        return
    top = module.partition(".")[0]
    spec = _find(module)
    package = module if spec and spec.submodule_search_locations else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)] if base else []
        else:
            continue
        for name in names:
            if name.partition(".")[0] == top:
                yield name


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the full name of the module that is imported from, or nothing where there is none."""
    dots = "." * node.level
    try:
        return importlib.util.resolve_name(dots + (node.module or ""), package or None)
    except ImportError:
        return ""
