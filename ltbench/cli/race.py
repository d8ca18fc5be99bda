"""``ltbench race``: which method is the best for one's own images, within a budget of time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.cli.completion import complete_methods, plugin_completer
from ltbench.cli.option_values import Seconds
from ltbench.cli.options import (
    FOLDERS,
    PROTOCOL,
    GroupedCommand,
    check_names,
    data_dir_option,
    group,
    open_session,
    output_options,
    protocol_options,
    runs_option,
    values,
    where_options,
)
from ltbench.errors import UsageError
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.session.plan import Plan
    from ltbench.session.session import Session

_MOST = 1_000


@click.command(cls=GroupedCommand)
@group(
    "What",
    click.option(
        "--dataset",
        "datasets",
        multiple=True,
        required=True,
        metavar="NAME",
        shell_complete=plugin_completer("datasets"),
        help="The data set: image-folder[root=moths], or a registered one.",
    ),
    click.option(
        "--algo",
        "algos",
        multiple=True,
        metavar="NAMES",
        shell_complete=complete_methods,
        help="The methods that race, comma-separated or repeated.  [default: six, by whether "
        "there are several domains]",
    ),
    click.option(
        "--budget",
        type=Seconds(),
        metavar="TIME",
        required=True,
        help="How long this command may train: 90, 10m, 2h.",
    ),
    click.option(
        "--seeds",
        type=click.IntRange(3, _MOST),
        default=10,
        show_default=True,
        metavar="MAX",
        help="How many seeds a method may get at most.",
    ),
    click.option(
        "--metric",
        metavar="NAME",
        help="The validation metric that decides.  [default: the one that chooses models]",
    ),
)
@protocol_options
@where_options
@group(FOLDERS, runs_option, data_dir_option)
@output_options("the runs that come next", "the outcome as one JSON object")
@click.pass_context
def race(ctx: click.Context, /, **options: Any) -> None:
    """Find the method that suits a data set, and stop training those that do not.

    All methods get three seeds, and then one after the other while a test on validation scores
    cannot rule out that they are the best. That test drops the best one in at most 5 % of races,
    however often it is looked at, for scores no more skewed than those simulated: a method whose
    seeds now and then collapse is outside of it. Test images choose nothing, and say how good the
    chosen method is.

    Runs are ordinary runs, and those that are done count. The same command goes on where the
    budget ended or Ctrl-C stopped it.

    \b
    Examples:
      ltbench race --dataset 'image-folder[root=/data/moths]' --budget 2h
      ltbench race --dataset digits-mini-mlt --algo erm,bsoftmax,boda \\
          --budget 10m --seeds 5
      ltbench race --dataset digits-mini-mlt --budget 10m \\
          --metric macro_f1_average --json
    """
    _check_dataset(options["datasets"])
    check_names(ctx)
    session = open_session(ctx)
    from ltbench.cli.printing import print_plan
    from ltbench.session.race import Race, usual_methods
    from ltbench.session.validation_metrics import validation_measure

    as_json = options["as_json"]
    if options["metric"] is not None:
        validation_measure(options["metric"])  # before it is measured how fast the network is
    with waiting("Planning the race", show=not session.quiet):
        algos = options["algos"] or usual_methods(options["datasets"], session.data_dir)
        plan = session.plan(
            algos, options["datasets"], range(options["seeds"]), **values(ctx, PROTOCOL)
        )
        found = Race(session, plan, options["metric"])
    for sentence in plan.left_out:
        session.say(f"left out: {sentence}")
    if not session.quiet:
        session.say(f"racing {', '.join(spec.label for spec in found.specs)}")
    if options["dry_run"]:
        from dataclasses import replace

        print_plan(session, replace(plan, specs=tuple(found.next_round())), as_json=as_json)
        return
    with waiting("Preparing images and networks", show=not session.quiet):
        session.prepare(plan)
    if not session.quiet:
        _say_what_stands_out(session, plan)
    outcome = found.carry_out(options["budget"])
    from ltbench.report.terminal import table, wrapped
    from ltbench.session.race_verdict import HEAD, document, paragraph, rows

    said = (outcome, str(found.metric), found.measure, found.specs[0].dataset_name)
    if as_json:
        click.echo(json.dumps(document(*said), indent=1))
    else:
        body = rows(outcome, found.measure)
        click.echo(f"{table(HEAD, body, align='lrrrl', priority=(0, 0, 0, 0, 0))}\n")
        click.echo(wrapped(paragraph(*said)))
    if outcome.lost or plan.left_out:
        raise SystemExit(1)


def _say_what_stands_out(session: Session, plan: Plan) -> None:
    """Say what is odd about the data set, as ``ltbench data check`` does, before it is raced on."""
    from ltbench.data.checkup import check_dataset
    from ltbench.session.progress import bar

    for dataset, split in plan.datasets:
        for finding in check_dataset(dataset, split, bar=bar, say=session.say):
            session.say(f"{'to do' if finding.to_do else 'note'}: {finding.sentence}")


def _check_dataset(datasets: tuple[str, ...]) -> None:
    """Check that one data set is meant.

    Raises:
        UsageError: there are several.
    """
    from ltbench.plugins.names import parse_names

    if (count := sum(len(parse_names(text)) for text in datasets)) != 1:
        raise UsageError(f"a race is on one data set, and --dataset names {count}")


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(race)
