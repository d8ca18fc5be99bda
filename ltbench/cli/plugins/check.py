"""``ltbench plugins check``: the conformance kit over what a plugin registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ltbench.cli.completion import plugin_completer
from ltbench.printable import json_text, styled

if TYPE_CHECKING:
    from ltbench.plugins.registry import Entry
    from ltbench.testing.point import Result

MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("-", None)}


@click.command("check")
@click.argument("name", metavar="NAME|PACKAGE", shell_complete=plugin_completer())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def check(name: str, as_json: bool) -> None:
    """Check what ltbench asks of a plugin, point by point.

    NAME is that of an algorithm, a stage, a data set or anything else that is registered, with
    hyper-parameters where you like; PACKAGE is an installed distribution (or a file given with
    --plugin) and stands for all that it registers. Leaves with exit code 1 where a point fails.

    \b
    Examples:
      ltbench plugins check my-loss
      ltbench plugins check 'my-loss[smoothing=0.2]'
      ltbench plugins check my-package --json
      ltbench --plugin my_idea.py plugins check my_idea.py
    """
    from ltbench.testing.conformance import find_subjects

    found = []
    for entry, text in find_subjects(name):
        if not as_json:
            title = styled(f"{entry.kind} '{text}'", bold=True)
            click.echo(f"{title} of {entry.distribution} {entry.version}")
        found.append((entry, _results(entry, text, quiet=as_json)))
    if as_json:
        listing = [_as_dict(entry, results) for entry, results in found]
        click.echo(json_text(listing, indent=1))
    else:
        click.echo(_conclusion([result for _, results in found for result in results]))
    if any(result.status == "failed" for _, results in found for result in results):
        raise SystemExit(1)


def _results(entry: Entry, text: str, *, quiet: bool) -> list[Result]:
    """Return the results of all points, and print each as it comes."""
    import tempfile
    from pathlib import Path

    from ltbench.testing.conformance import check_entry

    results = []
    with tempfile.TemporaryDirectory() as folder:
        for result in check_entry(entry, text, Path(folder)):
            results.append(result)
            if not quiet:
                click.echo(_line(result))
    return results


def _line(result: Result) -> str:
    mark, colour = MARKS[result.status]
    line = f"  {styled(mark, fg=colour)} {result.point.sentence}"
    return f"{line}\n      {result.cause}" if result.cause else line


def _conclusion(results: list[Result]) -> str:
    numbers = {status: sum(r.status == status for r in results) for status in MARKS}
    asked = len(results) - numbers["skipped"]
    skipped = f", {numbers['skipped']} do not apply" if numbers["skipped"] else ""
    return f"{numbers['passed']} of {asked} points passed{skipped}"


def _as_dict(entry: Entry, results: list[Result]) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "points": [
            {
                "name": result.point.name,
                "sentence": result.point.sentence,
                "status": result.status,
                "cause": result.cause,
            }
            for result in results
        ],
    }
