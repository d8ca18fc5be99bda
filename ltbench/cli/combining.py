"""What ``ensemble`` and ``soup`` share: which runs, where to, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ltbench.cli.output import chosen_records, runs_argument, selection_options
from ltbench.waiting import end_waiting

if TYPE_CHECKING:
    from ltbench.results.combined import Ingredient
    from ltbench.session.ensemble import Made

Command = TypeVar("Command", bound=Callable[..., Any])


def combining_options(command: Command) -> Command:
    """Add RUNS, the filters, ``--seeds``, ``--out`` and ``--json``."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object about them."),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder of runs that they go to.  [default: that of the runs]",
        ),
        click.option("--seeds", help="Only these seeds: how many from 0, or a list like 0,3,7."),
    ):
        command = option(command)
    return runs_argument(selection_options(command))


def read_ingredients(
    runs: Sequence[Path], options: dict[str, Any]
) -> tuple[list[Ingredient], bool, list[str]]:
    """Return the runs that were chosen, whether they were named one by one, and remarks.

    Raises:
        UsageError: there are none, or fewer than two.
    """
    from ltbench.cli.options import parse_seeds
    from ltbench.errors import UsageError
    from ltbench.session.ingredients import named_one_by_one, read_ingredient, usable

    seeds = None if options["seeds"] is None else parse_seeds(options["seeds"])
    records, remarks = usable(chosen_records(runs, options), seeds)
    if len(records) == 1:
        raise UsageError(
            f"{records[0].path} is the only run that is chosen and done, and to combine runs takes "
            "two or more"
        )
    return [read_ingredient(record) for record in records], named_one_by_one(runs), remarks


def left_out(alone: Sequence[Ingredient], reason: str) -> list[str]:
    """Return a sentence without a full stop on the runs of each method that are in nothing."""
    seeds: dict[str, list[str]] = {}
    for one in alone:
        name = f"{one.method} on {one.identity['dataset']['name']}"
        seeds.setdefault(name, []).append(str(one.seed))
    return [
        f"{name} seed{'s' * (len(found) > 1)} {', '.join(found)} left out, {reason}"
        for name, found in seeds.items()
    ]


def print_made(made: Sequence[Made], remarks: Sequence[str], options: dict[str, Any]) -> None:
    """Print what was made: its name, its score beside those of its members, and its folder."""
    end_waiting()
    if options["as_json"]:
        click.echo(
            json.dumps({"made": [_described(one) for one in made], "remarks": list(remarks)})
        )
        return
    for one in made:
        click.echo("\n".join(_lines(one)))
    for remark in remarks:
        click.echo(f"{remark}.", err=True)


def _described(made: Made) -> dict[str, Any]:
    from ltbench.results.untrusted import read_result

    result = read_result(made.folder) or {}
    return {
        "label": made.method,
        "dataset": _dataset(made),
        "folder": str(made.folder),
        "new": made.new,
        "test": result.get("test"),
        "combined": result.get("combined"),
    }


def _dataset(made: Made) -> str:
    """Return the data set with the options that are not its defaults."""
    from ltbench.report.dataset_labels import dataset_label

    dataset = made.group.ingredients[0].identity["dataset"]
    return dataset_label(str(dataset["name"]), dict(dataset["options"]))


def _lines(made: Made) -> list[str]:
    from ltbench.report.plain import duration, shown_path
    from ltbench.results.untrusted import numbers, read_result

    result = read_result(made.folder) or {}
    test, told = numbers(result.get("test")), numbers(result.get("combined"))
    name = made.metric if made.metric in test else "accuracy"
    own = [numbers(one.result.get("test")) for one in made.group.ingredients]
    scores = sorted(values[name] for values in own if name in values)
    among = f", its members {scores[0]:.4f} to {scores[-1]:.4f}" if scores else ""
    before = "" if made.new else " (made before)"
    lines = [f"{made.method} on {_dataset(made)}{before}"]
    if name in test:
        lines.append(f"  test {name} {test[name]:.4f}{among}")
    networks = int(told.get("networks", 1))
    cost = f"{networks} network{'s' * (networks > 1)} a prediction"
    lines.append(f"  trained in {duration(told.get('train_s', 0.0))} in all, {cost}")
    return [*lines, f"  {shown_path(made.folder)}"]
