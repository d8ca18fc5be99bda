"""ltbench: a benchmark suite for multi-domain long-tailed image classification.

Importing this package is cheap. :func:`run` and :func:`load` are what the commands are, in Python;
what plugin authors build on is in :mod:`ltbench.api`.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ltbench.python.run import Run
    from ltbench.python.runs import Runs, load
    from ltbench.python.start import run

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("ltbench")
"""Marks a function of a plugin module as the implementation of an ltbench hook."""

if os.environ.get("LTBENCH_VERBOSE"):  # by whoever started this process
    from ltbench.verbose import show_logs_as_asked

    show_logs_as_asked()

_HOMES = {"run": "start", "load": "runs", "Runs": "runs", "Run": "run"}


def __getattr__(name: str) -> object:
    """Import what is used from Python when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ltbench' has no attribute '{name}'")
    return getattr(importlib.import_module(f"ltbench.python.{_HOMES[name]}"), name)


__all__ = ["Run", "Runs", "__version__", "hookimpl", "load", "run"]
