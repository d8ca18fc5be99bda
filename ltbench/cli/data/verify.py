"""``ltbench data verify``: is what lies here what is expected?"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench.cli.data.options import data_dir_option, json_option, name_argument, ready_datasets
from ltbench.printable import json_text

if TYPE_CHECKING:
    from ltbench.plugins.dataset import Dataset
    from ltbench.plugins.split import Split


@click.command("verify")
@name_argument
@data_dir_option
@click.option("--images", is_flag=True, help="Decode every image as well, and name broken ones.")
@json_option
def verify(name: str, data_dir: Path | None, images: bool, as_json: bool) -> None:
    """Compare a data set with its facts: counts, checksums, missing and extra images.

    Leaves with exit code 1 where there is a difference.

    \b
    Examples:
      ltbench data verify pacs-mlt
      ltbench data verify 'image-folder[root=/data/moths]' --images
    """
    found = [_compared(*one, images=images) for one in ready_datasets(name, data_dir)]
    if as_json:
        click.echo(json_text(found if len(found) > 1 else found[0], indent=1))
    else:
        for one in found:
            _print(one)
    if any(one["differences"] for one in found):
        raise SystemExit(1)


def _compared(name: str, dataset: Dataset, split: Split, *, images: bool) -> dict[str, Any]:
    """Return what one data set differs in from its facts."""
    origin = dataset.split_origin(split)
    differences = dataset.verify(split)
    remarks = [line for line in dataset.remarks(split) if line not in differences]
    if images:
        differences += broken_images(dataset, split)
    return {
        "name": name,
        "images": len(split),
        "split_origin": asdict(origin) if origin else None,
        "differences": differences,
        "remarks": remarks,
    }


def _print(found: dict[str, Any]) -> None:
    origin = found["split_origin"]
    for line in found["differences"]:
        click.echo(line)
    for line in found["remarks"]:
        click.echo(f"remark: {line}")
    if origin:
        click.echo(f"{origin['words']}: {origin['detail']}")
    count = len(found["differences"])
    said = f"{count} difference{'s' * (count != 1)}" if count else "no difference"
    made = f", {origin['words']}" if origin else ""
    click.echo(f"{found['name']}: {found['images']} images{made}, {said}")


def broken_images(dataset: Dataset, split: Split) -> list[str]:
    """Return one sentence per image that cannot be decoded."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    from ltbench.data.library_messages import lines_with_names
    from ltbench.data.store import with_messages
    from ltbench.errors import DataError
    from ltbench.session.progress import bar

    decode = with_messages(dataset.decoder(split), split)

    def cause(i: int) -> str:
        try:
            decode(i)
        except DataError as error:
            return str(error)
        return ""

    say = partial(click.echo, err=True)
    with lines_with_names(say), ThreadPoolExecutor(os.cpu_count()) as pool:
        causes = []
        with bar(f"Reading {dataset.name}") as show:
            for done, line in enumerate(pool.map(cause, range(len(split))), start=1):
                causes += [line] if line else []
                show(done, len(split))
        return causes
