"""Reads timm's ``config.json``, which lies beside weights and may come from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.models.hub import HubName, NoSuchFile, hub_file
from ltbench.plugins.text import visible
from ltbench.regular_files import read_file

CONFIG = "config.json"
_LARGEST = 2**20  # bytes


def hub_config(name: HubName) -> Path:
    """Return the configuration of a repository of the hub, fetched if it is not in the cache.

    Raises:
        UsageError: it cannot be fetched, or there is none.
    """
    try:
        return hub_file(name, CONFIG, "choose another backbone")
    except NoSuchFile as error:
        raise UsageError(f"{name} has no {CONFIG}, which says what the model is") from error


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
