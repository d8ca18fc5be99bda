"""``ltbench plugins``: what is installed."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ltbench import hookimpl
from ltbench.plugins.manager import KINDS, get_plugins

if TYPE_CHECKING:
    from ltbench.plugins.description import Description, Parameter

TITLES = {
    "algorithms": "Algorithms",
    "stages": "Stages (ALGORITHM+STAGE)",
    "datasets": "Data sets",
    "backbones": "Backbones (and every model of timm)",
    "metrics": "Metrics",
    "executors": "Executors",
    "observers": "Observers (run --observer NAME)",
}


@click.group()
def plugins() -> None:
    """Show the algorithms, data sets and other plugins that are installed.

    \b
    Examples:
      ltbench plugins list
      ltbench plugins info boda
    """


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_plugins(as_json: bool) -> None:
    """List every plugin with its summary and the distribution that it comes from.

    \b
    Examples:
      ltbench plugins list
      ltbench plugins list --json
    """
    registries = get_plugins().registries
    if as_json:
        fields = ("name", "summary", "distribution", "version")
        listing = {
            kinds: [
                {field: getattr(entry, field) for field in fields} for entry in registries[kinds]
            ]
            for kinds in KINDS
        }
        click.echo(json.dumps(listing, indent=1, ensure_ascii=False))
        return
    width = max((len(entry.name) for kinds in KINDS for entry in registries[kinds]), default=0)
    for kinds in KINDS:
        click.echo(click.style(TITLES[kinds], bold=True))
        for entry in registries[kinds]:
            source = click.style(f"({entry.distribution} {entry.version})", dim=True)
            click.echo(f"  {entry.name:{width}}  {entry.summary} {source}")


@plugins.command("info")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def info(name: str, as_json: bool) -> None:
    """Describe one plugin: its paper, its needs, and its hyper-parameters.

    \b
    Examples:
      ltbench plugins info boda
      ltbench plugins info crt
      ltbench plugins info digits-mini-mlt --json
    """
    from ltbench.plugins.description import describe_entry, find_entries
    from ltbench.plugins.names import parse_name

    entries = find_entries(get_plugins(), parse_name(name).name)
    found = [describe_entry(entry) for entry in entries]
    if as_json:
        listing = [description.as_dict() for description in found]
        click.echo(json.dumps(listing, indent=1, ensure_ascii=False))
        return
    click.echo("\n\n".join(_as_text(description) for description in found))


def _as_text(description: Description) -> str:
    title = click.style(description.name, bold=True)
    source = f"{description.kind} of {description.distribution} {description.version}"
    parts = [f"{title}  {description.summary} {click.style(f'({source})', dim=True)}"]
    if description.text:
        parts.append(textwrap.indent(description.text, "  "))
    if description.needs:
        parts.append(click.style("Needs", bold=True) + f"  {', '.join(description.needs)}")
    if description.parameters:
        parts.append(_parameter_table(description.parameters))
    return "\n\n".join(parts)


def _parameter_table(parameters: Sequence[Parameter]) -> str:
    """Return aligned columns; the last, the help, is as long as it is."""
    header = ("hyper-parameter", "default", "allowed", "search")
    rows = [header, *((p.name, p.default, p.allowed, p.search or "-") for p in parameters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    helps = ("", *(p.help for p in parameters))
    lines = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=True)), text]).rstrip()
        for row, text in zip(rows, helps, strict=True)
    ]
    return "\n".join([click.style(lines[0], bold=True), *lines[1:]])


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(plugins)
