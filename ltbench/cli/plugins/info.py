"""``ltbench plugins info``: what one plugin says of itself."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ltbench.cli.columns import beside
from ltbench.cli.completion import plugin_completer
from ltbench.plugins.manager import get_plugins
from ltbench.printable import json_text, styled
from ltbench.results.backbone import in_words
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.executors.measured import Answer
    from ltbench.plugins.description import Description, Parameter


@click.command("info")
@click.argument("name", shell_complete=plugin_completer())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def info(name: str, as_json: bool) -> None:
    """Describe one plugin: its paper, its needs, and its hyper-parameters.

    \b
    Examples:
      ltbench plugins info boda
      ltbench plugins info crt
      ltbench plugins info resnet50
      ltbench plugins info digits-mini-mlt --json
    """
    from ltbench.cli.speeds import as_dict as speed_as_dict
    from ltbench.cli.speeds import as_text as speeds_as_text
    from ltbench.models.catalogue import backbone_entry
    from ltbench.models.hub import is_hub_name
    from ltbench.models.timm_names import is_timm_model
    from ltbench.plugins.backbone_options import BackboneOptions
    from ltbench.plugins.description import describe_entry, describe_parameters, find_entries
    from ltbench.plugins.names import parse_name

    plugins = get_plugins()
    bare = name.partition("[")[0]
    if is_hub_name(name) or bare in plugins["backbones"] or is_timm_model(bare):
        name = bare  # what stands in its brackets is the same for all
    of_timm = is_hub_name(name) or (name not in plugins["backbones"] and is_timm_model(name))
    entries = [] if of_timm else find_entries(plugins, parse_name(name).name)
    with waiting("Loading the plugin"):
        entries = entries or [entry for entry in (backbone_entry(name),) if entry]
        found = [describe_entry(entry) for entry in entries]
        backbones = {entry.name for entry in entries if entry.kind == "backbone"}
        speeds = _speeds(backbones) if backbones else []
    if as_json:
        measured = [speed_as_dict(answer) for answer in speeds]
        listing = [
            {**d.as_dict(), **({"measured": measured} if d.name in backbones else {})}
            for d in found
        ]
        click.echo(json_text(listing, indent=1))
        return
    parts = [_as_text(description) for description in found]
    if backbones:
        options = [replace(one, search="") for one in describe_parameters(BackboneOptions)]
        title = styled("In the brackets of its name", bold=True)
        parts.append(f"{title} (see docs/adaptation.md)\n{_parameter_table(options)}")
    if speeds:
        title = styled("How fast it trains here", bold=True)
        parts.append(f"{title} (see `ltbench doctor`)\n{speeds_as_text(speeds)}")
    click.echo("\n\n".join(parts))


def _speeds(backbones: Collection[str]) -> list[Answer]:
    """Return what was measured of backbones on this machine."""
    from ltbench.executors.measured import known
    from ltbench.executors.processor import processor

    answers = known(processor().key)
    return [a for a in answers if re.split(r"\[| \(", a.question.backbone)[0] in backbones]


def _as_text(description: Description) -> str:
    title = styled(description.name, bold=True)
    source = f"{description.kind} of {description.distribution} {description.version}"
    parts = [f"{title}  {description.summary} {styled(f'({source})', dim=True)}"]
    if description.text:
        parts.append(textwrap.indent(description.text, "  "))
    if description.needs:
        parts.append(styled("Needs", bold=True) + f"  {', '.join(description.needs)}")
    if description.preprocessing is not None:
        words = in_words(description.preprocessing.as_dict())
        parts.append(styled("Its weights want", bold=True) + f"  {words}")
    if description.kind == "metric":
        parts.append(_measure_table(description))
    if description.parameters:
        parts.append(_parameter_table(description.parameters))
    return "\n\n".join(parts)


def _measure_table(description: Description) -> str:
    """Return a line for each base name that a metric declares, and when it is computed."""
    when = "at every evaluation" if description.every_evaluation else "of the chosen model alone"
    lines = [f"{styled('Computed', bold=True)}  {when}"]
    width = max(map(len, description.measures), default=0)
    for base, measure in description.measures.items():
        words = filter(None, [measure.words or measure.head, measure.unit])
        lines.append(f"{base:{width}}  {', '.join([*words, f'{measure.better} is better'])}")
    return "\n".join(lines)


def _parameter_table(parameters: Sequence[Parameter]) -> str:
    """Return aligned columns; the last, the help, goes on below itself."""
    header = ("hyper-parameter", "default", "allowed", "search")
    rows = [header, *((p.name, p.default, p.allowed, p.search or "-") for p in parameters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    helps = ("", *(p.help for p in parameters))
    lines = [
        beside("".join(f"{cell:{w}}  " for cell, w in zip(row, widths, strict=True)), text)
        for row, text in zip(rows, helps, strict=True)
    ]
    return "\n".join([styled(lines[0], bold=True), *lines[1:]])
