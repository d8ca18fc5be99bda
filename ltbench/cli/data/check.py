"""``ltbench data check``: what stands out in a data set, before anything is trained on it."""

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


@click.command("check")
@name_argument
@data_dir_option
@click.option(
    "--no-images", is_flag=True, help="Look at the numbers of images alone, and open none."
)
@click.option("--mirrored", is_flag=True, help="Count mirror images as nearly the same too.")
@json_option
def check(name: str, data_dir: Path | None, no_images: bool, mirrored: bool, as_json: bool) -> None:
    """Say what stands out in a data set: numbers, near-duplicates, sizes, broken images.

    What makes results wrong is to do; the rest is to know. Leaves with exit code 1 where something
    is to do.

    \b
    Examples:
      ltbench data check 'image-folder[root=/data/moths]' --mirrored
      ltbench data check digits-mini-mlt --no-images --json
    """
    found = ready_datasets(name, data_dir)
    checked = [_checked(*one, no_images=no_images, mirrored=mirrored) for one in found]
    if as_json:
        click.echo(json_text(checked if len(checked) > 1 else checked[0], indent=1))
    else:
        for one in checked:
            _print(one)
    if any(one["to_do"] for one in checked):
        raise SystemExit(1)


def _checked(
    name: str, dataset: Dataset, split: Split, *, no_images: bool, mirrored: bool
) -> dict[str, Any]:
    """Return what stands out in one data set."""
    from ltbench.data.checkup import check_dataset
    from ltbench.plugins.split import PARTS
    from ltbench.session.progress import bar

    findings = check_dataset(
        dataset,
        split,
        images=not no_images,
        mirrored=mirrored,
        bar=bar,
        say=partial(click.echo, err=True),
    )
    return {
        "name": name,
        "images": {part: len(split.rows(part)) for part in PARTS},
        "classes": split.shape[1],
        "domains": split.shape[0],
        "looked_at_images": not no_images,
        "findings": [asdict(finding) for finding in findings],
        "to_do": sum(finding.to_do for finding in findings),
    }


def _print(checked: dict[str, Any]) -> None:
    for finding in sorted(checked["findings"], key=lambda finding: not finding["to_do"]):
        click.echo(f"{'to do' if finding['to_do'] else 'note'}: {finding['sentence']}")
    count = checked["to_do"]
    said = f"{count} thing{'s' * (count != 1)} to do" if count else "nothing to do"
    parts = "/".join(map(str, checked["images"].values()))
    looked = "" if checked["looked_at_images"] else "; no image was looked at"
    click.echo(f"{checked['name']}: {parts} training, validation and test images, {said}{looked}")
