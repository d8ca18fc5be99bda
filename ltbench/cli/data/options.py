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


def named_datasets(text: str, data_dir: Path | None) -> list[tuple[str, Dataset]]:
    """Return the data sets that were typed, with their names, whether their files are there or not.

    They are several where the options stand for several settings, as ``unseen=each`` does. One
    alone is called as it was typed.

    Raises:
        UsageError: one does not exist, or its parameters are not possible.
        DataError: which settings there are is told by files that are missing.
    """
    from ltbench.data.catalogue import Known, create_dataset, dataset_names
    from ltbench.data.locations import data_folder

    folder, known = data_folder(data_dir), Known()
    with waiting("Reading the data set"):
        names = dataset_names(text, folder, known)
        found = [(str(name), create_dataset(name, folder, known)) for name in names]
    return found if len(found) > 1 else [(text, found[0][1])]


def ready_datasets(text: str, data_dir: Path | None) -> list[tuple[str, Dataset, Split]]:
    """Return the data sets that were typed, with their names and splits.

    Raises:
        UsageError: one does not exist, or its parameters are not possible.
        DataError: files are missing or broken.
    """
    ready = []
    for name, dataset in named_datasets(text, data_dir):
        if cause := dataset.missing():
            raise DataError(cause)
        ready.append((name, dataset, read_split(dataset)))
    return ready


def read_split(dataset: Dataset) -> Split:
    """Return a data set's split; a folder with many images takes a while."""
    with waiting("Reading the data set"):
        return dataset.split()


def shot_buckets(dataset: Dataset, split: Split) -> dict[str, int]:
    """Return how many domain-class pairs are many-, medium-, few- and zero-shot."""
    buckets = dataset.facts.shots.buckets(split.shot_counts())
    return {name: int(pairs.sum()) for name, pairs in buckets.items()}
