"""``ltbench soup``: one network with the mean of several runs' weights, as a row of the board."""

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
    "--greedy/--uniform",
    default=True,
    show_default=True,
    help="Take a run where validation does not fall, the best first; or take all.",
)
@click.option(
    "--batch-norm",
    type=click.Choice(["reestimate", "average"]),
    default="reestimate",
    show_default=True,
    help="Statistics of batch normalisation: anew on training images, or the mean.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, mps.")
@data_dir_option
def soup(runs: tuple[Path, ...], **options: Any) -> None:
    """Average the weights of runs that share their start, and test the network.

    RUNS are folders of runs, by default ./runs. A soup is made of all runs of one algorithm on one
    data set that began at the same weights: seeds and settings of a pretrained network, or
    settings at one seed. Runs that are named one by one make one soup.

    What comes of it lies beside the runs and is a row of `ltbench leaderboard`, such as "erm
    (greedy soup of 3 of 5)", in the table of the member with the best validation score. It is no
    seed of its method: no test includes it.

    \b
    Examples:
      ltbench soup
      ltbench soup runs --algo erm --dataset digits-mini-mlt
      ltbench soup --uniform --batch-norm average
    """
    from ltbench.session.asked import check_place

    check_place("local", options["device"], ())
    with waiting("Reading the runs"):
        ingredients, together, remarks = read_ingredients(runs, options)
    with waiting("Averaging the weights"):
        from ltbench.data.locations import data_folder
        from ltbench.executors.machine import choose_device
        from ltbench.session.ingredients import make_groups
        from ltbench.session.soup import GREEDY, UNIFORM, Recipe, make_soup, no_soup, same_start

        groups, alone = make_groups(
            ingredients, same_start, options["out"], "soup", together=together
        )
        if not groups:
            raise UsageError(no_soup(alone))
        recipe = Recipe(
            GREEDY if options["greedy"] else UNIFORM,
            options["batch_norm"] == "reestimate",
            data_folder(options["data_dir"]),
            choose_device(options["device"]),
        )
        made = [make_soup(group, recipe) for group in groups]
    remarks += left_out(alone, "as no other run shares their start")
    print_made(made, remarks, options)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``soup`` to the command line."""
    cli.add_command(soup)
