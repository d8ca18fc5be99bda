"""``ltbench plugins list``: what is installed."""

from __future__ import annotations

import click

from ltbench.cli.columns import beside
from ltbench.plugins.manager import KINDS, get_plugins
from ltbench.printable import json_text, styled

TITLES = {
    "algorithms": "Algorithms",
    "modifiers": "Modifiers (ALGORITHM@MODIFIER)",
    "stages": "Stages (ALGORITHM+STAGE)",
    "datasets": "Data sets",
    "backbones": "Backbones (and every model of timm)",
    "protocols": "Protocols (run --protocol NAME)",
    "presets": "Presets (run --preset NAME)",
    "augmentations": "Augmentations (run --augmentation A>B)",
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
        click.echo(json_text(listing, indent=1))
        return
    width = max((len(entry.name) for kinds in KINDS for entry in registries[kinds]), default=0)
    for kinds in KINDS:
        click.echo(styled(TITLES[kinds], bold=True))
        for entry in registries[kinds]:
            source = f"({entry.distribution} {entry.version})"
            line = beside(f"  {entry.name:{width}}  ", entry.summary, last=source)
            click.echo(line.removesuffix(source) + styled(source, dim=True))
