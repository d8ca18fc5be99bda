"""What each component of an algorithm contributes: all combinations, on and off."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ltbench.api import (
    Column,
    LtbenchError,
    Name,
    Section,
    Table,
    UsageError,
    complete_hparams,
    half_width,
    load_plugin,
    most_frequent,
    section,
    suggestion,
)

METRICS = ("macro_f1_average", "macro_f1_worst", "accuracy_average", "accuracy_worst")
_MOST_COMPONENTS = 6
Settings = Mapping[str, Any]
"""Hyper-parameters, by name."""


def ablation(
    table: Table, components: Sequence[str] = (), metrics: Sequence[str] = METRICS
) -> Section:
    """Return a row for each combination of an algorithm's components, also of those not run.

    Args:
        table: the runs of one algorithm.
        components: hyper-parameters that switch a component: true or false, or a number of which 0
            is off; by default all that are true or false.
        metrics: the columns.

    Raises:
        UsageError: the runs are of several algorithms, or the components are unknown or too many.
    """
    table = table.without_tuned()
    runs = table.runs.table
    name = table.only_algorithm("an ablation")
    hparams = complete_hparams(runs)
    components = _components(name, hparams, components)
    base = _base(hparams, components)
    matching = [all(h[k] == v for k, v in base.items() if k in h) for h in hparams]
    usual = {c: most_frequent([h[c] for h in hparams if h.get(c)]) for c in components}
    states = [tuple(_state(h.get(c), usual[c]) for c in components) for h in hparams]
    done = (runs["status"] == "done").tolist()
    rows = []
    for number, state in enumerate(itertools.product((False, True), repeat=len(components)), 1):
        here = [m and s == state for m, s in zip(matching, states, strict=True)]
        finished = [h and d for h, d in zip(here, done, strict=True)]
        scores = table.runs.scores[finished].reindex(columns=list(metrics))
        row: dict[str, Any] = {"number": number, **dict(zip(components, state, strict=True))}
        row |= {"n": sum(finished), "run": _counted(runs[here]["status"])}
        for m in metrics:
            values = scores[m].dropna().to_numpy(dtype=float)
            row[m] = float(values.mean()) if len(values) else math.nan
            row[f"{m}_half_width"] = half_width(values)
        rows.append(row)
    frame = pd.DataFrame(rows)
    return section(
        f"Ablation of {name}: {table.heading}",
        frame,
        _columns(table, components, metrics),
        _notes(frame, name, table, usual, base),
        _texts(frame, table, metrics),
    )


def _components(name: str, hparams: list[dict[str, Any]], wanted: Sequence[str]) -> tuple[str, ...]:
    known = list(dict.fromkeys(key for h in hparams for key in h))
    for component in wanted:
        if component not in known:
            raise UsageError(
                f"{name} has no hyper-parameter '{component}'{suggestion(component, known)}."
            )
    found = tuple(wanted) or tuple(
        key for key in known if all(isinstance(h.get(key), bool) for h in hparams)
    )
    if not found:
        raise UsageError(
            f"{name} has no hyper-parameter that is true or false: name those of which 0 is off "
            f"with --components{suggestion('', known)}."
        )
    if len(found) > _MOST_COMPONENTS:
        raise UsageError(
            f"{len(found)} components have {2 ** len(found)} combinations: choose at most "
            f"{_MOST_COMPONENTS} with --components."
        )
    return found


def _base(hparams: list[dict[str, Any]], components: Sequence[str]) -> dict[str, Any]:
    """Return the most frequent value of every other hyper-parameter, where it has an effect."""
    others = dict.fromkeys(key for h in hparams for key in h if key not in components)
    values: dict[str, Any] = {}
    for key in others:
        values[key] = most_frequent([h[key] for h in hparams if key in h])
    return values


def _state(value: Any, usual: Any) -> bool | None:
    """Return whether a component is on; ``None`` where it is on at another than its usual value."""
    if not value:
        return False
    return True if value == usual else None


def _counted(statuses: pd.Series) -> int:
    return int(statuses.isin(["done", "failed", "diverged"]).sum())


def _texts(frame: pd.DataFrame, table: Table, metrics: Sequence[str]) -> pd.DataFrame:
    shown = frame.copy().astype(object)
    for m in metrics:
        shown[m] = [
            table.metric(m).mean(mean, width)
            for mean, width in zip(frame[m], frame[f"{m}_half_width"], strict=True)
        ]
    shown["n"] = [f"{n}/{run}" for n, run in zip(frame["n"], frame["run"], strict=True)]
    return shown


def _columns(table: Table, components: Sequence[str], metrics: Sequence[str]) -> dict[str, Column]:
    columns = {"number": Column("no.", priority=0, text=True)}
    columns |= {name: Column(name, lambda on: "✓" if on else "", 0) for name in components}
    columns["n"] = Column("k/N")
    return columns | {name: Column("\n".join(table.metric(name).head)) for name in metrics}


def _typed(name: str, on: Mapping[str, bool], usual: Mapping[str, Any], base: Settings) -> str:
    """Return an algorithm as it is typed for one combination of its components.

    Args:
        name: the algorithm with its modifiers and stages.
        on: which components are.
        usual: the value of each that is on in any run; ``None`` where it is on in none.
        base: all other hyper-parameters, of which those are typed that are not the default.
    """
    defaults = _defaults(name)
    switches: dict[str, Any] = {}
    for component, here in on.items():
        default = defaults.get(component, True)
        value = usual[component] or default or type(default)(1)
        switches[component] = value if here else type(value)(0)
    others = {
        k: v for k, v in base.items() if v is not None and (k not in defaults or defaults[k] != v)
    }
    return _with_switches(name, switches | others)


def _defaults(name: str) -> dict[str, Any]:
    """Return the defaults of an algorithm and its modifiers, as far as they are installed."""
    head, *modifiers = name.split("+", maxsplit=1)[0].split("@")
    found: dict[str, Any] = {}
    parts = [("algorithms", head, ""), *(("modifiers", one, f"{one}.") for one in modifiers)]
    for kind, one, prefix in parts:
        with contextlib.suppress(LtbenchError):
            own = load_plugin(kind, one).HParams()
            values = {key: getattr(own, key) for key in own.bounds()}
            found |= {prefix + k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    return found


def _with_switches(name: str, switches: Settings) -> str:
    """Return an algorithm with its modifiers and stages, typed with the components of each.

    A modifier's are called ``modifier.component``.
    """
    algorithm, *stages = name.split("+")
    head, *modifiers = algorithm.split("@")
    typed = []
    for owner, word in (("", head), *((modifier, modifier) for modifier in modifiers)):
        parts = [(key.rpartition("."), value) for key, value in switches.items()]
        own = {key: value for (of, _, key), value in parts if of == owner}
        typed.append(str(Name(word, own)))
    return "+".join(("@".join(typed), *stages))


def _notes(
    frame: pd.DataFrame, name: str, table: Table, usual: Settings, base: Settings
) -> list[str]:
    notes = [
        "✓: the component is on. %; ± is half the 95 % t-interval over seeds (k of N done); none "
        "where all agree, from–to in brackets where it would leave the scale."
    ]
    absent = frame[frame["run"] == 0]
    if len(absent):
        first = absent.iloc[0]
        method = _typed(name, {c: bool(first[c]) for c in usual}, usual, base)
        notes.append(
            f"{len(absent)} of {len(frame)} combinations were not run (k/N 0/0), the first by "
            f"`{table.command(method)}`."
        )
    kept = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in base.items()
    ]
    if kept:
        notes.append(f"All other hyper-parameters at {', '.join(kept)}; other runs are not shown.")
    return notes
