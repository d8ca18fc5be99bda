"""Builds data sets by name. Nothing here imports torch."""

from __future__ import annotations

from pathlib import Path

from ltbench.errors import DataError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.names import Name
from ltbench.plugins.resolve import registered, resolve
from ltbench.plugins.split import Split


def create_dataset(name: Name, data_dir: Path) -> Dataset:
    """Build a data set by name, whether its files are there or not.

    Raises:
        UsageError: it does not exist, or its parameters are not possible.
    """
    name = registered(name, "datasets")
    cls, hparams = resolve("datasets", name.name, name.options)
    dataset: Dataset = cls(name.name, hparams, data_dir)
    return dataset


def open_dataset(name: Name, data_dir: Path) -> tuple[Dataset, Split]:
    """Build a data set and read its split.

    Raises:
        UsageError: it does not exist, or its parameters are not possible.
        DataError: its files are missing or broken, or nothing trains or tests.
    """
    dataset = create_dataset(name, data_dir)
    if cause := dataset.missing():
        raise DataError(cause)
    split = dataset.split()
    for part in ("train", "test"):
        if not len(split.rows(part)):
            raise DataError(f"data set '{name}' has no {part} images: a run needs train and test")
    return dataset, split
