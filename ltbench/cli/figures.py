"""``ltbench figures``: drawings of what was run, each with the numbers that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.completion import complete_run_domains, complete_run_metrics, plugin_completer
from ltbench.cli.output import (
    chosen_runs_or_trials,
    known_metrics,
    runs_argument,
    selection_options,
)
from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.spelling import spelled
from ltbench.report import check_figure_suffix
from ltbench.waiting import waiting


def _registered(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return the name of a registered figure, or refuse it with the nearest."""
    try:
        return get_plugins()["figures"].get(value).name
    except UsageError as error:
        raise click.BadParameter(str(error)) from error


class Figures(click.Command):
    """A command whose help lists the registered figures."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the kinds before the options."""
        with formatter.section("Kinds"):
            formatter.write_dl([(e.name, e.summary) for e in get_plugins()["figures"]])
        super().format_options(ctx, formatter)


@click.command(cls=Figures)
@click.argument("kind", callback=_registered, shell_complete=plugin_completer("figures"))
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
    help="What violin, heatmap, convergence, cd and budget show.",
)
@click.option(
    "--metric",
    shell_complete=complete_run_metrics,
    help="For convergence, cd and budget, a metric by its full name.",
)
@click.option(
    "--seed", type=int, help="For tsne, confusion and transferability, the run of this seed."
)
@click.option(
    "--domain",
    shell_complete=complete_run_domains,
    help="For confusion, the test images of this domain alone.",
)
@click.option("--parameter", help="For sensitivity, only this hyper-parameter.")
def figures(kind: str, runs: tuple[Path, ...], **options: Any) -> None:
    """Draw a figure, and write the numbers it shows into a CSV beside it.

    KIND is one of the figures listed below; plugins add their own. RUNS are folders of runs, by
    default ./runs.

    \b
    Examples:
      ltbench figures violin -o violin.pdf
      ltbench figures heatmap --algo boda --dataset pacs-mlt --score accuracy \\
          -o pacs.svg
      ltbench figures confusion --algo erm --seed 0 -o confusion.png
      ltbench figures tsne --algo erm --algo boda -o features.png
      ltbench figures sensitivity --algo brl -o brl.pdf
      ltbench figures budget --dataset digits-mini-mlt -o budget.pdf
      ltbench figures cd --metric accuracy_worst -o ranks.pdf
    """
    output = options["output"] or Path(f"{kind}.png")
    check_figure_suffix(output)
    with waiting("Drawing the figure"):
        chosen, tuning = chosen_runs_or_trials(runs, options)
        from ltbench.report.figure_data import Choices
        from ltbench.report.figures import write_figure

        metric = options["metric"] and spelled(options["metric"], known_metrics(chosen, tuning))
        choices = Choices(
            base="macro_f1" if options["score"] == "f1" else "accuracy",
            metric=metric,
            seed=options["seed"],
            parameter=options["parameter"],
            domain=options["domain"],
        )
        written = write_figure(kind, chosen, choices, output, tuning)
    for path in written:
        click.echo(f"Wrote {path}", err=True)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``figures`` to the command line."""
    cli.add_command(figures)
