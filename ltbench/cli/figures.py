"""``ltbench figures``: drawings of what was run, each with the numbers that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.output import chosen_runs, runs_argument, selection_options

KINDS = (
    "distribution",
    "violin",
    "heatmap",
    "tsne",
    "convergence",
    "sensitivity",
    "cd",
    "transferability",
)


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@runs_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File ending in .png, .svg or .pdf.  [default: KIND.png]",
)
@selection_options
@click.option(
    "--score",
    type=click.Choice(["f1", "accuracy"]),
    default="f1",
    show_default=True,
    help="What violin, heatmap, convergence and cd show.",
)
@click.option("--metric", help="For convergence and cd, a metric by its full name.")
@click.option("--seed", type=int, help="For tsne and transferability, the run of this seed.")
@click.option("--parameter", help="For sensitivity, only this hyper-parameter.")
def figures(kind: str, runs: tuple[Path, ...], **options: Any) -> None:
    """Draw a figure, and write the numbers it shows into a CSV beside it.

    \b
    KIND is one of
      distribution     training images of each class and domain
      violin           average and worst score over methods
      heatmap          score of each domain and class
      tsne             test features, by class above and by domain below
      convergence      loss and validation score over steps
      sensitivity      scores over one hyper-parameter at a time
      cd               critical differences of mean ranks across data sets
      transferability  map of the centroids of domain-class pairs

    RUNS are folders of runs, by default ./runs.

    \b
    Examples:
      ltbench figures violin -o violin.pdf
      ltbench figures heatmap --algo boda --dataset pacs-mlt --score accuracy -o pacs.svg
      ltbench figures tsne --algo erm --algo boda -o features.png
      ltbench figures sensitivity --algo brl -o brl.pdf
      ltbench figures cd --metric accuracy_worst -o ranks.pdf
    """
    from ltbench.report.figures.drawing import Choices, write_figure

    chosen = chosen_runs(runs, options)
    choices = Choices(
        base="macro_f1" if options["score"] == "f1" else "accuracy",
        metric=options["metric"],
        seed=options["seed"],
        parameter=options["parameter"],
    )
    output = options["output"] or Path(f"{kind}.png")
    for path in write_figure(kind, chosen, choices, output):
        click.echo(f"Wrote {path}", err=True)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``figures`` to the command line."""
    cli.add_command(figures)
