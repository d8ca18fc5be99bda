"""What the values of options may be: a time, a setting of the protocol, one of many names."""

from __future__ import annotations

import math
import re
from typing import Any

import click

from ltbench.errors import SHOWN, UsageError, nearest
from ltbench.plugins.text import visible
from ltbench.results.protocol import ProtocolSetting
from ltbench.session.axes import parse_hparams

_LONGEST = 1000 * 366 * 86400  # seconds
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """Seconds, or a number with a unit: ``90``, ``90s``, ``10m``, ``2h``, ``1d``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value))
        seconds = float(found[1]) * _UNITS.get(found[2], 0) if found else 0
        if not 0 < seconds <= _LONGEST:
            shown = visible(str(value))
            self.fail(f"'{shown}' is not a time: use seconds, or 10m, 2h, 1d", param, ctx)
        return seconds


class FiniteRange(click.FloatRange):
    """A number in its bounds, which NaN passes and infinity may: both are refused."""

    what = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a {self.what}", param, ctx)
        return number


class SettingValue(click.ParamType):  # type: ignore[type-arg]
    """The value of a protocol's setting, in its bounds; several numbers are parted by commas."""

    def __init__(self, setting: ProtocolSetting) -> None:
        self.setting = setting
        self.listed = setting.kind not in (int, float, str)
        self.one: click.ParamType[Any] = click.types.convert_type(
            float if self.listed else setting.kind
        )
        self.name = "list" if self.listed else self.one.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value in the setting's type."""
        if self.listed and isinstance(value, str):
            value = [self.one.convert(part, param, ctx) for part in value.split(",") if part]
        elif not self.listed:
            value = self.one.convert(value, param, ctx)
        try:
            return self.setting.check(value)
        except UsageError as error:
            return self.fail(str(error), param, ctx)


class NameOf(click.Choice[str]):
    """One of so many names that help and messages do not list them all."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the word that stands for a name."""
        return "NAME"

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the sentence for a name that is none of them, with the nearest."""
        shown, near = visible(str(value)), nearest(str(value), self.choices)
        hint = f"did you mean '{near}'?" if near else f"{', '.join(self.choices[:SHOWN])}, …"
        return f"'{shown}' is not one of the {len(self.choices)} that there are: {hint}"


class HParamsOf(click.ParamType):  # type: ignore[type-arg]
    """``default``, ``best[trials=8]`` or both; see :func:`ltbench.session.axes.parse_hparams`."""

    name = "default|best"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what is known of each study that is meant, ``None`` for the defaults."""
        try:
            return parse_hparams(value) if isinstance(value, str) else value
        except UsageError as error:
            return self.fail(str(error), param, ctx)
