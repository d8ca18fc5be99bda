"""``ltbench verify``: whether runs that somebody hands in are what they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import hookimpl
from ltbench.cli.options import data_dir_option
from ltbench.cli.output import no_plugin_code_option
from ltbench.errors import UsageError
from ltbench.printable import json_text, styled
from ltbench.waiting import end_waiting, waiting

if TYPE_CHECKING:
    from ltbench.session.verification.finding import Finding
    from ltbench.session.verification.verify import Verification

_HEADS = {"wrong": "Wrong", "unchecked": "Not checked", "note": "Note"}
_MOST_TITLES = 4
_AGAIN = ("rerun", "rerun_count", "rerun_seed")


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@no_plugin_code_option
@click.option("--rerun", is_flag=True, help="Train one run again, drawn at random, and compare.")
@click.option(
    "--rerun-count", type=click.IntRange(1), metavar="N", help="Train so many again, not one."
)
@click.option(
    "--rerun-seed", type=click.IntRange(0), metavar="SEED", help="Draw among runs of this seed."
)
@click.option("--device", help="With --rerun: auto, cpu, cuda, cuda:N.  [default: auto]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Rows for a board, a .jsonl file: the runs with nothing wrong, badge and origin in each.",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(source: Path, output: Path | None, as_json: bool, **options: Any) -> None:
    """Check runs that somebody hands in, and say what cannot be checked.

    SOURCE is a submission of `ltbench submit`, a folder of runs, or a file of rows. Every metric is
    computed again from the logits, hashes, split and labels are held against the data sets that are
    here, and runs against one another. The exit code is 1 where something is wrong.

    \b
    Examples:
      ltbench verify submission.zip
      ltbench verify submission.zip --rerun -o rows.jsonl
      ltbench verify submission.zip --rerun-count 3 --rerun-seed 0
      ltbench verify runs --json
    """
    again = any(options[name] not in (None, False) for name in _AGAIN)
    if options["device"] is not None and not again:
        raise UsageError("--device is where runs are trained again: add --rerun, or leave it out")
    from ltbench.session.asked import check_place

    check_place("local", options["device"] or "auto", ())
    if output is not None:
        from ltbench.session.verification.rows import check_output

        check_output(output)
    with waiting("Checking the runs"):
        found = _verified(source, options)
    end_waiting()
    written = _write_rows(found, output) if output else 0
    if as_json:
        click.echo(json_text(_document(found), indent=1))
    else:
        click.echo("\n".join(_lines(found)))
    if output:
        words = f"Wrote {output}: {written} of {len(found.runs)} runs"
        click.echo(
            words if written else "Wrote no rows: something is wrong with every run", err=True
        )
    if found.wrong:
        raise SystemExit(1)


def _verified(source: Path, options: dict[str, Any]) -> Verification:
    from ltbench.data.locations import data_folder
    from ltbench.session.verification.rerun import Again
    from ltbench.session.verification.verify import verify as check

    data_dir, again = data_folder(options["data_dir"]), None
    count, seed = options["rerun_count"], options["rerun_seed"]
    if options["rerun"] or count is not None or seed is not None:
        again = Again(count or 1, seed, options["device"] or "auto", data_dir, _say)
    return check(source, data_dir, again)


def _say(title: str) -> None:
    click.echo(f"Training again: {title}", err=True)


def _write_rows(found: Verification, output: Path) -> int:
    from ltbench.session.verification.rows import write_verified

    return write_verified(found, output)


def _lines(found: Verification) -> list[str]:
    """Return a table of the runs, a sentence for each finding, and what nobody can find."""
    from ltbench.session.verification.limits import LIMITS

    width = max((len(run.title) for run in found.runs), default=0)
    lines = [f"Handed in by {found.origin}: {len(found.runs)} runs", ""]
    for run in found.runs:
        verdict = styled("wrong", fg="red") if run.wrong else run.badge
        lines.append(f"  {run.title:{width}}  {verdict}")
    lines += ["", *(_sentence(finding, len(found.runs)) for finding in found.findings)]
    good = sum(not run.wrong for run in found.runs)
    lines += [
        "",
        f"Nothing is wrong with {good} of {len(found.runs)} runs. What cannot be detected:",
    ]
    return [*lines, *(f"  {limit}" for limit in LIMITS)]


def _sentence(finding: Finding, runs: int) -> str:
    titles = list(finding.runs[:_MOST_TITLES])
    if len(finding.runs) == runs > 1:
        titles = ["all runs"]
    elif len(finding.runs) > _MOST_TITLES:
        titles.append(f"{len(finding.runs) - _MOST_TITLES} more")
    owners = f"{', '.join(titles)}: " if titles else ""
    return f"{_HEADS[finding.kind]}: {owners}{finding.text}."


def _document(found: Verification) -> dict[str, Any]:
    from ltbench.session.verification.limits import LIMITS

    return {
        "format": 1,
        "origin": found.origin,
        "wrong": found.wrong,
        "runs": [
            {
                "label": run.record.label,
                "dataset": run.record.dataset,
                "seed": run.record.seed,
                "hash": run.record.hash,
                "protocol_hash": run.record.protocol_hash,
                "badge": run.badge,
                "wrong": run.wrong,
            }
            for run in found.runs
        ],
        "findings": [
            {"kind": finding.kind, "text": finding.text, "runs": list(finding.runs)}
            for finding in found.findings
        ],
        "cannot_be_detected": list(LIMITS),
    }


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add ``verify`` to the command line."""
    cli.add_command(verify)
