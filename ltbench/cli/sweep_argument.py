"""The argument FILE of ``ltbench run``: a sweep file gives the options that are not typed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench.cli.option_values import SettingValue
from ltbench.cli.options import parse_seeds
from ltbench.errors import UsageError

if TYPE_CHECKING:
    from ltbench.session.sweep_file import SweepFile

_NOT_IN_FILES = ("dry_run", "as_json")


def load_file(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> Any:
    """Read the sweep file before the options, and let it stand for those that are not typed.

    Raises:
        UsageError: the file, an option in it or its value is not possible.
    """
    if path is None:
        return None
    from ltbench.session.sweep_file import read_sweep_file

    options = {
        _long(option): option
        for option in ctx.command.params
        if isinstance(option, click.Option) and option.name not in _NOT_IN_FILES
    }
    file = read_sweep_file(path, options)
    ctx.default_map = {
        str(options[name].name): _converted(ctx, options[name], file, name, value)
        for name, value in file.options.items()
    }
    return file


def _long(option: click.Option) -> str:
    return next((name for name in option.opts if name.startswith("--")), option.opts[0]).lstrip("-")


def _converted(
    ctx: click.Context, option: click.Option, file: SweepFile, name: str, value: Any
) -> Any:
    """Return a value of TOML as the option takes it."""
    where = f"{file.where(name)}: {name} = {value!r}"
    if name == "seeds":
        return _seeds(value, where)
    if name == "protocol" and isinstance(value, dict):
        from ltbench.session.protocols import table_text

        return table_text(value, file.where(name))
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{where} is neither true nor false")
        return value
    if option.multiple:
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(one, str) for one in values):
            raise UsageError(f"{where} is not a list of names")
        return values
    listed = isinstance(option.type, SettingValue) and option.type.listed
    if isinstance(value, list) and (listed or name == "backbone"):
        value = ",".join(map(str, value))
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise UsageError(f"{where} is not a single value")
    try:
        option.type_cast_value(ctx, str(value))
    except click.BadParameter as error:
        raise UsageError(f"{where}: {error.message}") from error
    return str(value)


def _seeds(value: Any, where: str) -> str:
    """Return a number of seeds, or a list of seeds, as typed."""
    listed = isinstance(value, list) and value and all(type(seed) is int for seed in value)
    text = ",".join(map(str, value)) + "," if listed else str(value)
    try:
        parse_seeds(text)
    except UsageError:
        raise UsageError(f"{where} is neither a number from 1 nor a list of seeds") from None
    return text
