"""``ltbench run``: train algorithms on data sets with several seeds, then show the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.errors import UsageError

if TYPE_CHECKING:
    from ltbench.executors.base import Executor, Slots
    from ltbench.plugins.hparams import HParams
    from ltbench.training.job import Job
    from ltbench.training.plan import Plan, Request


@click.command()
@click.option(
    "--algo",
    "algos",
    multiple=True,
    required=True,
    metavar="NAMES",
    help="Algorithms, comma-separated or repeated: erm, brl[alpha=1], boda+crt.",
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    metavar="NAMES",
    help="Data sets, comma-separated or repeated.",
)
@click.option(
    "--seeds",
    default="5",
    show_default=True,
    metavar="N|LIST",
    help="How many seeds (5 is 0…4), or which (0,3,7).",
)
@click.option("--protocol", metavar="NAME", help="One of the data set's protocols.")
@click.option("--steps", type=int, help="Optimisation steps of each stage.")
@click.option("--batch-size", type=int, help="Images per domain in a batch.")
@click.option("--lr", type=float, help="Learning rate.")
@click.option("--backbone", metavar="NAME", help="digits-cnn, or any model of timm.")
@click.option(
    "--pretrained/--no-pretrained",
    default=None,
    help="Start from the weights that timm names, or from scratch.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Start the backbone from a local checkpoint.",
)
@click.option(
    "--select",
    type=click.Choice(["f1", "accuracy", "last"]),
    help="Validation metric that chooses the model, or its last step.  [default: the protocol's]",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Number format of the network's arithmetic; auto is bf16 where it is native.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, mps.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs at a time.  [default: one a core or GPU]"
)
@click.option(
    "--executor",
    default="local",
    show_default=True,
    metavar="NAME",
    help="Where runs are carried out; settings as in name[key=value,…].",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the data sets.  [default: LTBENCH_DATA or the user's data folder]",
)
@click.option("--dry-run", is_flag=True, help="Print the runs and stop.")
@click.option("--no-leaderboard", is_flag=True, help="Do not print the table at the end.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about the runs.")
def run(**options: Any) -> None:
    """Train algorithms on data sets with several seeds, then print the leaderboard.

    Runs that are done are skipped; runs that were broken off go on from their last checkpoint. A
    list as the value of a hyper-parameter is a sweep over it.

    \b
    Examples:
      ltbench run --algo erm,bsoftmax --dataset digits-mini-mlt --seeds 5
      ltbench run --algo boda+crt --dataset digits-mini-mlt --seeds 0,3,7
      ltbench run --algo 'brl[alpha=[1e-3,1e-2]]' --dataset digits-mini-mlt --dry-run
      ltbench run --algo bsoftmax --dataset 'image-folder[root=/data/moths]' \\
          --backbone mobilenetv2_100
    """
    from ltbench.cli.sweep import Sweep
    from ltbench.executors.machine import make_slots
    from ltbench.training.plan import plan_runs

    kind, settings = _executor(options["executor"])
    device = kind.choose_device(options["device"], settings)
    request = _request(options, device)
    plan = plan_runs(request)
    sweep = Sweep(plan, options["out"], quiet=options["quiet"] or options["as_json"])
    if options["dry_run"]:
        sweep.describe(as_json=options["as_json"])
        return
    sweep.prepare(request)
    slots = make_slots(device, options["jobs"], len(plan.specs))
    failed = sweep.run(kind(slots, settings), _jobs(options, request, plan, slots))
    sweep.conclude(as_json=options["as_json"], leaderboard=not options["no_leaderboard"])
    if failed:
        raise SystemExit(1)


def _executor(text: str) -> tuple[type[Executor], HParams]:
    """Return the executor of ``name[key=value,…]`` and its settings."""
    from ltbench.plugins.manager import get_plugins
    from ltbench.plugins.names import parse_name

    name = parse_name(text)
    kind: type[Executor] = get_plugins()["executors"].get(name.name).load()
    return kind, kind.HParams.from_options(name.options, name.name)


def _request(options: dict[str, Any], device: str) -> Request:
    from ltbench.data.locations import data_folder
    from ltbench.executors.machine import choose_precision
    from ltbench.training.plan import Request

    named = {"steps": "steps", "batch_size": "batch_per_domain", "lr": "lr", "select": "select"}
    return Request(
        algos=options["algos"],
        datasets=options["datasets"],
        seeds=parse_seeds(options["seeds"]),
        precision=choose_precision(options["precision"], device),
        data_dir=data_folder(options["data_dir"]),
        overrides={key: options[o] for o, key in named.items() if options[o] is not None},
        protocol=options["protocol"],
        backbone=options["backbone"],
        pretrained=options["pretrained"],
        weights=options["weights"],
    )


def _jobs(options: dict[str, Any], request: Request, plan: Plan, slots: Slots) -> list[Job]:
    from ltbench.data.store import store_folder
    from ltbench.executors.machine import cores
    from ltbench.training.job import Job

    threads = max(1, cores() // len(slots.devices))
    out = options["out"].resolve()
    stores = {split.sha256: store_folder(dataset, split) for dataset, split in plan.datasets}
    return [
        Job(
            spec,
            spec.folder(out),
            request.data_dir,
            slots.devices[0],
            threads,
            request.weights,
            stores[spec.split],
        )
        for spec in plan.specs
    ]


def parse_seeds(text: str) -> list[int]:
    """Return the seeds for ``"5"`` (0…4) or ``"0,3,7"``.

    Raises:
        UsageError: it is neither a positive number nor a list of different seeds.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [-1]
    if "," not in text:
        if numbers[0] < 1:
            raise UsageError(f"--seeds {text}: give a number of seeds from 1, or a list like 0,3,7")
        return list(range(numbers[0]))
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise UsageError(
            f"--seeds {text}: a list of seeds holds different numbers from 0, like 0,3,7"
        )
    return numbers


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(run)
