"""``ltbench submit``: runs as one archive, to be handed to somebody's board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.output import chosen_records, folders, runs_argument, selection_options
from ltbench.waiting import end_waiting, waiting


@click.command()
@runs_argument
@selection_options
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Archive to write; its name ends in .zip.",
)
@click.option("--by", default="", metavar="NAME", help="Who hands it in: boards show the name.")
@click.option("--force", is_flag=True, help="Replace an archive that is there.")
def submit(runs: tuple[Path, ...], output: Path, by: str, force: bool, **options: Any) -> None:
    """Write runs as one archive that others can check and join to their board.

    RUNS are folders of runs, by default ./runs. Of each run that is done the archive has its
    specification, result, log, predictions and logits; no images, no weights and no folders
    of this machine; what still tells of it is said. The same runs give the same bytes. `ltbench
    verify` checks it.

    \b
    Examples:
      ltbench submit runs -o submission.zip --by 'Ada, Example Lab'
      ltbench submit runs -o boda.zip --algo boda,boda+crt
      ltbench verify submission.zip
    """
    with waiting("Reading the runs"):
        records = chosen_records(runs, options)
        from ltbench.results.folders import read_folders

        broken = [one for one in read_folders(folders(runs)) if one.status == "unreadable"]
    with waiting("Writing the submission"):
        from ltbench.plugins.text import check_printable
        from ltbench.session.submit import submit as write

        check_printable(by, "--by")
        found = write([*broken, *records], output, by.strip(), force=force)
    end_waiting()
    size = output.stat().st_size / 1e6
    click.echo(f"Wrote {output}: {found.runs} run{'s' * (found.runs > 1)}, {size:.1f} MB")
    for words in found.not_done:
        click.echo(f"Not in it, and said in its manifest: {words}.", err=True)
    for words in found.left:
        click.echo(f"Left as it is: {words}.", err=True)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``submit`` to the command line."""
    cli.add_command(submit)
