"""``ltbench tune``: search an algorithm's hyper-parameters on validation images."""

from __future__ import annotations

import json
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.observers import observer_option
from ltbench.cli.run_options import PROTOCOL, WHAT, WHERE, setting_words, with_options


@click.command()
@with_options(WHAT)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Settings to try for each algorithm and data set, the defaults among them.",
)
@click.option(
    "--search",
    type=click.Choice(["random", "bayes"]),
    default="random",
    show_default=True,
    help="Draw them at random, or by what scored well so far (Optuna).",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the search and of its runs.",
)
@with_options(PROTOCOL)
@with_options(WHERE)
@observer_option
@click.option("--dry-run", is_flag=True, help="Print the runs that come next and stop.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the studies as one JSON array.")
@click.pass_context
def tune(ctx: click.Context, /, **options: Any) -> None:
    """Search an algorithm's hyper-parameters, judged by validation images at one seed.

    Each trial is a run, kept in OUT/.tuning and apart from those that leaderboards compare. A
    hyper-parameter that is typed in brackets is fixed; all others that have an interval, choices
    or a switch (see `ltbench plugins info`) are searched. The same command goes on where it was
    stopped, and `ltbench run --hparams best` runs the best setting with more seeds.

    \b
    Examples:
      ltbench tune --algo boda --dataset digits-mini-mlt --trials 16
      ltbench tune --algo 'brl[bce=true,cb=true,rb=true,penalty=true]' \\
          --dataset digits-mini-mlt --search bayes
      ltbench run --algo boda --dataset digits-mini-mlt --hparams best --seeds 5
    """
    from ltbench.cli.launch import Launch
    from ltbench.cli.observers import choose_watchers
    from ltbench.cli.tuning import Tuning, show, what_words
    from ltbench.plugins.manager import get_plugins

    as_json = options["as_json"]
    quiet = options["quiet"] or as_json
    watchers = choose_watchers(get_plugins(), options["observers"], quiet=quiet)
    tuning = Tuning(Launch(options), options, watchers, quiet=quiet)
    if options["dry_run"]:
        for study in tuning.studies:
            tuning.describe(study, as_json=as_json)
        return
    for study in tuning.studies:
        tuning.carry_out(study)
        if not as_json:
            click.echo(show(study))
    if as_json:
        click.echo(json.dumps([study.as_dict() for study in tuning.studies], indent=1))
    else:
        click.echo("Next, the best settings with more seeds:")
        for study in tuning.studies:
            if study.best:
                words = f"{what_words(study.question)}{setting_words(ctx)}"
                click.echo(f"  ltbench run --hparams best {words} --seeds 5")
    if not all(study.best for study in tuning.studies):
        raise SystemExit(1)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(tune)
