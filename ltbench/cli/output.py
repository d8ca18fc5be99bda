"""What the reporting commands share: choosing runs, a format, and where to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ltbench.cli.completion import (
    complete_run_datasets,
    complete_run_methods,
    complete_run_metrics,
    complete_run_protocols,
)
from ltbench.errors import UsageError
from ltbench.report import SUFFIXES
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.report.content import Content
    from ltbench.report.section import Report
    from ltbench.report.trials import Trials
    from ltbench.results.frame import Runs
    from ltbench.results.run import RunRecord

Command = TypeVar("Command", bound=Callable[..., Any])

_runs_argument = click.argument("runs", nargs=-1, type=click.Path(path_type=Path))

format_option = click.option(
    "--format",
    type=click.Choice(list(SUFFIXES)),
    help="Default: what the file is called, else terminal.",
)

explain_option = click.option(
    "--explain", is_flag=True, help="Say at length what tests and marks below tables mean."
)

run_methods_option = click.option(
    "--algo",
    multiple=True,
    shell_complete=complete_run_methods,
    help="Only these methods, comma-separated or repeated.",
)
run_datasets_option = click.option(
    "--dataset",
    multiple=True,
    shell_complete=complete_run_datasets,
    help="Only these data sets, comma-separated or repeated.",
)

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write instead of printing."
)

no_plugin_code_option = click.option(
    "--no-plugin-code",
    is_flag=True,
    expose_value=False,  # it counts before there are commands: see ltbench.cli.main
    help="Import no plugin but those of ltbench: for runs of people whom you do not trust.",
)


def runs_argument(command: Command) -> Command:
    """Add the folders of runs, and the option to read them without anybody else's code."""
    return _runs_argument(no_plugin_code_option(command))


def selection_options(command: Command) -> Command:
    """Add ``--algo``, ``--dataset`` and ``--protocol``."""
    for option in (
        click.option("--protocol", multiple=True, shell_complete=complete_run_protocols,
                     help="Only these protocols, by name or hash."),
        run_datasets_option,
        run_methods_option,
    ):  # fmt: skip
        command = option(command)
    return command


def content_options(resamples: int, words: str) -> Callable[[Command], Command]:
    """Return the options of what shows leaderboards, with a default of ``--resamples``."""

    def add(command: Command) -> Command:
        for option in (
            click.option("--resamples", type=click.IntRange(0, 100_000), default=resamples,
                         show_default=True, help=words),
            click.option("--reference", default="erm", show_default=True,
                         shell_complete=complete_run_methods,
                         help="What others are compared to."),
            click.option("--metrics", shell_complete=complete_run_metrics,
                         help="Columns, separated by commas; the first one sorts and ranks."),
        ):  # fmt: skip
            command = option(command)
        return runs_argument(selection_options(command))

    return add


def folders(runs: Sequence[Path]) -> Sequence[Path]:
    """Return the folders of runs, by default ``runs``."""
    return runs or (Path("runs"),)


def names(text: str | None) -> list[str]:
    """Return what commas part."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def chosen_records(runs: Sequence[Path], options: dict[str, Any]) -> list[RunRecord]:
    """Read the runs that the options of :func:`selection_options` choose, as records.

    Raises:
        UsageError: there are none.
    """
    records, said, _ = _merged(runs, options)
    for sentence in said:
        click.echo(sentence, err=True)
    from ltbench.report.selection import select_runs
    from ltbench.results.frame import as_frames

    found = select_runs(as_frames(records), *(options[name] for name in _FILTERS))
    paths = set(found.table["path"])
    return [record for record in records if record.path in paths]


def chosen_runs(runs: Sequence[Path], options: dict[str, Any]) -> Runs:
    """Read the runs that the options of :func:`selection_options` choose.

    What was made of other runs is passed over.

    Raises:
        UsageError: there are none.
    """
    wanted = options.get("metrics") or options.get("metric")
    records = _records(runs, options)
    records = _with_metrics(records, names(wanted) if isinstance(wanted, str) else (), options)
    from ltbench.report.filters import trained_alone
    from ltbench.report.selection import select_runs
    from ltbench.results.frame import as_frames

    return trained_alone(select_runs(as_frames(records), *(options[name] for name in _FILTERS)))


def chosen_runs_or_trials(runs: Sequence[Path], options: dict[str, Any]) -> tuple[Runs, Trials]:
    """Read the runs that the options choose; there may be none where trials of tuning match.

    Raises:
        UsageError: there are neither.
    """
    from ltbench.results.trials import has_studies

    chosen: Runs | None = None
    try:
        chosen = chosen_runs(runs, options)
    except UsageError:
        if not any(map(has_studies, folders(runs))):  # found out without pandas
            raise
    from ltbench.report.trials import Trials
    from ltbench.results.frame import as_frames

    tuning = Trials(folders(runs), *(options[name] for name in _FILTERS))
    if chosen is None and tuning.frame.empty:
        return chosen_runs(runs, options), tuning  # says again that there are none
    return chosen or as_frames([]), tuning


def known_metrics(runs: Runs, tuning: Trials) -> list[str]:
    """Return the names of the metrics of some runs, or of trials where there are no runs."""
    if not runs.table.empty:
        return list(runs.scores.columns)
    columns = tuning.frame.columns
    return [name.removeprefix("test_") for name in columns if name.startswith("test_")]


_FILTERS = ("algo", "dataset", "protocol")


def _records(runs: Sequence[Path], options: dict[str, Any]) -> list[RunRecord]:
    """Read the runs and check the filters, both without pandas: a mistake is told at once."""
    from ltbench.results.folders import check_filters, read_folders

    records = read_folders(folders(runs))
    check_filters(records, *(options[name] for name in _FILTERS))
    return records


def _merged(
    runs: Sequence[Path], options: dict[str, Any]
) -> tuple[list[RunRecord], tuple[str, ...], bool]:
    """Read the runs, with ``--merge`` those that may be joined.

    Returns:
        The runs, what was joined and what was not, and whether tables of unseen domains may be.
    """
    if not options.get("merge"):
        return _records(runs, options), (), True
    from ltbench.report.merging import merge
    from ltbench.results.folders import check_filters

    found = merge(folders(runs))
    check_filters(found.records, *(options[name] for name in _FILTERS))
    return list(found.records), found.said, found.whole


def _with_metrics(
    records: list[RunRecord], wanted: Sequence[str], options: dict[str, Any]
) -> list[RunRecord]:
    """Return runs with metrics that they lack but that follow from what they kept.

    Which of the runs that the options choose stay without one is said, with the reason.

    Raises:
        UsageError: all of them do.
    """
    if all(name in r.test for name in wanted for r in records if r.status == "done"):
        return records
    from ltbench.report.selection import select_runs
    from ltbench.report.stored_metrics import with_stored_metrics
    from ltbench.results.frame import as_frames

    chosen = select_runs(as_frames(records), *(options[name] for name in _FILTERS))
    paths = set(chosen.table["path"])
    completed, lacking = with_stored_metrics([r for r in records if r.path in paths], wanted)
    for said in lacking:
        click.echo(f"Note: {said}.", err=True)
    of_path = {record.path: record for record in completed}
    return [of_path.get(record.path, record) for record in records]


def chosen_content(
    runs: Sequence[Path], options: dict[str, Any], resamples: int = 0, **more: Any
) -> Content:
    """Read the leaderboards of the runs that the options choose.

    ``more`` is as for :func:`ltbench.report.leaderboard.load_content`.

    Raises:
        UsageError: there are none, or none has a metric.
    """
    from ltbench.report.metrics import choose_metrics

    records, said, join = _merged(runs, options)
    metrics = names(options["metrics"]) or None
    if any(record.test for record in records):
        scored = {name for record in records for name in record.test}
        if not all(name in scored for name in metrics or ()):
            from ltbench.report.stored_metrics import computable_names

            scored |= computable_names()
        choose_metrics(metrics, scored)
    records = _with_metrics(records, metrics or (), options)
    from ltbench.report.leaderboard import load_content
    from ltbench.results.frame import as_frames

    content = load_content(
        as_frames(records),
        metrics=metrics,
        reference=options["reference"],
        algos=options["algo"],
        datasets=options["dataset"],
        protocols=options["protocol"],
        resamples=resamples,
        join=join,
        **more,
    )
    return replace(content, merged=said)


def format_of(output: Path | None, chosen: str | None) -> str:
    """Return the format: as chosen, else what the file is called, else ``terminal``.

    Raises:
        UsageError: the file's name says nothing.
    """
    if chosen or output is None:
        return chosen or "terminal"
    formats = {suffix: format_ for format_, suffix in SUFFIXES.items()}
    if output.suffix not in formats:
        raise UsageError(
            f"'{output}' does not say its format: end its name in {', '.join(formats)}, "
            "or use --format."
        )
    return formats[output.suffix]


def emit(report: Report, options: dict[str, Any]) -> None:
    """Print a report, or write it to the file of ``--output``."""
    from ltbench.report.render import FORMATS, write

    output = options["output"]
    format_ = format_of(output, options["format"])
    if output is None:
        with waiting("Writing the tables"):
            text = FORMATS[format_](report)
        click.echo(text, nl=False)
    else:
        with waiting("Writing the tables"):
            write(report, format_, output)
        click.echo(f"Wrote {output}", err=True)
