"""``ltbench data plot``: the class distribution of each domain."""

from __future__ import annotations

from pathlib import Path

import click

from ltbench.cli.data.options import data_dir_option, name_argument, ready_dataset
from ltbench.report import check_figure_suffix

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
def plot(name: str, data_dir: Path | None, outputs: tuple[Path, ...]) -> None:
    """Draw the training images of each class in each domain, the largest class first.

    \b
    Examples:
      ltbench data plot digits-mini-mlt
      ltbench data plot 'cifar100-lt[ratio=50]' -o tail.svg
    """
    for output in outputs:
        check_figure_suffix(output)
    dataset, split = ready_dataset(name, data_dir)
    from ltbench.report.figure_data import Choices, FigureData
    from ltbench.report.figures import draw, save
    from ltbench.report.look import style

    facts = {
        "domains": dataset.facts.domains,
        "classes": dataset.facts.classes,
        "counts": {part: split.counts(part) for part in ("train", "val", "test")},
        "shots": dataset.facts.shots.as_dict(),
    }
    with style():
        figure, _ = draw("distribution", FigureData.of_dataset(name, facts), Choices())
        for output in outputs or (Path(f"{dataset.name}.png"), Path(f"{dataset.name}.svg")):
            save(figure, output, _DPI)
            click.echo(f"Wrote {output}", err=True)
