"""The type of options that take a time: ``90``, ``90s``, ``10m``, ``2h``, ``1d``."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """Seconds, or a number with a unit."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value))
        if found is None or found[2] not in _UNITS or float(found[1]) == 0:
            self.fail(f"'{value}' is not a time: use seconds, or 10m, 2h, 1d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]
