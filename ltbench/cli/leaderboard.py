"""``ltbench leaderboard``: tables of what was run, and which differences are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.output import (
    chosen_content,
    chosen_records,
    content_options,
    emit,
    explain_option,
    folders,
    format_of,
    format_option,
    names,
)
from ltbench.errors import UsageError, suggestion
from ltbench.waiting import waiting

CORRECTIONS = ("known", "mlls", "bbse")
_OF_TABLES = (
    "format", "metrics", "reference", "resamples", "explain", "cost", "test_prior", "correct",
    "model_prior",
)  # fmt: skip


@click.command()
@content_options(0, "Test sets drawn from the predictions for intervals over images, say 1000.")
@format_option
@explain_option
@click.option("--cost", is_flag=True, help="Add what methods cost: time, parameters and memory.")
@click.option(
    "--test-prior",
    multiple=True,
    metavar="LIST",
    help="Accuracy under other distributions of the classes: uniform, train, forward-50, "
    "backward-10 or other ratios, or files of class,probability.",
)
@click.option(
    "--correct",
    multiple=True,
    metavar="LIST",
    help="With --test-prior, from logits: rows of answers corrected for it, where it is known, or "
    "estimated by mlls or bbse.",
)
@click.option(
    "--model-prior",
    type=click.Choice(["train", "uniform", "validation"]),
    help="With --correct, what models learnt: the distribution of the training images (default), "
    "the uniform one, or fitted on a run's validation images.",
)
@click.option(
    "--merge",
    is_flag=True,
    help="Join runs of several folders, files of rows and submissions: only equal protocol, split "
    "and evaluation. What is joined and what is not is said.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file; one that ends in .jsonl gets the runs as rows, from which this command makes the "
    "table again. Or a folder (existing, or ending in /) that gets every format.",
)
def leaderboard(runs: tuple[Path, ...], **options: Any) -> None:
    """Compare what was run, one table for each data set and protocol.

    With two seeds or more: intervals, an ANOVA (do the methods differ at all?), ranks, and which
    methods differ from the reference. `ltbench tables anova` has the ANOVA of every metric.

    RUNS are folders of runs, by default ./runs, or files of rows.

    \b
    Examples:
      ltbench leaderboard
      ltbench leaderboard --dataset pacs-mlt \\
          --metrics accuracy_worst,macro_f1_worst
      ltbench leaderboard runs /mnt/others/runs --reference bsoftmax
      ltbench leaderboard --format markdown > results.md
      ltbench leaderboard --explain
      ltbench leaderboard --test-prior forward-50,uniform,backward-50
      ltbench leaderboard --test-prior train,backward-50 --correct known,mlls
      ltbench leaderboard -o leaderboards/pacs/
      ltbench leaderboard runs -o board.jsonl
      ltbench leaderboard board.jsonl
      ltbench leaderboard --merge board.jsonl rows.jsonl -o joined.jsonl
    """
    from ltbench.results.rows import SUFFIX

    output = options["output"]
    if output is not None and output.suffix == SUFFIX:
        _write_rows(runs, options)
        return
    to_folder = output is not None and _is_folder(output)
    if not to_folder:
        format_of(output, options["format"])
    elif options["format"] is not None:
        raise UsageError(
            f"-o {output} is a folder, which gets every format: leave out --format, or name a file."
        )
    priors = _asked_priors(options)
    with waiting("Comparing the runs"):
        content = chosen_content(runs, options, options["resamples"], **priors)
        from ltbench.report.leaderboard import leaderboard_report, write_folder

        report = leaderboard_report(content, explain=options["explain"], cost=options["cost"])
    if not to_folder:
        emit(report, options)
        return
    with waiting("Writing the tables"):
        written = write_folder(content, output, explain=options["explain"], cost=options["cost"])
    for path in written:
        click.echo(f"Wrote {path}", err=True)


def _write_rows(runs: tuple[Path, ...], options: dict[str, Any]) -> None:
    """Write the chosen runs as rows.

    Raises:
        UsageError: something is asked for that rows have not, or there is no run that is done.
    """
    from ltbench.results.rows import write_rows
    from ltbench.results.standing_rows import with_standing_rows

    output: Path = options["output"]
    source = click.get_current_context().get_parameter_source
    typed = [name for name in _OF_TABLES if source(name) is click.core.ParameterSource.COMMANDLINE]
    if typed:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in typed)
        raise UsageError(
            f"-o {output} is a file of rows, which hold all of a run and no table: leave out "
            f"{words}, or name another file."
        )
    with waiting("Writing the rows"):
        chosen = chosen_records(runs, options)
        records, said = with_standing_rows(chosen, folders(runs), told=options["merge"])
        written = write_rows(records, output)
    for sentence in said:
        click.echo(sentence, err=True)
    click.echo(f"Wrote {output}: {written} runs", err=True)


def _asked_priors(options: dict[str, Any]) -> dict[str, Any]:
    """Return the distributions that are asked for, and how answers are to be corrected for them.

    Raises:
        UsageError: there is no such distribution or correction, or the latter stands alone.
    """
    from ltbench.stats.priors import parse_priors

    priors = parse_priors(options["test_prior"])
    corrections = list(dict.fromkeys(names(",".join(options["correct"]))))
    for name in corrections:
        if name not in CORRECTIONS:
            near = suggestion(name, CORRECTIONS)
            raise UsageError(f"There is no correction '{name}'{near}")
    if corrections and not priors:
        raise UsageError("--correct is for other distributions of the classes: add --test-prior.")
    if options["model_prior"] and not corrections:
        raise UsageError("--model-prior has a meaning with --correct alone.")
    return {
        "test_priors": priors,
        "corrections": corrections,
        "model_prior": options["model_prior"] or "train",
    }


def _is_folder(output: Path) -> bool:
    return output.is_dir() or not output.suffix


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``leaderboard`` to the command line."""
    cli.add_command(leaderboard)
