"""``ltbench data``: which data sets there are, what is in them, and getting them ready."""

from __future__ import annotations

import click

from ltbench import hookimpl
from ltbench.cli.data.cache import cache
from ltbench.cli.data.check import check
from ltbench.cli.data.info import info
from ltbench.cli.data.listing import list_data
from ltbench.cli.data.plot import plot
from ltbench.cli.data.prepare import prepare
from ltbench.cli.data.verify import verify


@click.group()
def data() -> None:
    """List data sets, say what is in one, and get one ready.

    \b
    Examples:
      ltbench data list
      ltbench data info digits-mini-mlt
      ltbench data prepare pacs-mlt --data-dir /data
      ltbench data verify 'image-folder[root=/data/moths]'
      ltbench data check 'image-folder[root=/data/moths]'
    """


for command in (list_data, info, prepare, verify, check, plot, cache):
    data.add_command(command)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(data)
