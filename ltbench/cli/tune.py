"""``ltbench tune``: search hyper-parameters and settings of the protocol on validation images."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.cli.options import (
    PROTOCOL,
    GroupedCommand,
    check_names,
    open_session,
    output_options,
    search_option,
    search_words,
    setting_words,
    sweep_options,
    values,
)
from ltbench.cli.presets import written_out
from ltbench.command_start import command_start
from ltbench.errors import UsageError
from ltbench.plugins.hparams import LARGEST_WHOLE
from ltbench.plugins.names import MOST_NAMES
from ltbench.results.sweeps import TRIAL_SEEDS
from ltbench.session.axes import DEFAULT, SAMPLERS, Search, known_axes, parse_search
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.session.studies import Study


@click.command(cls=GroupedCommand)
@sweep_options(
    click.option(
        "--trials",
        type=click.IntRange(min=1, max=MOST_NAMES),
        default=16,
        show_default=True,
        help="Settings to try for each algorithm and data set, the defaults among them.",
    ),
    search_option(
        "What to vary, comma-separated: hparams, which are the methods' own, and settings of the "
        f"protocol ({', '.join(known_axes()[1:])}); lr=1e-3 starts from there.",
        shown=f"{','.join(DEFAULT)} without what is typed",
    ),
    click.option(
        "--sampler",
        type=click.Choice(SAMPLERS),
        help="Draw at random, or by what scored well so far (Optuna).  [default: random]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0, max=LARGEST_WHOLE - TRIAL_SEEDS),
        default=0,
        show_default=True,
        help="Seed of the search; its runs have one that no table shows.",
    ),
)
@output_options("the runs that come next", "the studies as one JSON array")
@click.pass_context
def tune(ctx: click.Context, /, **options: Any) -> None:
    """Search hyper-parameters and learning rate, judged by validation images at one seed.

    Every method gets as many trials, each of them a run that is kept in OUT/.tuning, apart from
    those that leaderboards compare. What is typed, in brackets or by an option, is fixed;
    hyper-parameters that have an interval, choices or a switch (see `ltbench plugins info`) are
    searched, and the protocol's learning rate and weight decay. The same command goes on where it
    was stopped, and `ltbench run --hparams best` runs the best setting with more seeds.

    \b
    Examples:
      ltbench tune --algo erm,boda --dataset digits-mini-mlt --trials 16
      ltbench tune --algo focal --dataset digits-mini-mlt \\
          --search hparams,lr,batch-size
      ltbench tune --algo 'brl[bce=true,cb=true,rb=true,penalty=true]' \\
          --dataset digits-mini-mlt --search hparams --sampler bayes
      ltbench run --algo erm,boda --dataset digits-mini-mlt \\
          --hparams best --seeds 5
    """
    search = parse_search(options["search"])
    if search.sampler and options["sampler"] not in (None, search.sampler):
        raise UsageError(
            f"--search {search.sampler} and --sampler {options['sampler']} contradict each other: "
            "leave one of them out"
        )
    check_names(ctx)
    session = open_session(ctx)
    if (command := written_out(ctx)) and not session.quiet:
        session.say(f"preset '{options['preset']}' stands for\n  {command}")
    from ltbench.cli.printing import print_study, print_trials
    from ltbench.session.studies import Budget
    from ltbench.session.tuning import Tuning, method_words

    as_json = options["as_json"]
    sampler = options["sampler"] or search.sampler or "random"
    budget = Budget(sampler, options["trials"], options["seed"])
    with waiting("Planning the trials", show=not session.quiet):
        seeds, asked = [budget.run_seed], values(ctx, PROTOCOL)
        plan = session.plan(
            options["algos"],
            options["datasets"],
            seeds,
            starts=search.starts,
            sweep_size=budget.trials,
            **asked,
        )
    tuning = Tuning(session, plan, budget, search.axes)
    if options["dry_run"]:
        next_trials = [(study, tuning.next_trials(study)) for study in tuning.studies]
        print_trials(session, next_trials, as_json=as_json)
        return
    for study in tuning.studies:
        tuning.carry_out(study)
        if not as_json:
            print_study(study)
    if as_json:
        click.echo(json.dumps([study.as_dict() for study in tuning.studies], indent=1))
    else:
        click.echo("Next, the best settings with more seeds:")
        for study in tuning.studies:
            if study.best:
                best, axes = _words_of(study, search)
                words = f"{method_words(study.method)}{axes}{setting_words(ctx)}"
                click.echo(f"  {command_start()} run --hparams {best} {words} --seeds 5")
    if not all(study.best for study in tuning.studies):
        raise SystemExit(1)


def _words_of(study: Study, search: Search) -> tuple[str, str]:
    """Return the value of ``--hparams``, and ``--search``, that take this study and no other."""
    if set(study.path.parent.glob("*.json")) == {study.path}:
        return "best", search_words(search)
    own = replace(search, axes=study.budget.axes)
    return shlex.quote(study.budget.spelled()), search_words(own)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(tune)
