"""Reads timm's ``config.json``, which lies beside weights and may come from anywhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.models.hub import HubName, NoSuchFile, first_file, hub_file
from ltbench.plugins.text import visible
from ltbench.regular_files import read_file

CONFIG = "config.json"
OPEN_CLIP_CONFIG = "open_clip_config.json"
_INSTEAD = "choose another backbone"
_TRANSFORMERS = ("architectures", "model_type")
_LARGEST = 2**20  # bytes


def hub_config(name: HubName) -> Path:
    """Return the configuration of a repository of the hub, fetched if it is not in the cache.

    It is timm's ``config.json``, or else open_clip's.

    Raises:
        UsageError: it cannot be fetched, or there is none.
    """
    try:
        found = first_file(name, (CONFIG, OPEN_CLIP_CONFIG), _INSTEAD)
    except NoSuchFile as error:
        raise UsageError(
            f"{name} has no {CONFIG}, nor open_clip's {OPEN_CLIP_CONFIG}, which say what the model "
            "is"
        ) from error
    if found.name == CONFIG and _of_transformers(found):
        with contextlib.suppress(NoSuchFile):
            return hub_file(name, OPEN_CLIP_CONFIG, _INSTEAD)
    return found  # whoever reads it says what is wrong with it


def _of_transformers(path: Path) -> bool:
    """Return whether a ``config.json`` is one of transformers', as those beside CLIP models are."""
    try:
        document = read_config(path, CONFIG)
    except UsageError:
        return False
    return "architecture" not in document and not document.keys().isdisjoint(_TRANSFORMERS)


def read_config(path: Path, where: str) -> dict[str, Any]:
    """Return the JSON object of a configuration.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    try:
        document = json.loads(read_file(path, _LARGEST).decode())
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not JSON: {visible(str(error))}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{where} is not a JSON object")
    return document


def weights_config(document: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return what a configuration says of the weights, under timm's ``pretrained_cfg`` or flat.

    Raises:
        UsageError: ``pretrained_cfg`` is no object.
    """
    config = document.get("pretrained_cfg", document)
    if not isinstance(config, dict):
        raise UsageError(f"{where}: 'pretrained_cfg' is not an object")
    return config
