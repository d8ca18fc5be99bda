"""ltbench: a benchmark suite for multi-domain long-tailed image classification.

Importing this package is cheap; what plugin authors build on is in :mod:`ltbench.api`.
"""

from __future__ import annotations

import os

import pluggy

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("ltbench")
"""Marks a function of a plugin module as the implementation of an ltbench hook."""

if os.environ.get("LTBENCH_VERBOSE"):  # by whoever started this process
    from ltbench.verbose import show_logs_as_asked

    show_logs_as_asked()

__all__ = ["__version__", "hookimpl"]
