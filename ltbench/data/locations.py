"""Where data sets and decoded images lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def data_folder(given: Path | None = None) -> Path:
    """Return the folder of the data sets' files: ``given``, ``LTBENCH_DATA``, or the user's."""
    if given is not None:
        return given
    if folder := os.environ.get("LTBENCH_DATA"):
        return Path(folder).expanduser()  # job scripts and .env files leave a ~ as it is
    return platformdirs.user_data_path("ltbench") / "datasets"


def cache_folder() -> Path:
    """Return the folder of decoded images: ``LTBENCH_CACHE``, or the user's cache folder."""
    if folder := os.environ.get("LTBENCH_CACHE"):
        return Path(folder).expanduser()
    return platformdirs.user_cache_path("ltbench")
