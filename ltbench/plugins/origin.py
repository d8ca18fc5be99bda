"""Which ltbench this is and what it stands on: versions and revision; none is imported."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import ltbench

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pillow", "mlxtend")
"""Distributions that the numbers of a run depend on."""


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Return the versions, read once a process: a distribution's metadata takes long to parse.

    Raises:
        PackageNotFoundError: one is not installed.
    """
    return {name: version(name) for name in LIBRARIES}


@lru_cache(maxsize=1)
def git_revision() -> str | None:
    """Return the revision of the checkout that ltbench runs from; ``None`` for an installed one."""
    checkout = Path(ltbench.__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
