"""``ltbench plugins list``: what is installed."""

from __future__ import annotations

import json

import click

from ltbench.plugins.manager import KINDS, get_plugins

TITLES = {
    "algorithms": "Algorithms",
    "stages": "Stages (ALGORITHM+STAGE)",
    "datasets": "Data sets",
    "backbones": "Backbones (and every model of timm)",
    "protocols": "Protocols (run --protocol NAME)",
    "metrics": "Metrics",
    "executors": "Executors",
    "observers": "Observers (run --observer NAME)",
    "figures": "Figures (figures KIND)",
    "tables": "Tables (tables NAME)",
}


@click.command("list")
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
