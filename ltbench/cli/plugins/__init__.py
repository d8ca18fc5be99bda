"""``ltbench plugins``: what is installed, and making and checking one's own."""

from __future__ import annotations

import click

from ltbench import hookimpl
from ltbench.cli.plugins.check import check
from ltbench.cli.plugins.info import info
from ltbench.cli.plugins.listing import list_plugins
from ltbench.cli.plugins.new import new


@click.group()
def plugins() -> None:
    """Show the algorithms, data sets and other plugins that are installed, and make your own.

    \b
    Examples:
      ltbench plugins list
      ltbench plugins info boda
      ltbench plugins new algorithm my-loss
      ltbench plugins check my-loss
    """


for command in (list_plugins, info, new, check):
    plugins.add_command(command)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(plugins)
