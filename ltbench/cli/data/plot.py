"""``ltbench data plot``: the class distribution of each domain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltbench.cli.data.options import data_dir_option, name_argument, ready_datasets
from ltbench.report import check_figure_suffix
from ltbench.waiting import end_waiting, waiting

if TYPE_CHECKING:
    from ltbench.plugins.dataset import Dataset
    from ltbench.plugins.split import Split

_DPI = 200


@click.command("plot")
@name_argument
@data_dir_option
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, .png, .svg or .pdf; repeatable.  [default: <data set>.png and .svg]",
)
@click.option(
    "--part",
    type=click.Choice(["train", "val", "test"]),
    default="train",
    show_default=True,
    help="Which images are counted.",
)
def plot(name: str, data_dir: Path | None, outputs: tuple[Path, ...], part: str) -> None:
    """Draw the images of each class in each domain, the class with most training images first.

    Classes whose letters no font here has stand as c17, say, and a CSV beside the file names them.

    \b
    Examples:
      ltbench data plot digits-mini-mlt
      ltbench data plot 'cifar100-lt[ratio=50]' -o tail.svg
      ltbench data plot imagenet-lt --part val -o validation.svg
    """
    for output in outputs:
        check_figure_suffix(output)
    ready = ready_datasets(name, data_dir)
    with waiting("Drawing the figure"):
        for one, dataset, split in ready:
            several = _file_name(one.removeprefix(dataset.name)) if len(ready) > 1 else ""
            default = Path(f"{dataset.name}.png"), Path(f"{dataset.name}.svg")
            places = [path.with_stem(f"{path.stem}{several}") for path in outputs or default]
            _draw(one, dataset, split, places, part)


def _file_name(options: str) -> str:
    """Return the part of a file's name that tells one setting of a data set from another."""
    return "-" + re.sub(r"[^\w.-]+", "-", options).strip("-")


def _draw(name: str, dataset: Dataset, split: Split, outputs: Sequence[Path], counted: str) -> None:
    """Draw the figure and write it."""
    from ltbench.report.figure_data import Choices, FigureData
    from ltbench.report.figures import draw, name_codes, save, write_numbers
    from ltbench.report.look import style

    facts = {
        "domains": dataset.facts.domains,
        "classes": dataset.facts.classes,
        "counts": {part: split.counts(part) for part in ("train", "val", "test")},
        "shots": dataset.facts.shots.as_dict(),
        "shot_counts": split.shot_counts(),
    }
    data = FigureData.of_dataset(name, facts)
    with style():
        figure, frame = draw("distribution", data, Choices(part=counted))
        for output in outputs:
            written = save(figure, output, _DPI, name_codes(data))
            end_waiting()
            click.echo(f"Wrote {output}", err=True)
            if written:  # the CSV says which class is c17
                click.echo(f"Wrote {write_numbers(frame, written, output)}", err=True)
