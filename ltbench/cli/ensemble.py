"""``ltbench ensemble``: what several runs know together, as a row of the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.combining import combining_options, left_out, print_made, read_ingredients
from ltbench.cli.options import data_dir_option
from ltbench.errors import UsageError
from ltbench.waiting import waiting


@click.command()
@combining_options
@click.option(
    "--across",
    is_flag=True,
    help="One ensemble of all runs that are chosen, whatever their methods.",
)
@data_dir_option
def ensemble(runs: tuple[Path, ...], across: bool, **options: Any) -> None:
    """Average the probabilities of several runs, and test what they say together.

    RUNS are folders of runs, by default ./runs: one ensemble is made of the seeds of each method
    under each protocol. Runs that are named one by one make one ensemble, as all do with --across.
    It needs the logits that runs keep, no images and no GPU.

    What comes of it lies beside the runs and is a row of `ltbench leaderboard`, such as "erm
    (ensemble of 5)". It is no seed of its method: no test includes it. What was made of the same
    runs before is not made again.

    \b
    Examples:
      ltbench ensemble
      ltbench ensemble --algo erm --seeds 0,1,2
      ltbench ensemble runs --algo erm,bsoftmax --across
    """
    with waiting("Reading the runs"):
        ingredients, together, remarks = read_ingredients(runs, options)
    with waiting("Averaging the probabilities"):
        from ltbench.data.locations import data_folder
        from ltbench.session.ensemble import make_ensemble, same_images, same_method
        from ltbench.session.ingredients import make_groups

        one = across or together
        setting = same_images if one else same_method
        groups, alone = make_groups(ingredients, setting, options["out"], "ensemble", together=one)
        if not groups:
            raise UsageError(
                f"{alone[0].title} is the only run of its kind here, and an ensemble needs two or "
                "more: add seeds, or combine different methods with --across"
            )
        made = [make_ensemble(group, data_folder(options["data_dir"])) for group in groups]
    print_made(made, [*remarks, *left_out(alone, "as there is no other seed")], options)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``ensemble`` to the command line."""
    cli.add_command(ensemble)
