"""``ltbench data list``: every data set and whether it is ready here."""

from __future__ import annotations

from pathlib import Path

import click

from ltbench.cli.columns import beside
from ltbench.cli.data.options import data_dir_option, json_option
from ltbench.printable import json_text


@click.command("list")
@data_dir_option
@json_option
def list_data(data_dir: Path | None, as_json: bool) -> None:
    """List every data set and whether it is ready on this machine.

    \b
    Examples:
      ltbench data list
      ltbench data list --data-dir /data --json
    """
    from ltbench.data.locations import data_folder
    from ltbench.plugins.manager import get_plugins

    folder = data_folder(data_dir)
    rows = [
        {"name": entry.name, "state": _state(entry.name, folder), "summary": entry.summary}
        for entry in get_plugins()["datasets"]
    ]
    if as_json:
        click.echo(json_text(rows, indent=1))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        click.echo(beside(f"{row['name']:{width}}  {row['state']:10}  ", row["summary"]))


def _state(name: str, folder: Path) -> str:
    from ltbench.data.catalogue import create_dataset
    from ltbench.errors import LtbenchError
    from ltbench.plugins.names import Name

    try:
        return "not ready" if create_dataset(Name(name), folder).missing() else "ready"
    except LtbenchError:
        return "broken"
