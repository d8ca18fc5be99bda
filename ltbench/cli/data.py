"""``ltbench data``: which data sets there are, what is in them, and getting them ready."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltbench import hookimpl

if TYPE_CHECKING:
    from ltbench.plugins.dataset import Dataset
    from ltbench.plugins.split import Split

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the data sets.  [default: LTBENCH_DATA or the user's data folder]",
)


@click.group()
def data() -> None:
    """List data sets, say what is in one, and get one ready.

    \b
    Examples:
      ltbench data list
      ltbench data info digits-mini-mlt
      ltbench data prepare 'image-folder[root=/data/moths]'
    """


@data.command("list")
@data_dir_option
def list_data(data_dir: Path | None) -> None:
    """List every data set and whether it is ready on this machine.

    \b
    Examples:
      ltbench data list
      ltbench data list --data-dir /data
    """
    from ltbench.data.locations import data_folder
    from ltbench.plugins.manager import get_plugins

    registry = get_plugins()["datasets"]
    width = max(map(len, registry.names()), default=0)
    for entry in registry:
        state = _state(entry.name, data_folder(data_dir))
        click.echo(f"{entry.name:{width}}  {state:11}  {entry.summary}")


@data.command("info")
@click.argument("name")
@data_dir_option
def info(name: str, data_dir: Path | None) -> None:
    """Print the facts of a data set: domains, classes, counts, thresholds, protocols.

    \b
    Examples:
      ltbench data info digits-mini-mlt
      ltbench data info 'image-folder[root=/data/moths]'
    """
    from ltbench.data.catalogue import create_dataset
    from ltbench.data.locations import data_folder
    from ltbench.errors import DataError
    from ltbench.plugins.names import parse_name

    dataset = create_dataset(parse_name(name), data_folder(data_dir))
    cause = dataset.missing()
    try:
        facts = dataset.facts
    except DataError:
        raise DataError(cause or f"the facts of {name} cannot be read") from None
    click.echo(click.style(f"{name}: {facts.title}", bold=True))
    click.echo(f"images     {facts.size}×{facts.size}, {facts.channels} channels")
    click.echo(f"shots      many > {facts.many}, few ≤ {facts.few} training images of a pair")
    for key in ("licence", "citation"):
        if text := getattr(facts, key):
            click.echo(f"{key:10} {' '.join(text.split())}")
    for protocol, settings in facts.protocols.items():
        listed = ", ".join(f"{k} {v}" for k, v in settings.items())
        click.echo(f"protocol   {protocol}: {listed}")
    if cause:
        click.echo(f"not ready  {cause}")
        return
    _print_counts(dataset, dataset.split())


@data.command("prepare")
@click.argument("name")
@data_dir_option
def prepare(name: str, data_dir: Path | None) -> None:
    """Fetch what a data set needs and decode its images into the cache.

    \b
    Examples:
      ltbench data prepare digits-mini-mlt
      ltbench data prepare 'image-folder[root=/data/moths]'
    """
    from rich.console import Console
    from rich.progress import Progress

    from ltbench.data.catalogue import create_dataset
    from ltbench.data.locations import data_folder
    from ltbench.data.store import open_store, store_folder
    from ltbench.errors import DataError
    from ltbench.plugins.names import parse_name

    dataset = create_dataset(parse_name(name), data_folder(data_dir))
    dataset.prepare(lambda line: click.echo(line, err=True))
    if cause := dataset.missing():
        raise DataError(cause)
    split = dataset.split()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"Decoding {dataset.name}", total=len(split))
        open_store(dataset, split, lambda done, total: bar.update(task, completed=done))
        bar.update(task, completed=len(split))
    click.echo(f"{name} is ready: {len(split)} images decoded in {store_folder(dataset, split)}")


def _state(name: str, folder: Path) -> str:
    from ltbench.data.catalogue import create_dataset
    from ltbench.errors import LtbenchError
    from ltbench.plugins.names import Name

    try:
        return "not ready" if create_dataset(Name(name), folder).missing() else "ready"
    except LtbenchError:
        return "broken"


def _print_counts(dataset: Dataset, split: Split) -> None:
    """Print images per domain and part, and pairs per shot bucket."""
    from tabulate import tabulate

    facts = dataset.facts
    parts = {part: split.counts(part) for part in ("train", "val", "test")}
    rows = [
        [domain, *(int(parts[part][d].sum()) for part in parts)]
        for d, domain in enumerate(facts.domains)
    ]
    click.echo(tabulate(rows, headers=["domain", *parts]))
    n = parts["train"]
    buckets = {
        "many": n > facts.many,
        "medium": (n <= facts.many) & (n > facts.few),
        "few": (n <= facts.few) & (n > 0),
        "zero": n == 0,
    }
    listed = ", ".join(f"{bucket} {int(mask.sum())}" for bucket, mask in buckets.items())
    click.echo(f"{len(facts.classes)} classes; domain-class pairs by shot: {listed}")
    click.echo(f"split sha256 {split.sha256}")


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(data)
