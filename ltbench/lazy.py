"""Modules that name much and import little: each name is imported when it is first used.

Such a module lists its names once, as imports for type checkers and editors, and has them at run
time from the same lines::

    if TYPE_CHECKING:
        from package.module import Thing as Thing
    else:
        __getattr__, __dir__, __all__ = lazy_module(__name__)
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable


def lazy_module(module: str) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a module (PEP 562).

    Args:
        module: name of the module, which is being imported.
    """
    homes = homes_of(module)

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        return getattr(importlib.import_module(homes[name]), name)

    return load, lambda: sorted(homes), sorted(homes)


def homes_of(module: str) -> dict[str, str]:
    """Return the modules that define the names of a lazy module, by name.

    Args:
        module: name of the module, which is imported or being imported.
    """
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    (block,) = (node.body for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}
