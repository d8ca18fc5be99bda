"""``ltbench export``: a trained model as files that need no ltbench."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.options import data_dir_option
from ltbench.cli.run_argument import row_options, run_argument, run_folders
from ltbench.waiting import end_waiting, waiting


@click.command()
@run_argument
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write, which must not exist yet.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@row_options
@data_dir_option
def export(run: str, output: Path, overwrite: bool, **options: Any) -> None:
    """Write the chosen model of a run as ONNX and for timm, with a card.

    RUN is the folder of a run, or a row of `ltbench leaderboard` as METHOD@DATASET, of which the
    seed with the best validation score is taken. The ONNX file takes the pixels of images of any
    size. What was written answers test images as the model does, or is removed again.

    Needs `pip install 'ltbench[onnx]'`.

    \b
    Examples:
      ltbench export bsoftmax@digits-mini-mlt -o exported
      ltbench export erm@digits-mini-mlt -o exported --overwrite
    """
    from ltbench.session.export_folder import check_place

    check_place(output, overwrite=overwrite)
    with waiting("Exporting the model"):
        (folder,) = run_folders(run, options)
        from ltbench.data.locations import data_folder
        from ltbench.session.export import export_run

        found = export_run(folder, output, data_folder(options["data_dir"]), overwrite=overwrite)
    end_waiting()
    if found.why_no_timm:
        click.echo(f"No model of timm: {found.why_no_timm}.", err=True)
    if found.temperature.why_not:
        click.echo(f"Probabilities are not calibrated: {found.temperature.why_not}.", err=True)
    if found.transductive:
        click.echo(
            "Not compared with the run's own test, which was of the model that had learnt on the "
            "test images: the one before is exported.",
            err=True,
        )
    images = f"{len(found.sample.images)} test images"
    if found.sample.why_not:
        images = f"{len(found.sample.images)} made-up images"
        click.echo(f"No test image could be used: {found.sample.why_not}.", err=True)
    click.echo(
        f"Wrote {output}, which answers {images} as the model does, to {found.difference:.1g} in "
        "probability"
    )


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``export`` to the command line."""
    cli.add_command(export)
