"""Writes the tables of the boards' pages anew, from their rows: ``python leaderboards/pages.py``.

A page begins with what people wrote. Below the line :data:`MARK` stands what follows from the sweep
file and the rows: the command, what is missing, where the runs were made, and the tables as
``ltbench leaderboard`` prints them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from ltbench.cli.leaderboard import leaderboard
from ltbench.cli.run import run
from ltbench.report.render import markdown_text
from ltbench.results.rows import read_rows

HERE = Path(__file__).parent
MARK = "<!-- What follows is written by `python leaderboards/pages.py`. -->"
_ENVIRONMENT = ("ltbench", "code", "git", "python", "torch", "device", "threads")


def boards() -> list[Path]:
    """Return the sweep files of the boards that have rows."""
    return sorted(p for p in HERE.glob("*.toml") if p.with_suffix(".jsonl").is_file())


def written(sweep: Path) -> str:
    """Return what stands below the mark on the page of a board."""
    rows = sweep.with_suffix(".jsonl")
    found = list(read_rows(rows))
    planned = {(one["hash"], one["seed"]): one for one in planned_runs(sweep)}
    here = {(row["spec"]["hash"], row["spec"]["seed"]) for row in found}
    missing = _missing(planned, here)
    commands = f"    ltbench run leaderboards/{sweep.name}\n"
    commands += f"    ltbench leaderboard leaderboards/{rows.name} --format markdown --cost"
    parts = [
        MARK,
        f"{len(here & planned.keys())} of {len(planned)} runs are done; a line of "
        f"[{rows.name}]({rows.name}) is a run, [{sweep.name}]({sweep.name}) says which there are.",
        f"Missing: {missing}." if missing else "",
        commands,
        _environments(found),
        table(rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _missing(planned: dict[tuple[str, int], dict], here: set[tuple[str, int]]) -> str:
    """Return which planned runs have no row: the seeds, of which methods, on which data sets."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for key, one in planned.items():
        if key not in here:
            seeds.setdefault((one["label"], one["dataset"]), []).append(str(one["seed"]))
    datasets: dict[tuple[str, str], list[str]] = {}
    for (label, dataset), found in seeds.items():
        datasets.setdefault((", ".join(found), label), []).append(f"`{dataset}`")
    labels: dict[tuple[str, str], list[str]] = {}
    for (found, label), on in datasets.items():
        labels.setdefault((found, ", ".join(on)), []).append(f"`{label}`")
    everywhere = ", ".join(dict.fromkeys(f"`{one['dataset']}`" for one in planned.values()))
    return "; ".join(
        f"seeds {found} of {', '.join(of)}" + (f" on {on}" if on != everywhere else "")
        for (found, on), of in labels.items()
    )


def planned_runs(sweep: Path) -> list[dict]:
    """Return the runs that a sweep file plans, its rows not looked at."""
    folder = HERE / f".{sweep.stem}"  # with what tuning found, where the board is of that
    words = [str(sweep), "--rows", str(HERE / "none.jsonl"), "--out", str(folder)]
    words += ["--dry-run", "--json"]
    return json.loads(_printed(run, words))


def table(rows: Path) -> str:
    """Return what ``ltbench leaderboard ROWS --format markdown --cost`` prints."""
    return _printed(leaderboard, [str(rows), "--format", "markdown", "--cost"])


def _printed(command, words: list[str]) -> str:
    result = CliRunner().invoke(command, words)
    if result.exit_code:
        raise SystemExit(f"{words}: {result.output or result.exception}")
    return result.stdout


def _environments(rows: list[dict]) -> str:
    """Return the table of where and when the runs were made."""
    environments = [row["result"]["environment"] for row in rows]
    found = Counter(
        # What follows the plus is the code of the method.
        (_made(row), *(str(environment.get(n) or "").partition("+")[0] for n in _ENVIRONMENT))
        for row, environment in zip(rows, environments, strict=True)
    )
    heads = ("runs", "date, or whose", *_ENVIRONMENT)
    lines = [heads, ["---:", *["---"] * (len(heads) - 1)]]
    lines += [(str(number), *values) for values, number in sorted(found.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _made(row: dict) -> str:
    """Return the day, or of a run that was handed in by whom it was."""
    return str(row.get("date") or markdown_text(row["origin"]))


def page(sweep: Path) -> str:
    """Return the whole page of a board."""
    text = sweep.with_suffix(".md").read_text(encoding="utf-8")
    return f"{text.split(MARK)[0].rstrip()}\n\n{written(sweep)}"


def main() -> None:
    """Write the pages."""
    for sweep in boards():
        sweep.with_suffix(".md").write_text(page(sweep), encoding="utf-8")
        print(f"wrote {sweep.with_suffix('.md')}")


if __name__ == "__main__":
    main()
