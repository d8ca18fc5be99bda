"""A sweep that goes on over several days or machines: runs whose rows a board has are done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ltbench.results.rows import known_runs
from ltbench.session.plan import Plan


def without_rows(plan: Plan, rows: Path, say: Callable[[str], None]) -> Plan:
    """Return a plan without the runs whose rows stand in a file, and say how many they are.

    A file that is not there yet has none, which is said: it may be a name that was mistyped.

    Raises:
        UsageError: the file cannot be opened.
        DataError: it holds something else than rows.
    """
    if not rows.exists():
        say(
            f"there is no file {rows} yet, so that none of the {len(plan.specs)} runs is done by it"
        )
        return plan
    known = known_runs(rows)
    left = tuple(spec for spec in plan.specs if (spec.hash, spec.seed) not in known)
    done = len(plan.specs) - len(left)
    say(f"the rows of {done} of {len(plan.specs)} runs stand in {rows}, and these are done")
    return replace(plan, specs=left)
