"""How each data set stands on this machine: ready, not here, or damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ltbench.command_start import command_start
from ltbench.data.catalogue import create_dataset
from ltbench.data.locations import data_folder
from ltbench.errors import LtbenchError, described
from ltbench.plugins.dataset import Dataset, count_differences
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name
from ltbench.session.checks import BAD, OK, WARN, Check

AT_ONCE = 30_000
"""Images that are listed in a moment; of larger data sets only the files' presence is looked at."""


def dataset_checks(data_dir: Path | None) -> Iterator[Check]:
    """Yield every registered data set.

    Args:
        data_dir: of the data sets' files, ``None`` for the usual one.
    """
    folder = data_folder(data_dir)
    for entry in get_plugins()["datasets"]:
        yield _state(entry.name, folder)


def _state(name: str, folder: Path) -> Check:
    try:
        dataset = create_dataset(Name(name), folder)
        if places := dataset.hparams.places():
            return Check(name, OK, f"yours: {name}[{next(iter(places))}=…]")
        if dataset.missing():
            return Check(name, OK, "not here", f"{command_start()} data prepare {name}")
        return _looked_into(name, dataset)
    except LtbenchError as error:
        again = f"{command_start()} data verify {name} looks again"
        return Check(name, BAD, f"damaged: {error}", again)
    except Exception as error:  # of a plugin
        return Check(name, BAD, f"fails: {described(error)}", "report it to its authors")


def _looked_into(name: str, dataset: Dataset) -> Check:
    """Return how a data set is whose files are there, by its split where that is quickly made."""
    expected = sum(map(sum, dataset.facts.counts.values()))
    if expected > AT_ONCE:
        return Check(name, OK, f"ready (`{command_start()} data verify {name}` looks into it)")
    split = dataset.split()
    if differences := count_differences(dataset.facts, split):
        again = f"{command_start()} data verify {name} has all of it"
        return Check(name, WARN, f"ready, but {differences[0]}", again)
    return Check(name, OK, f"ready, {len(split):,} images")
