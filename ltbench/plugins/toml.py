"""TOML that anybody may have written: its numbers have 64 bits, and its depth an end."""

from __future__ import annotations

import tomllib
from typing import Any

from ltbench.plugins.hparams import LARGEST_WHOLE
from ltbench.plugins.text import visible


def load_toml(text: str) -> dict[str, Any]:
    """Return the document in a text.

    Raises:
        ValueError: it is not TOML, too deep, or holds a number of more than 64 bits, which nothing
            can compute with and Python does not even print.
    """
    try:
        document = tomllib.loads(text)
        for key, value in document.items():
            if _is_long(value):
                raise ValueError(f"'{visible(key)}' holds a number of more than 64 bits")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return document


def _is_long(value: Any) -> bool:
    if isinstance(value, list | dict):
        return any(map(_is_long, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and abs(value) > LARGEST_WHOLE
