"""What the subcommands of ``ltbench data`` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltbench.cli.completion import plugin_completer
from ltbench.errors import DataError
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.plugins.dataset import Dataset
    from ltbench.plugins.split import Split

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the data sets.  [default: LTBENCH_DATA or the user's data folder]",
)

name_argument = click.argument("name", shell_complete=plugin_completer("datasets"))

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def named_dataset(name: str, data_dir: Path | None) -> Dataset:
    """Return the data set that was typed, whether its files are there or not.

    Raises:
        UsageError: it does not exist, or its parameters are not possible.
    """
    from ltbench.data.catalogue import create_dataset
    from ltbench.data.locations import data_folder
    from ltbench.plugins.names import parse_name

    return create_dataset(parse_name(name), data_folder(data_dir))


def ready_dataset(name: str, data_dir: Path | None) -> tuple[Dataset, Split]:
    """Return the data set that was typed, with its split.

    Raises:
        UsageError: it does not exist, or its parameters are not possible.
        DataError: its files are missing or broken.
    """
    dataset = named_dataset(name, data_dir)
    if cause := dataset.missing():
        raise DataError(cause)
    return dataset, read_split(dataset)


def read_split(dataset: Dataset) -> Split:
    """Return a data set's split; a folder with many images takes a while."""
    with waiting("Reading the data set"):
        return dataset.split()


def shot_buckets(dataset: Dataset, split: Split) -> dict[str, int]:
    """Return how many domain-class pairs are many-, medium-, few- and zero-shot."""
    buckets = dataset.facts.shots.buckets(split.shot_counts())
    return {name: int(pairs.sum()) for name, pairs in buckets.items()}
