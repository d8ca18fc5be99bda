"""The options that ``run`` and ``tune`` share: what to train, under which protocol, and where."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ltbench.cli.time_option import Seconds
from ltbench.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

WHAT = (
    click.option(
        "--algo",
        "algos",
        multiple=True,
        required=True,
        metavar="NAMES",
        help="Algorithms, comma-separated or repeated: erm, brl[alpha=1], boda+crt.",
    ),
    click.option(
        "--dataset",
        "datasets",
        multiple=True,
        required=True,
        metavar="NAMES",
        help="Data sets, comma-separated or repeated.",
    ),
)
PROTOCOL = (
    click.option("--protocol", metavar="NAME", help="One of the data set's protocols."),
    click.option("--steps", type=int, help="Optimisation steps of each stage."),
    click.option("--batch-size", type=int, help="Images per domain in a batch."),
    click.option("--lr", type=float, help="Learning rate."),
    click.option("--backbone", metavar="NAME", help="digits-cnn, or any model of timm."),
    click.option(
        "--pretrained/--no-pretrained",
        default=None,
        help="Start from the weights that timm names, or from scratch.",
    ),
    click.option(
        "--weights",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Start the backbone from a local checkpoint.",
    ),
    click.option(
        "--select",
        type=click.Choice(["f1", "accuracy", "last"]),
        help="Validation metric that chooses the model, or its last step.  "
        "[default: the protocol's]",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default="auto",
        show_default=True,
        help="Number format of the network's arithmetic; auto is bf16 where it is native.",
    ),
)
WHERE = (
    click.option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, mps."
    ),
    click.option(
        "--jobs", type=click.IntRange(min=1), help="Runs at a time.  [default: one a core or GPU]"
    ),
    click.option(
        "--jobs-per-device",
        type=click.IntRange(min=1),
        help="Runs that share a GPU, for small models; all CPU cores are one device.",
    ),
    click.option(
        "--timeout",
        type=Seconds(),
        metavar="TIME",
        help="Stop a run after so long, at a checkpoint, and count it as failed: 90, 10m, 2h.",
    ),
    click.option(
        "--executor",
        default="local",
        show_default=True,
        metavar="NAME",
        help="Where runs are carried out: local, ray[gpus=0.5], slurm[partition=gpu,gpus=1].",
    ),
    click.option(
        "--ray-address",
        metavar="HOST:PORT",
        help="Carry the runs out on this Ray cluster; short for --executor ray[address=…].",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("runs"),
        show_default=True,
        help="Folder of the runs.",
    ),
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the data sets.  [default: LTBENCH_DATA or the user's data folder]",
    ),
)
_SETTING = ("protocol", "steps", "batch_size", "lr", "backbone", "pretrained", "weights", "select",
            "precision", "out", "data_dir")  # fmt: skip


def with_options(options: Sequence[Decorator]) -> Decorator:
    """Return a decorator that adds options to a command, in their order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def setting_words(ctx: click.Context) -> str:
    """Return the options that were given and decide what a run is or where it lies.

    For commands to be typed next, which shall mean the same data, protocol and folders.
    """
    words = []
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if parameter.name not in _SETTING or value is None or value == parameter.get_default(ctx):
            continue
        on, off = parameter.opts[0], parameter.secondary_opts
        words += [on if value else off[0]] if off else [on, str(value)]
    return "".join(f" {word}" for word in map(shlex.quote, words))


def parse_seeds(text: str) -> list[int]:
    """Return the seeds for ``"5"`` (0…4), ``"0,3,7"`` or ``"3,"`` (that one alone).

    Raises:
        UsageError: it is neither a positive number nor a list of different seeds.
    """
    try:
        numbers = [int(part) for part in text.removesuffix(",").split(",")]
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
