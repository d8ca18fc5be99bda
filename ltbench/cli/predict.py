"""``ltbench predict``: what a trained model says of images that nobody has labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.cli.option_values import FiniteRange
from ltbench.cli.options import data_dir_option
from ltbench.cli.run_argument import row_options, run_argument, run_folders
from ltbench.errors import UsageError
from ltbench.waiting import end_waiting, waiting

if TYPE_CHECKING:
    from ltbench.session.prediction import Prediction, Predictor


@click.command()
@run_argument
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="CSV file to write."
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How many classes to name of each image, with their probabilities.",
)
@click.option(
    "--reject",
    type=FiniteRange(0, 1),
    default=0.0,
    metavar="BELOW",
    help="Give no answer where the best class is less likely than this.",
)
@click.option(
    "--prior",
    metavar="DISTRIBUTION",
    help="How often classes are expected: uniform, train, forward-50, backward-10, or a file of "
    "class,probability.  [default: as the model has it]",
)
@click.option(
    "--model-prior",
    type=click.Choice(["train", "uniform"]),
    help="With --prior: how often the model expects classes; uniform for methods that balance.  "
    "[default: train]",
)
@click.option("--with", "others", multiple=True, metavar="RUN", help="Further run of an ensemble.")
@click.option("--all-seeds", is_flag=True, help="An ensemble of all seeds of a row.")
@row_options
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, mps.")
@data_dir_option
def predict(run: str, images: tuple[Path, ...], **options: Any) -> None:
    """Say what images show, by the chosen model of a run.

    RUN is the folder of a run, or a row of `ltbench leaderboard` as METHOD@DATASET: the seed with
    the best validation score, or all with --all-seeds. IMAGES are files, folders, and CSV files
    that name images in a column `path`. Probabilities are those of the model at the temperature
    that fits its validation images best.

    A file that cannot be read has a row with the reason. Of a name that is no text in UTF-8 the odd
    bytes are written as \\udc80 to \\udcff.

    \b
    Examples:
      ltbench predict bsoftmax@image-folder photos -o predictions.csv
      ltbench predict erm@digits-mini-mlt digit.png --all-seeds --reject 0.8
      ltbench predict runs/digits-mini-mlt/erm/1a2b3c4d5e6f/seed-0 new.csv --top 1
    """
    from ltbench.session.asked import check_place

    check_place("local", options["device"], ())
    if options["model_prior"] and not options["prior"]:
        raise UsageError("--model-prior says what --prior starts from: give that as well")
    if options["output"] is not None:
        from ltbench.results.output_file import check_output

        check_output(options["output"])  # before many images are looked at
    with waiting("Loading the model"):
        predictor = _predictor(run, options)
        from ltbench.session.prediction import image_paths, predictions_frame
        from ltbench.session.progress import bar

        said: list[str] = []
        paths = image_paths(images, said.append)
    end_waiting()
    for sentence in said:
        click.echo(sentence, err=True)
    for temperature in predictor.temperatures:
        if temperature.why_not:
            click.echo(f"Probabilities are not calibrated: {temperature.why_not}.", err=True)
    with bar("Looking at the images") as told:
        found = list(predictor.answers(paths, options["top"], told))
    frame = predictions_frame(found, options["reject"])
    text = frame.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    if options["output"] is None:
        click.echo(text, nl=False)
    else:
        from ltbench.results.output_file import write_output

        write_output(options["output"], text.encode())
        click.echo(f"Wrote {options['output']}", err=True)
    _say_problems(found)


def _predictor(run: str, options: dict[str, Any]) -> Predictor:
    from ltbench.data.locations import data_folder
    from ltbench.executors.machine import choose_device
    from ltbench.session.prediction import make_predictor

    return make_predictor(
        run_folders(run, options, *options["others"], all_seeds=options["all_seeds"]),
        device=choose_device(options["device"]),
        prior=options["prior"],
        model_prior=options["model_prior"] or "train",
        data_dir=data_folder(options["data_dir"]),
    )


def _say_problems(found: Sequence[Prediction]) -> None:
    """Say how many files could not be read.

    Raises:
        UsageError: none could.
    """
    problems = [one for one in found if one.problem]
    if len(problems) == len(found):
        raise UsageError(f"none of {len(found)} images could be read: {problems[0].problem}")
    if problems:
        click.echo(
            f"{len(problems)} of {len(found)} images could not be read; the column `problem` says "
            "why.",
            err=True,
        )


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``predict`` to the command line."""
    cli.add_command(predict)
