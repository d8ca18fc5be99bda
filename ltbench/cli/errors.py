"""``ltbench errors``: which images a run got wrong, on one page."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.cli.options import data_dir_option
from ltbench.cli.run_argument import row_options, run_argument, run_folders
from ltbench.command_start import command_words
from ltbench.errors import UsageError
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.report.run_errors import RunErrors
    from ltbench.report.thumbnails import Thumbnails


@click.command()
@run_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("errors.html"),
    show_default=True,
    help="File to write.",
)
@click.option(
    "--maps", is_flag=True, help="Show where the network found its answer in each image (Grad-CAM)."
)
@row_options
@click.option("--device", help="With --maps: auto, cpu, cuda, cuda:N, mps.  [default: auto]")
@data_dir_option
def errors(run: str, **options: Any) -> None:
    """Write a page of what a run got wrong: which classes for which, and which images.

    RUN is the folder of a run, or a row of `ltbench leaderboard` as METHOD@DATASET: the seed with
    the best validation score. The page works offline. It shows test images where the data set, or
    its decoded images, are on this machine, and their names alone where they are not.

    \b
    Examples:
      ltbench errors boda@digits-mini-mlt
      ltbench errors bsoftmax@image-folder -o moths.html
      ltbench errors runs/digits-mini-mlt/erm/1a2b3c4d5e6f/seed-0 --maps
    """
    if options["device"] is not None and not options["maps"]:
        raise UsageError("--device says where --maps computes: give that as well")
    device = options["device"] or "auto"
    if options["maps"]:
        from ltbench.session.asked import check_place

        check_place("local", device, ())
    with waiting("Reading the answers"):
        found, thumbnails = _read(run, options)
    notes = _add_maps(found, thumbnails, device, options) if options["maps"] else []
    from ltbench.report.errors_page import errors_report, picture_notes
    from ltbench.report.render import write
    from ltbench.session.progress import bar

    with bar("Drawing the matrices") as told:
        report = errors_report(
            found, thumbnails, command=_command(run, options), notes=notes, done=told
        )
    write(report, "html", options["output"])
    for note in picture_notes(thumbnails):
        click.echo(note, err=True)
    click.echo(f"Wrote {options['output']}", err=True)


def _read(run: str, options: dict[str, Any]) -> tuple[RunErrors, Thumbnails]:
    """Return the answers of the run, and its test images."""
    from ltbench.data.tested_images import find_tested_images
    from ltbench.report.errors_page import PICTURES_ROOM
    from ltbench.report.run_errors import read_errors
    from ltbench.report.thumbnails import Thumbnails

    (folder,) = run_folders(run, options)
    found = read_errors(folder)
    return found, Thumbnails(find_tested_images(found.wanted, options["data_dir"]), PICTURES_ROOM)


def _add_maps(
    found: RunErrors, thumbnails: Thumbnails, device: str, options: dict[str, Any]
) -> list[str]:
    """Make the maps, and return what is to be said of them.

    Raises:
        UsageError: the run has no network of its own.
    """
    with waiting("Loading the model"):
        from ltbench.data.locations import data_folder
        from ltbench.executors.machine import choose_device
        from ltbench.report.errors_page import shown_images
        from ltbench.session.error_maps import error_maps
        from ltbench.session.progress import bar

        chosen = shown_images(found)
    with bar("Looking into the network") as told:
        thumbnails.maps, method = error_maps(
            found.folder,
            thumbnails.images,
            chosen,
            found.answers.prediction,
            device=choose_device(device),
            data_dir=data_folder(options["data_dir"]),
            told=told,
        )
    if not thumbnails.maps:
        return []
    return [
        f"The second picture of each image ({method}) is brighter where the network found what "
        "speaks for its answer. It tells where, not why, and no more than a hint of that."
    ]


def _command(run: str, options: dict[str, Any]) -> str:
    """Return the command line that asks for the same page."""
    words = [*command_words(), "errors", run, "-o", str(options["output"])]
    words += ["--maps"] if options["maps"] else []
    words += ["--runs", str(options["root"])] if options["root"] != Path("runs") else []
    for value in options["protocol"]:
        words += ["--protocol", value]
    return shlex.join(words)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``errors`` to the command line."""
    cli.add_command(errors)
