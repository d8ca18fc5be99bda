"""``ltbench tables``: tables of a particular experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ltbench import hookimpl
from ltbench.cli.output import (
    chosen_runs,
    emit,
    format_option,
    names,
    output_option,
    runs_argument,
    selection_options,
)


@click.group()
def tables() -> None:
    """Tables of particular experiments: ablations, and models × losses × test sets.

    \b
    Examples:
      ltbench tables ablation --algo brl --dataset digits-mlt
      ltbench tables backbones --dataset cifar100-lt -o thesis.md
    """


@tables.command()
@runs_argument
@click.option(
    "--components",
    help="Hyper-parameters that switch a component, separated by commas; a number is off at 0.  "
    "[default: all that are true or false]",
)
@selection_options
@format_option
@output_option
def ablation(runs: tuple[Path, ...], **options: Any) -> None:
    """All combinations of an algorithm's switchable components.

    RUNS are folders of runs, by default ./runs. Combinations that were not run are shown as such.

    \b
    Examples:
      ltbench tables ablation --algo brl
      ltbench tables ablation --algo boda --components weight,macro_weight -o boda.tex
    """
    from ltbench.report.section import Report
    from ltbench.report.selection import only_table
    from ltbench.report.tables.ablation import ablation as make_ablation

    table = only_table(chosen_runs(runs, options), "an ablation")
    section = make_ablation(table, names(options["components"]))
    emit(Report((section,), title="Ablation"), options)


@tables.command()
@runs_argument
@selection_options
@format_option
@output_option
def backbones(runs: tuple[Path, ...], **options: Any) -> None:
    """Model × loss on balanced, long-tailed, head, middle and tail test images.

    RUNS are folders of runs, by default ./runs. Runs with other backbones and other degrees of
    imbalance of one data set stand in one table, as rows.

    \b
    Examples:
      ltbench tables backbones --dataset cifar100-lt
      ltbench tables backbones --dataset cifar100-lt --algo erm --algo bsoftmax -o table.csv
    """
    from ltbench.report.section import Report
    from ltbench.report.tables.backbones import backbones as make_backbones

    emit(Report(tuple(make_backbones(chosen_runs(runs, options))), title="Backbones"), options)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``tables`` to the command line."""
    cli.add_command(tables)
