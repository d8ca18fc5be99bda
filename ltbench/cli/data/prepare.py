"""``ltbench data prepare``: download, arrange, decode."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltbench.cli.data.options import data_dir_option, name_argument, named_datasets

if TYPE_CHECKING:
    from ltbench.plugins.dataset import Dataset


@click.command("prepare")
@name_argument
@data_dir_option
@click.option("--no-decode", is_flag=True, help="Stop before the images are decoded.")
def prepare(name: str, data_dir: Path | None, no_decode: bool) -> None:
    """Fetch what a data set needs and decode its images into the cache.

    Downloads that break off go on where they were when the same command is typed again.

    \b
    Examples:
      ltbench data prepare digits-mini-mlt
      ltbench data prepare cifar100-lt --data-dir /data
      ltbench data prepare 'image-folder[root=/data/moths]'
    """
    for named in named_datasets(name, data_dir):
        _prepare(*named, decode=not no_decode)


def _prepare(name: str, dataset: Dataset, *, decode: bool) -> None:
    """Do it for one data set."""
    from ltbench.data.store import open_store, store_folder
    from ltbench.errors import DataError
    from ltbench.session.progress import decoding_bar

    dataset.prepare(_Lines())
    if cause := dataset.missing():
        raise DataError(cause)
    split = dataset.split()
    differences = dataset.verify(split)
    for line in differences:
        click.echo(f"Warning: {line}", err=True)
    if origin := dataset.split_origin(split):
        click.echo(str(origin), err=True)
    for line in dataset.remarks(split):
        if line not in differences:
            click.echo(f"remark: {line}", err=True)
    if not decode:
        click.echo(f"{name} is there: {len(split)} images")
        return
    with decoding_bar(dataset.name) as show:
        open_store(dataset, split, show)
        show(len(split), len(split))
    click.echo(f"{name} is ready: {len(split)} images decoded in {store_folder(dataset, split)}")


class _Lines:
    """Prints what a data set reports; on a terminal progress stays on one line."""

    def __init__(self) -> None:
        self.overwrite = sys.stderr.isatty()
        self.open = False

    def __call__(self, line: str) -> None:
        passing = line.startswith("  ") and self.overwrite
        if self.open and not passing:
            click.echo(err=True)
        click.echo(f"\r{line:<78}" if passing else line, nl=not passing, err=True)
        self.open = passing
