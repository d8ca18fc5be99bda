"""``ltbench plugins new``: a project of one's own that works from the start."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

KINDS = ("algorithm", "dataset", "stage", "metric", "augmentation", "modifier")


@click.command("new")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where to make the project's folder.  [default: here]",
)
def new(kind: str, name: str, into: Path) -> None:
    """Write a plugin project: one algorithm, data set, stage, metric, augmentation or modifier.

    It has tests. NAME is what is typed after --algo (or --dataset, + or @) later. The project works
    as it is; replace what it computes by your own. Nothing is overwritten.

    \b
    Examples:
      ltbench plugins new algorithm my-loss
      ltbench plugins new dataset moths --into ~/projects
    """
    from ltbench.plugins.scaffold import write_project

    project = write_project(kind, name, into)
    for path in sorted(path for path in project.rglob("*") if path.is_file()):
        click.echo(f"  {path}")
    click.echo("Next:")
    click.echo(f"  cd {shlex.quote(str(project))} && pip install -e . && pytest")
    click.echo(f"  ltbench plugins info {name}")
