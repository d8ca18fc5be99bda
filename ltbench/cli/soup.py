import click
from ltbench import hookimpl
@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    pass
