"""Packages that an observer needs and ltbench does not."""

from __future__ import annotations

import importlib

from ltbench.api import PluginError, UsageError


def require(package: str) -> None:
    """Import a package that an extra of the same name brings.

    Raises:
        UsageError: it is not installed; the message says what to type.
        PluginError: it is, and cannot be imported.
    """
    try:
        importlib.import_module(package)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            raise UsageError(
                f"--observer {package} needs the package {package}: "
                f"pip install 'ltbench[{package}]'"
            ) from error
        raise PluginError(
            f"--observer {package}: the package {package} is installed but cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
