"""``ltbench run``: train algorithms on data sets with several seeds, then show the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.observers import observer_option
from ltbench.cli.run_options import PROTOCOL, WHAT, WHERE, parse_seeds, setting_words, with_options
from ltbench.cli.sweep_argument import has_own, load_file


@click.command()
@click.argument(
    "file",
    required=False,
    is_eager=True,
    callback=load_file,
    type=click.Path(path_type=Path),
    metavar="[FILE]",
)
@with_options(WHAT)
@click.option(
    "--seeds",
    default="5",
    show_default=True,
    metavar="N|LIST",
    help="How many seeds (5 is 0…4), or which (0,3,7).",
)
@click.option(
    "--hparams",
    type=click.Choice(["default", "best"]),
    default="default",
    show_default=True,
    help="Hyper-parameters that are not typed: the defaults, or the best that tuning found.",
)
@with_options(PROTOCOL)
@with_options(WHERE)
@observer_option
@click.option("--dry-run", is_flag=True, help="Print the runs and stop.")
@click.option("--no-leaderboard", is_flag=True, help="Do not print the table at the end.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about the runs.")
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
      ltbench run --algo 'brl[alpha=[1e-3,1e-2]]' --dataset digits-mini-mlt --dry-run
      ltbench run --algo bsoftmax --dataset 'image-folder[root=/data/moths]' \\
          --backbone mobilenetv2_100
      ltbench run --algo erm,boda --dataset digits-mini-mlt --observer csv,tensorboard
      ltbench run --algo boda --dataset digits-mini-mlt --hparams best --seeds 5
      ltbench run sweep.toml --seeds 1 --dry-run
    """
    from ltbench.cli.launch import Launch
    from ltbench.cli.observers import choose_watchers
    from ltbench.cli.sweep import Sweep
    from ltbench.plugins.manager import get_plugins
    from ltbench.sweeps.estimate import read_estimator
    from ltbench.training.plan import plan_runs

    quiet = options["quiet"] or options["as_json"]
    watchers = choose_watchers(get_plugins(), options["observers"], quiet=quiet)
    launch = Launch(options)
    algos = options["algos"]
    if options["file"]:
        from ltbench.sweeps.expand import expand_algos

        algos = expand_algos(algos, options["file"], own=has_own(ctx, "algos"))
    settle = {}
    if options["hparams"] == "best":
        from ltbench.cli.tuning import best_settings

        settle["settle"] = best_settings(options["out"], setting_words(ctx), quiet=quiet)
    request = launch.request(algos, options["datasets"], parse_seeds(options["seeds"]))
    plan = plan_runs(request, **settle)
    for sentence in plan.left_out:
        click.echo(f"left out: {sentence}", err=True)
    out, slots = options["out"], launch.slots(len(plan.specs))
    estimator = read_estimator(out, launch.device)
    sweep = Sweep(plan, out, quiet=quiet, watchers=watchers, estimator=estimator)
    if options["dry_run"]:
        sweep.describe(slots=len(slots.devices), as_json=options["as_json"])
        return
    sweep.prepare(request)
    jobs = launch.jobs(request, plan, slots, out, estimator.costs(plan.specs))
    failed = sweep.run(launch.executor(slots), jobs)
    sweep.conclude(as_json=options["as_json"], leaderboard=not options["no_leaderboard"])
    if failed or plan.left_out:
        raise SystemExit(1)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(run)
