"""Choosing runs by what a person types: a folder, part of a hash, a label, how they stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.names import Name, format_value, parse_chains, parse_name, parse_names
from ltbench.plugins.spelling import spelled
from ltbench.plugins.text import visible
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord
from ltbench.results.untrusted import clean

_COMMA = re.compile(r",(?![^\[]*\])")  # that parts names, not the options within brackets
_HASH = re.compile(r"[0-9a-f]{4,64}")
_MOST_NAMED = 3


def find_run(text: str, out: Path, *, seed: int | None, dataset: str | None) -> Path:
    """Return the folder of the one run that is meant.

    Args:
        text: a run's folder (or a file in it), at least four digits of its hash, or its label.
        out: where runs named by hash or label are looked for.
        seed: the run's seed, where several seeds are there; that of a folder has to be the same.
        dataset: the run's data set, where several are there, with options that tell it from
            others of its name: ``pacs-mlt[unseen=photo]``; that of a folder has to be the same.

    Raises:
        UsageError: no run is meant, or more than one, or a folder's is another than is asked for.
    """
    path = Path(text)
    folder = path.parent if path.is_file() else path
    if (folder / "spec.json").is_file():
        _check_folder(folder, seed, dataset)
        return folder
    if not out.is_dir():
        raise UsageError(
            f"'{text}' is not a run's folder, and there is no folder '{out}' to look for it in: "
            "name a run's folder, or say --out RUNS"
        )
    records = [run for run in read_runs(out, scores=False) if run.status != "unreadable"]
    text = spelled(text, {run.label for run in records})
    data = _data_set(dataset, records) if dataset else None
    found = [run for run in records if _means(text, run)]
    if not found:
        near = suggestion(text, {run.label for run in records})
        raise UsageError(f"no run in '{out}' has the folder, hash or label '{text}'{near}")
    chosen = [run for run in found if seed in (None, run.seed) and _is_on(data, run)]
    if len(chosen) == 1:
        return Path(chosen[0].path)
    raise UsageError(_which(text, found, chosen))


def _check_folder(folder: Path, seed: int | None, dataset: str | None) -> None:
    """Check that the run in a folder is the one that options ask for beside it.

    Raises:
        UsageError: it is another.
    """
    for run in read_runs(folder, scores=False)[:1]:
        if run.status == "unreadable":
            return  # what cannot be known of it is shown
        if seed not in (None, run.seed):
            raise UsageError(
                f"'{folder}' is the run of seed {run.seed}, and --seed asks for {seed}: leave out "
                "one of them"
            )
        if dataset and not _is_on(_data_set(dataset, [run]), run):
            raise UsageError(
                f"'{folder}' is a run on {run.dataset}, and --dataset asks for {visible(dataset)}: "
                "leave out one of them"
            )


def _data_set(text: str, runs: Sequence[RunRecord]) -> Name:
    """Return the data set that is typed, spelled as runs have it."""
    name = parse_name(text)
    return replace(name, name=spelled(name.name, {run.dataset for run in runs}))


def _means(text: str, run: RunRecord) -> bool:
    return run.label == text or bool(_HASH.fullmatch(text) and run.hash.startswith(text))


def _is_on(data: Name | None, run: RunRecord) -> bool:
    """Return whether a run is on a data set, with the options that were typed."""
    return data is None or (
        run.dataset == data.name
        and all(_plain(run.options.get(k)) == _plain(v) for k, v in data.options.items())
    )


def _plain(value: object) -> object:
    """Return a list of one as that one, as both name the same domain."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _which(text: str, found: list[RunRecord], chosen: list[RunRecord]) -> str:
    """Return the sentence that names the choices."""
    if not chosen:
        datasets = ", ".join(sorted({run.dataset for run in found}))
        seeds = ", ".join(map(str, sorted({run.seed for run in found})))
        return f"'{text}' is there on {datasets} with the seeds {seeds} only"
    keys = dict.fromkeys(key for run in chosen for key in run.options)
    apart = [k for k in keys if len({repr(run.options.get(k)) for run in chosen}) > 1]
    lines = [f"{_typed(run, apart)} seed {run.seed} ({run.path})" for run in chosen[:_MOST_NAMED]]
    more = f" and {len(chosen) - _MOST_NAMED} more" if len(chosen) > _MOST_NAMED else ""
    return (
        f"'{text}' means {len(chosen)} runs, {'; '.join(lines)}{more}: "
        "add --seed or --dataset, or name the folder"
    )


def _typed(run: RunRecord, keys: Sequence[str]) -> str:
    """Return a run's data set with those of its options that are asked for."""
    options = {key: run.options[key] for key in keys if key in run.options}
    pairs = ",".join(f"{key}={format_value(value)}" for key, value in options.items())
    return clean(f"{run.dataset}[{pairs}]" if pairs else run.dataset)


def filter_runs(
    runs: Sequence[RunRecord],
    statuses: Collection[str],
    algos: Sequence[str] = (),
    datasets: Sequence[str] = (),
) -> list[RunRecord]:
    """Return the runs that match; no names let everything through.

    Args:
        runs: how they stand.
        statuses: those that are wanted.
        algos: comma lists of methods (``boda[weight=0.5]``) or of algorithms with their stages.
        datasets: comma lists of names of data sets.

    Raises:
        UsageError: a name is that of no run here; the message suggests what it may have meant.
    """
    labels = [label for text in algos for label in _labels(text, runs)]
    names = [name.name for text in datasets for name in parse_names(text)]
    labels = _spelled("--algo", labels, {name for run in runs for name in _names(run)})
    names = _spelled("--dataset", names, {run.dataset for run in runs})
    return [
        run
        for run in runs
        if run.status in statuses
        and (not labels or _names(run) & set(labels))
        and (not names or run.dataset in names)
    ]


def _labels(text: str, runs: Sequence[RunRecord]) -> list[str]:
    """Return the methods of a comma list, which may be labels that no command takes to train."""
    there = {run.label for run in runs}
    listed = [part.strip() for part in _COMMA.split(text)]
    if there.issuperset(listed):
        return listed
    return ["+".join(map(str, chain)) for chain in parse_chains(text)]


def parse_statuses(text: str, allowed: Sequence[str]) -> list[str]:
    """Return the statuses of a comma list, for the option ``--status``.

    Raises:
        UsageError: one of them is not allowed.
    """
    statuses = [part.strip().replace("_", "-").replace(" ", "-") for part in text.split(",")]
    for status in statuses:
        if status not in allowed:
            raise UsageError(f"--status {text}: '{status}' is none of {', '.join(allowed)}")
    return statuses


def _names(run: RunRecord) -> set[str]:
    return {run.label, run.method, run.algo}


def _spelled(option: str, wanted: Sequence[str], there: set[str]) -> list[str]:
    """Return names as the runs have them."""
    names = [spelled(name, there) for name in wanted]
    for name in names:
        if name not in there:
            raise UsageError(f"{option} {name}: no run here has it{suggestion(name, there - {''})}")
    return names
