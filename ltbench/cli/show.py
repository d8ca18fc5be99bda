"""``ltbench show``: one run, what was asked, how it went and what came out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.cli.completion import complete_run_datasets, complete_run_domains, complete_runs
from ltbench.cli.output import (
    emit,
    format_of,
    format_option,
    names,
    no_plugin_code_option,
    output_option,
)
from ltbench.errors import UsageError
from ltbench.waiting import waiting

if TYPE_CHECKING:
    from ltbench.report.run_page import Documents
    from ltbench.results.run import RunRecord


@click.command()
@click.argument("run", shell_complete=complete_runs)
@no_plugin_code_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs, where RUN is a hash or a label.",
)
@click.option("--seed", type=int, help="The run's seed, where RUN is there with several.")
@click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=complete_run_datasets,
    help="Its data set, where RUN is there on several.",
)
@click.option("--traceback", is_flag=True, help="Print the traceback of its failure and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with everything.")
@click.option("--per-class", is_flag=True, help="Print a table of the classes instead.")
@click.option(
    "--domain",
    metavar="NAMES",
    shell_complete=complete_run_domains,
    help="With --per-class, a table for each of these domains; 'each' for all.",
)
@click.option(
    "--sort",
    type=click.Choice(["class", "recall", "precision", "f1", "support", "train"]),
    help="With --per-class, the worst class or the most images first.  [default: class]",
)
@format_option
@output_option
def show(run: str, traceback: bool, as_json: bool, per_class: bool, **which: Any) -> None:
    """Show one run: what was asked, its curves, its result and what it took.

    RUN is the run's folder, the first digits of its hash, or its label.

    \b
    Examples:
      ltbench show runs/digits-mini-mlt/erm/0f3c9a41d2e7/seed-0
      ltbench show 0f3c --seed 0
      ltbench show 'boda[weight=0.5]+crt' --seed 2 --dataset pacs-mlt
      ltbench show erm --seed 0 --json | jq .result.test
      ltbench show erm --seed 0 --per-class --sort recall
      ltbench show erm --seed 0 --per-class --domain each -o classes.csv
    """
    _check(per_class, as_json, traceback, which)
    from ltbench.report.plain import shown_path
    from ltbench.report.run_page import as_text
    from ltbench.results.choose import find_run
    from ltbench.results.states import read_states

    with waiting("Reading the runs"):
        folder = find_run(run, which["out"], seed=which["seed"], dataset=which["dataset"])
    documents = _read(folder)
    if traceback:
        click.echo(_printable(str(documents.error.get("traceback") or "There is no traceback.")))
        return
    state = read_states(folder).runs[0]
    if per_class:
        _show_classes(folder, state, as_json=as_json, which=which)
    elif as_json:
        click.echo(json.dumps(_finite(_document(state, documents)), allow_nan=False))
    else:
        click.echo(as_text(state, documents, shown_path(folder)))


def _check(per_class: bool, as_json: bool, traceback: bool, which: dict[str, Any]) -> None:
    """Refuse options that would be without effect.

    Raises:
        UsageError: there are some.
    """
    of_classes = {name: which[name] for name in ("domain", "sort", "format", "output")}
    for name, value in of_classes.items():
        if value is not None and not per_class:
            raise UsageError(f"--{name} is about the table of classes: add --per-class.")
    if per_class and traceback:
        raise UsageError("--traceback prints nothing else: leave out --per-class.")
    if as_json and (which["format"] or which["output"]):
        raise UsageError("--json prints: leave it out beside --format and --output.")
    if which["domain"] is not None and not names(which["domain"]):
        raise UsageError("--domain names no domain.")
    format_of(which["output"], which["format"])


def _show_classes(folder: Path, state: RunRecord, *, as_json: bool, which: dict[str, Any]) -> None:
    """Print the table of a run's classes, or write it.

    Raises:
        UsageError: the run is not done, or has no test image of a domain.
        DataError: it kept no answers, or they do not fit it.
    """
    if state.status != "done":
        raise UsageError(
            f"{folder} is {state.status.replace('-', ' ')}: how it does on each class is known "
            "when it is done."
        )
    with waiting("Reading the answers"):
        from ltbench.report.per_class import per_class

        label = f"{state.label} on {state.dataset} seed {state.seed}"
        report = per_class(
            folder, label, domains=names(which["domain"]), sort=which["sort"] or "class"
        )
    emit(report, {**which, "format": "json"} if as_json else which)


def _read(folder: Path) -> Documents:
    """Read a run's files; one that cannot be read costs its own part of the page."""
    from ltbench.report.run_page import Documents
    from ltbench.results.folder import LOGITS
    from ltbench.results.untrusted import UnreadableRun, read_json, read_log, read_result

    found: dict[str, dict[str, Any]] = {}
    broken = []
    for name in ("spec", "result", "error"):
        try:
            path = folder / f"{name}.json"
            found[name] = (read_result(folder) if name == "result" else read_json(path)) or {}
        except UnreadableRun as problem:
            found[name] = {}
            broken.append(_printable(str(problem)))
    kept = folder / LOGITS
    logits = kept.stat().st_size if kept.is_file() else None
    return Documents(**found, log=list(read_log(folder)), broken=broken, logits=logits)


def _document(state: RunRecord, documents: Documents) -> dict[str, Any]:
    from ltbench.report.run_page import spec_scheme

    scheme = spec_scheme(documents.spec)
    return {
        "folder": state.path,
        "state": state.status,
        "holder": str(state.holder) if state.holder else None,
        "evaluation": scheme.evaluation,
        "selection": scheme.selection(state.select),
        "spec": documents.spec,
        "result": documents.result or None,
        "error": documents.error or None,
        "log": documents.log,
        "logits_bytes": documents.logits,
        "unreadable": documents.broken,
    }


def _finite(value: Any) -> Any:
    """Return a document in which numbers too large for a float are missing, as JSON has none."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list():
            return [_finite(item) for item in value]
    return value


def _printable(text: str) -> str:
    """Return a text of several lines without control characters."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``show`` to the command line."""
    cli.add_command(show)
