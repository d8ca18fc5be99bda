"""What a file of weights says of how images reach the network that it is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.models.configuration import CONFIG, OPEN_CLIP_CONFIG, read_config, weights_config
from ltbench.models.open_clip_config import OPEN_CLIP_FILES, read_open_clip
from ltbench.plugins.preprocessing import CROP, Preprocessing, both_or_neither, judged
from ltbench.plugins.text import visible

_BESIDE = (
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    *OPEN_CLIP_FILES,
)
"""Names of the files of weights that lie in a folder of their own with a ``config.json``."""
_METADATA = "pretrained_cfg"
_LARGEST = 2**20  # characters of a configuration within a file


def weights_preprocessing(path: Path) -> Preprocessing | None:
    """Return what the configuration within or beside a file of weights says; ``None`` without one.

    Within it is JSON in the metadata of safetensors, under ``pretrained_cfg``; beside it is timm's
    ``config.json``, where the file has one of the names that go with it, or open_clip's.

    Raises:
        UsageError: the configuration holds what is not possible, or cannot be read.
    """
    text, beside = _metadata(path), path.with_name(CONFIG)
    try:
        if text is not None:
            return _preprocessing(_parsed(text, path), f"the metadata of {path}")
        if path.name in _BESIDE and beside.exists():
            return _preprocessing(read_config(beside, str(beside)), str(beside))
        clips = path.with_name(OPEN_CLIP_CONFIG)
        if path.name in OPEN_CLIP_FILES and clips.exists():
            return read_open_clip(clips, str(clips)).preprocessing
        return None
    except UsageError as error:
        raise UsageError(f"{error}; or say it with --preprocessing") from error


def _preprocessing(document: dict[str, Any], where: str) -> Preprocessing | None:
    found = judged(weights_config(document, where), where)
    both_or_neither(found, where)
    if "mean" not in found:
        return None
    return Preprocessing(**{"interpolation": "bilinear", "crop": CROP, **found})


def _metadata(path: Path) -> str | None:
    """Return the text of the configuration in a safetensors file, if it has one."""
    if path.suffix != ".safetensors":
        return None
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get(_METADATA)
    except Exception as error:  # safetensors has an error class of its own
        raise UsageError(f"--weights {path} cannot be read: {visible(str(error))}") from error


def _parsed(text: str, path: Path) -> dict[str, Any]:
    where = f"the metadata of {path}"
    if len(text) > _LARGEST:
        raise UsageError(f"{where}: '{_METADATA}' is larger than {_LARGEST // 2**20} MB")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: '{_METADATA}' is not JSON: {visible(str(error))}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{where}: '{_METADATA}' is not a JSON object")
    return found
