"""``ltbench run``: train algorithms on data sets with several seeds, then show the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.option_values import HParamsOf
from ltbench.cli.options import (
    PROTOCOL,
    GroupedCommand,
    check_names,
    has_own,
    open_session,
    output_options,
    parse_seeds,
    search_option,
    search_words,
    setting_words,
    sweep_options,
    values,
)
from ltbench.cli.presets import then, written_out
from ltbench.cli.sweep_argument import load_file
from ltbench.command_start import command_start
from ltbench.errors import UsageError
from ltbench.session.axes import parse_search
from ltbench.waiting import waiting


@click.command(cls=GroupedCommand)
@click.argument(
    "file",
    required=False,
    is_eager=True,
    callback=load_file,
    type=click.Path(path_type=Path),
    metavar="[FILE]",
)
@sweep_options(
    click.option(
        "--seeds",
        default="5",
        show_default=True,
        metavar="N|LIST",
        help="How many seeds (5 is 0…4), or which (0,3,7).",
    ),
    click.option(
        "--hparams",
        type=HParamsOf(),
        default="default",
        show_default=True,
        metavar="default|best",
        shell_complete=lambda *_: ["default", "best", "default,best"],
        help="What is not typed: the defaults, the best that tuning found, or both (default,best); "
        "of several studies the largest, or best[trials=8,sampler=random,seed=0].",
    ),
    search_option(
        "With --hparams best: what the tuning searched, as `ltbench tune --search` names it.",
        shown="any",
    ),
)
@output_options(
    "the runs",
    "one JSON object about the runs",
    click.option("--no-leaderboard", is_flag=True, help="Do not print the table at the end."),
    click.option(
        "--rows",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Rows of a board (`ltbench leaderboard -o board.jsonl`): their runs are done and are "
        "not trained again.",
    ),
)
@click.pass_context
def run(ctx: click.Context, /, **options: Any) -> None:
    """Train algorithms on data sets with several seeds, then print the leaderboard.

    Runs that are done are skipped; runs that were broken off go on from their last checkpoint. A
    list as the value of a hyper-parameter is a sweep over it.

    FILE is a sweep file: these options in TOML, with grids, distributions and ablations. What is
    typed wins over it.

    \b
    Examples:
      ltbench run --algo erm,bsoftmax --dataset digits-mini-mlt --seeds 5
      ltbench run --algo boda+crt --dataset digits-mini-mlt --seeds 0,3,7
      ltbench run --algo 'brl[alpha=[1e-3,1e-2]]' --dataset digits-mini-mlt \\
          --dry-run
      ltbench run --algo bsoftmax --dataset 'image-folder[root=/data/moths]' \\
          --backbone mobilenetv2_100
      ltbench run --algo erm,boda --dataset digits-mini-mlt \\
          --observer csv,tensorboard
      ltbench run --algo boda --dataset digits-mini-mlt --hparams best --seeds 5
      ltbench run sweep.toml --seeds 1 --dry-run
      ltbench run --preset erm-plus-plus --dataset pacs-mlt --dry-run
    """
    seeds, search = parse_seeds(options["seeds"]), parse_search(options["search"])
    hparams = options["hparams"]
    of_studies = any(one is not None for one in hparams)
    if options["search"] and not of_studies:
        raise UsageError(
            "--search chooses what --hparams best takes, and means nothing without it: `ltbench "
            "tune` is what searches"
        )
    check_names(ctx)
    if options["executor"] == "local" and not (options["dry_run"] or options["out"].exists()):
        from ltbench.executors.nursery import start_early

        start_early()  # in a new folder there is a run to do, and other cores import meanwhile
    session = open_session(ctx)
    if (meant := written_out(ctx)) and not session.quiet:
        session.say(f"preset '{options['preset']}' stands for\n  {meant}")
    from ltbench.cli.printing import print_outcome, print_plan
    from ltbench.session.expand import expand_algos
    from ltbench.session.rows import without_rows
    from ltbench.session.tuning import method_words, with_hparams

    algos, file, as_json = options["algos"], options["file"], options["as_json"]
    with waiting("Planning the runs", show=not session.quiet):
        if file:
            algos = expand_algos(algos, file, own=has_own(ctx, "algos"))
        plan = session.plan(
            algos,
            options["datasets"],
            seeds,
            protocol_in_file=has_own(ctx, "protocol"),
            starts=search.starts,
            **values(ctx, PROTOCOL),
        )
    if of_studies:
        words = f"{search_words(search)}{setting_words(ctx)}"
        say = (lambda _: None) if session.quiet else session.say
        search_again = f"{command_start()} tune"
        command = lambda method: f"{search_again} {method_words(method)}{words}"  # noqa: E731
        plan = with_hparams(plan, hparams, command, say, search.axes)
    if options["rows"] is not None:
        plan = without_rows(plan, options["rows"], session.say)
    for sentence in plan.left_out:
        session.say(f"left out: {sentence}")
    if not plan.specs:  # a board has the rows of all of them
        if as_json and options["dry_run"]:
            print_plan(session, plan, as_json=True)
        elif as_json:
            print_outcome(plan, [], as_json=True, leaderboard=False)
        raise SystemExit(bool(plan.left_out) and not options["dry_run"])
    if options["dry_run"]:
        print_plan(session, plan, as_json=as_json, then=then(ctx, options["out"]))
        return
    with waiting("Preparing images and networks", show=not session.quiet):
        session.prepare(plan)
    runs = session.run(plan)
    leaderboard, more = not options["no_leaderboard"], then(ctx, options["out"])
    lost = print_outcome(plan, runs, as_json=as_json, leaderboard=leaderboard, then=more)
    if lost or plan.left_out:
        raise SystemExit(1)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(run)
