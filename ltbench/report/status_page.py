"""What ``ltbench status`` says, as text for people and as a document for programs."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import Any

from ltbench.command_start import command_words
from ltbench.report.dataset_labels import dataset_labels
from ltbench.report.plain import duration, shown_path
from ltbench.report.terminal import WIDTH, table, terminal_width, wrapped
from ltbench.results.forecast import rate, seconds_left
from ltbench.results.run import RunRecord
from ltbench.results.states import STATUSES, Overview
from ltbench.results.sweeps import SweepRecord

_MOST_LINES = 30
_MOST_NAMED = 3


def as_document(overview: Overview, folders: Sequence[Path], now: float) -> dict[str, Any]:
    """Return everything that is known, for ``--json``.

    Args:
        overview: of the runs.
        folders: that were asked for.
        now: seconds since 1970.
    """
    groups = _groups(overview.runs)
    return {
        "folders": [str(folder) for folder in folders],
        "total": len(overview.runs),
        "counts": _counts(overview.runs),
        "rate_per_minute": rate(overview, now),
        "eta_s": seconds_left(overview),
        "groups": [
            {"dataset": dataset, "label": label, "counts": _counts(runs)}
            for (dataset, label), runs in groups.items()
        ],
        "runs": [_run_document(run) for run in overview.runs],
        "sweeps": [
            {
                "command": list(sweep.command),
                "active": sweep in overview.active,
                "runs": len(sweep.runs),
                "slots": sweep.slots,
                "host": sweep.process.host,
                "pid": sweep.process.pid,
                "started": sweep.started,
            }
            for sweep in overview.sweeps
        ],
    }


def as_text(
    overview: Overview, folders: Sequence[Path], now: float, *, everything: bool = False
) -> str:
    """Return the page for people.

    Args:
        overview: of the runs.
        folders: that were asked for.
        now: seconds since 1970.
        everything: leave no line out, however many there are.
    """
    names = ", ".join(map(str, folders))
    if not overview.runs:
        return f"There are no runs in {names}, and none are planned."
    most = len(overview.runs) if everything else _MOST_LINES
    by_state: dict[str, list[RunRecord]] = defaultdict(list)
    for run in overview.runs:
        by_state[run.status].append(run)
    parts = [
        [_summary(overview, names), *_speed(overview, now)],
        _table(overview.runs, most),
        _section("Running", map(_standing, by_state["running"]), most),
        *(_reasons(state, by_state[state], most) for state in ("failed", "diverged", "unreadable")),
        _going_on(by_state, folders, most),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _summary(overview: Overview, names: str) -> str:
    counts = _counts(overview.runs)
    total = len(overview.runs)
    words = [f"{counts['done']:,} of {total:,} runs done"]
    words += [f"{counts[state]:,} {_word(state)}" for state in STATUSES[1:] if counts[state]]
    return _fit(f"{names}: {', '.join(words)}")


def _speed(overview: Overview, now: float) -> list[str]:
    """Return the line about the rate and the time left, where something is at work."""
    if not overview.active and not any(run.status == "running" for run in overview.runs):
        return []
    per_minute, left = rate(overview, now), seconds_left(overview)
    speed = "?" if per_minute is None else f"{per_minute:.3g}"
    return [f"{speed} done a minute, {'?' if left is None else 'about ' + duration(left)} left"]


def _table(runs: Sequence[RunRecord], most: int) -> list[str]:
    """Return a line for each data set and algorithm; those all done give way if there are many."""
    statuses = [status for status in STATUSES if any(run.status == status for run in runs)]
    by_name = _groups(runs, _dataset_names(runs))
    groups = [(key, _counts(found), len(found)) for key, found in by_name.items()]
    shown = groups
    if len(groups) > most:
        shown = [group for group in groups if group[1]["done"] < group[2]][:most]
    rows = [
        [
            "data set",
            "algorithm",
            "runs",
            *(_word(status).replace(" ", "\n") for status in statuses),
        ]
    ]
    rows += [
        [dataset, label, str(total), *(str(counts[status] or "·") for status in statuses)]
        for (dataset, label), counts, total in shown
    ]
    hidden = groups if len(groups) > most else []
    done = sum(counts["done"] == total for _, counts, total in hidden)
    others = len(hidden) - done - (len(shown) if hidden else 0)
    # What did not end well stays to the last where a terminal is narrow.
    urgency = {"done": 3, "waiting": 2}
    priority = (0, 0, 4, *(urgency.get(status, 1) for status in statuses))
    lines = [_table_text(rows, priority)] if shown else []
    if hidden:
        words = [f"{done:,} all done"] if done else []
        words += [f"{others:,} not"] if others else []
        lines.append(f"and {' and '.join(words)} (--all shows every data set and algorithm)")
    return lines


def _table_text(rows: Sequence[Sequence[str]], priority: Sequence[int]) -> str:
    head, *body = rows
    align = "ll" + "r" * (len(head) - 2)
    return table(head, body, align=align, priority=priority, elsewhere="--json has them")


def _standing(run: RunRecord) -> str:
    """Return how far a run is."""
    progress, words = run.progress, []
    if progress is None:
        words.append("no evaluation yet")
    else:
        of = "" if progress.share is None else f" ({progress.share:.0%} of {run.steps} steps)"
        words.append(f"{progress.stage} step {progress.step}{of}")
        metric = _metric(run)
        if metric in progress.val:
            words.append(f"val {metric} {progress.val[metric]:.3f}")
    return f"{_name(run)}: {', '.join([*words, str(run.holder)])}"


def _metric(run: RunRecord) -> str:
    from ltbench.results.protocol import SELECTION

    return SELECTION.get(run.select, "")


def _reasons(state: str, runs: Sequence[RunRecord], most: int) -> list[str]:
    """Return why runs ended so; equal reasons in one line, the most frequent first."""
    by_reason: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        by_reason[run.reason].append(run)
    lines = []
    for reason, same in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        name = _path if state == "unreadable" else _name
        lines.append(f"{_plural(len(same))}: {reason or 'no reason was left'}")
        lines.append(f"  {_list(same, name)}")
    return _section(_word(state).capitalize(), lines, 2 * most)


def _going_on(
    by_state: dict[str, list[RunRecord]], folders: Sequence[Path], most: int
) -> list[str]:
    """Return what to type so that runs go on which nobody is at work on."""
    retry = shlex.join([*command_words(), "retry", *map(str, folders)])
    lines = []
    idle = [run for run in by_state["waiting"] if not run.expected]
    for words, runs, without in (
        ("broken off", by_state["broken-off"], f"{retry} --status broken-off"),
        ("waiting, and no command is at work on them", idle, ""),
    ):
        commands = Counter(_command(run.sweep) or without for run in runs)
        for command, count in commands.most_common(most):
            how = f"; go on with\n  {command}" if command else ""
            lines.append(f"{_plural(count)} {words}{how}")
    if by_state["failed"] or by_state["diverged"]:
        lines.append(f"To run again what failed or diverged:\n  {retry}")
    return lines


def _command(sweep: SweepRecord | None) -> str:
    """Return the command that goes on with a run; one of ours, as records may come from anywhere.

    ``retry`` picks runs by how they ended, so it would pass over one that it left half-done.
    """
    words = sweep.command if sweep else ()
    if len(words) < 2 or words[0] != "ltbench" or "retry" in words[:3]:
        return ""
    return shlex.join(words)


def _section(title: str, lines: Iterable[str], most: int) -> list[str]:
    found = list(lines)
    more = [f"  and {len(found) - most} lines more (--all shows them)"] if len(found) > most else []
    lines = [indent(_fit(line, 2), "  ") for line in found[:most]]
    return [title, *lines, *more] if found else []


def _fit(text: str, margin: int = 0) -> str:
    """Return a line as it is, for files and pipes, or in lines that a narrow terminal holds."""
    width = terminal_width()
    return text if width >= WIDTH else wrapped(text, width - margin)


def _list(runs: Sequence[RunRecord], name: Callable[[RunRecord], str]) -> str:
    more = f" and {len(runs) - _MOST_NAMED} more" if len(runs) > _MOST_NAMED else ""
    return "; ".join(map(name, runs[:_MOST_NAMED])) + more


def _run_document(run: RunRecord) -> dict[str, Any]:
    progress = asdict(run.progress) if run.progress else None
    holder = asdict(run.holder) if run.holder else None
    command = list(run.sweep.command) if run.sweep else None
    return {
        "folder": run.path, "state": run.status, "label": run.label, "dataset": run.dataset,
        "algo": run.algo, "seed": run.seed, "hash": run.hash or None, "reason": run.reason or None,
        "steps": run.steps or None, "estimate_s": run.estimate, "progress": progress,
        "holder": holder, "expected": run.expected, "command": command,
    }  # fmt: skip


def _groups(
    runs: Iterable[RunRecord], names: Mapping[str, str] | None = None
) -> dict[tuple[str, str], list[RunRecord]]:
    """Return the runs of each data set and method, data sets named by path in ``names``."""
    groups: dict[tuple[str, str], list[RunRecord]] = defaultdict(list)
    for run in runs:
        dataset = (names or {}).get(run.path, run.dataset)
        groups[dataset or "?", run.label or "?"].append(run)
    return dict(sorted(groups.items()))


def _dataset_names(runs: Iterable[RunRecord]) -> dict[str, str]:
    """Return the data set of each run with what its options say, by the run's path.

    A run that only waits has no folder that would tell its options; where all others of its data
    set agree, it is one of theirs.
    """
    known = [run for run in runs if run.options]
    labels = dataset_labels([(run.dataset, run.options) for run in known])
    found = {run.path: label for run, label in zip(known, labels, strict=True)}
    by_name: dict[str, set[str]] = defaultdict(set)
    for run in known:
        by_name[run.dataset].add(found[run.path])
    alone = {name: next(iter(labels)) for name, labels in by_name.items() if len(labels) == 1}
    return {run.path: alone.get(run.dataset, run.dataset) for run in runs} | found


def _counts(runs: Iterable[RunRecord]) -> dict[str, int]:
    counts = Counter(run.status for run in runs)
    return {state: counts[state] for state in STATUSES}


def _plural(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"


def _word(state: str) -> str:
    return state.replace("-", " ")


def _name(run: RunRecord) -> str:
    return f"{run.label} on {run.dataset} seed {run.seed}"


def _path(run: RunRecord) -> str:
    return shown_path(run.path)
