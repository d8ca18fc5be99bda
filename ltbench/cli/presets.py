"""The option ``--preset``: options that are not typed have the values that belong to a name."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ltbench.cli.sweep_argument import converted, options_by_name, put_beneath
from ltbench.command_start import command_start, command_words
from ltbench.errors import UsageError, suggestion
from ltbench.session.axes import hparams_text

_KEY = "ltbench preset"
_NEVER = ("preset", "datasets")


def take_preset(ctx: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """Let a preset stand for the options that neither are typed nor stand in a sweep file.

    Raises:
        UsageError: there is no such preset, or it holds what the command does not take.
    """
    if name is None:
        return None
    from ltbench.session.presets import find_preset

    preset = find_preset(name)
    from ltbench.cli.run import run

    known, here = _known(run), options_by_name(ctx.command)
    for key in preset.options:
        if key not in known:
            raise UsageError(
                f"preset '{preset.name}' has no option '{key}' to set{suggestion(key, known)}"
            )
    where = f"preset '{preset.name}'"
    values = {
        str(here[key].name): converted(ctx, here[key], where, key, value)
        for key, value in preset.options.items()
        if key in here  # a search has no seeds
    }
    put_beneath(ctx, values, wins=False)
    ctx.meta[_KEY] = preset
    return preset.name


def _known(command: click.Command) -> dict[str, click.Option]:
    """Return the options that say what is trained, and under which protocol."""
    from ltbench.cli.options import PROTOCOL, WHAT

    return {
        name: option
        for name, option in options_by_name(command).items()
        if getattr(option, "heading", "") in (WHAT, PROTOCOL) and option.name not in _NEVER
    }


def written_out(ctx: click.Context) -> str:
    """Return the command that a preset stands for, with what was typed beside it, in full.

    Nothing is said where none was named.
    """
    if _KEY not in ctx.meta:
        return ""
    from ltbench.session.presets import written_out

    given = dict(_given(ctx))
    typed = {name for name in given if name != "protocol"}
    if "protocol" in given:
        if given.get("pretrained") is False:
            typed.add("freeze_bn")  # of a network from scratch no protocol freezes statistics
        given["protocol"], beside = written_out(given["protocol"], typed)
        given = {**beside, **given}
    words: list[str] = []
    for parameter in ctx.command.params:
        if str(parameter.name) in given:
            words += _words(parameter, given[str(parameter.name)])
    return shlex.join([*command_words(), str(ctx.info_name), *words])


def then(ctx: click.Context, out: Path) -> list[str]:
    """Return the commands that a preset ends in, after its runs in the folder ``out``."""
    preset = ctx.meta.get(_KEY)
    folder = shlex.quote(str(out))
    lines = preset.then if preset else ()
    return [f"{command_start()} {line.replace('{out}', folder)}" for line in lines]


def _given(ctx: click.Context) -> Iterator[tuple[str, Any]]:
    """Yield what options say that were typed, or stand in a preset or sweep file."""
    from ltbench.cli.options import PROTOCOL, WHAT, values

    source = click.core.ParameterSource.DEFAULT
    for name, value in values(ctx, WHAT, PROTOCOL).items():
        if value is not None and name != "preset" and ctx.get_parameter_source(name) is not source:
            yield name, hparams_text(value) if name == "hparams" else value
    if ctx.params.get("file"):
        yield "file", str(ctx.params["file"].path)


def _words(parameter: click.Parameter, value: Any) -> list[str]:
    from ltbench.session.presets import option_words

    if isinstance(parameter, click.Argument):
        return [str(value)]
    if parameter.secondary_opts:
        return [parameter.opts[0] if value else parameter.secondary_opts[0]]
    return option_words(parameter.opts[0], value)
