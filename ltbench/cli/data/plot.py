"""``ltbench data plot``: the class distribution of each domain."""

from __future__ import annotations

from pathlib import Path

import click

from ltbench.cli.data.options import data_dir_option, ready_dataset
from ltbench.errors import UsageError

SUFFIXES = (".png", ".svg", ".pdf")


@click.command("plot")
@click.argument("name")
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
        if output.suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"'{output}' does not say a format: end its name in {', '.join(SUFFIXES)}"
            )
    dataset, split = ready_dataset(name, data_dir)
    from ltbench.report.figures.distribution import counts_frame, draw_counts
    from ltbench.report.figures.style import style

    facts = dataset.facts
    counts = {part: split.counts(part) for part in ("train", "val", "test")}
    frame = counts_frame(facts.domains, facts.classes, counts, facts.many, facts.few)
    with style():
        figure = draw_counts(frame, name)
        for output in outputs or tuple(Path(f"{dataset.name}{s}") for s in SUFFIXES[:2]):
            dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
            try:
                output.parent.mkdir(parents=True, exist_ok=True)
                figure.savefig(output, dpi=200, metadata=dated.get(output.suffix.lower()))
            except OSError as error:
                raise UsageError(f"{output} cannot be written: {error.strerror}") from error
            click.echo(f"Wrote {output}", err=True)
