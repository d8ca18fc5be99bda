"""Which runs an ensemble or a soup is made of: chosen by what was typed, put together in groups."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.text import visible
from ltbench.results.combined import Ingredient, best_first
from ltbench.results.run import RunRecord
from ltbench.results.untrusted import UnreadableRun, read_json

_MOST_NAMED = 4


@dataclass(frozen=True)
class Group:
    """Runs that are combined with one another.

    Attributes:
        ingredients: two or more, the highest validation score first.
        root: the folder of runs that what is made of them goes to.
    """

    ingredients: tuple[Ingredient, ...]
    root: Path

    @property
    def title(self) -> str:
        """What they are in a sentence."""
        first = self.ingredients[0]
        methods = dict.fromkeys(one.method for one in self.ingredients)
        return f"{_listed(list(methods))} on {first.identity['dataset']['name']}"

    def with_digests(self, digest: Callable[[Ingredient], str]) -> Group:
        """Return the group with what was taken from each run."""
        found = (replace(one, digest=digest(one)) for one in self.ingredients)
        return replace(self, ingredients=tuple(found))


def usable(
    records: Sequence[RunRecord], seeds: Sequence[int] | None
) -> tuple[list[RunRecord], list[str]]:
    """Return the runs that can be ingredients, and sentences on those that were left out.

    Args:
        records: the runs that were chosen.
        seeds: those that are wanted, or ``None`` for all.

    Raises:
        UsageError: none can, or a seed is that of none.
    """
    remarks = []
    combined = [run for run in records if run.combined]
    trained = [run for run in records if not run.combined]
    if combined and not trained:
        raise UsageError(
            f"{combined[0].path} was itself made of other runs: name the runs that were trained"
        )
    there = {run.seed for run in trained}
    if missing := sorted(set(seeds or ()) - there):
        raise UsageError(
            f"--seeds: no run here has seed {', '.join(map(str, missing))}; there is "
            f"{', '.join(map(str, sorted(there)))}"
        )
    wanted = [run for run in trained if seeds is None or run.seed in seeds]
    done = [run for run in wanted if run.status == "done"]
    if open_ := len(wanted) - len(done):
        remarks.append(f"{open_} run{'s' * (open_ > 1)} left out, as not done")
    if not done:
        raise UsageError("no run here is done, and only such can be combined; see `ltbench status`")
    return done, remarks


def read_ingredient(record: RunRecord) -> Ingredient:
    """Return a run with its documents.

    Raises:
        UsageError: they cannot be read.
    """
    folder = Path(record.path)
    try:
        spec, result = (read_json(folder / name) for name in ("spec.json", "result.json"))
    except UnreadableRun as problem:
        raise UsageError(f"{folder}: {visible(str(problem))}") from problem
    if spec is None or result is None:
        raise UsageError(f"{folder}: the run was removed meanwhile")
    return Ingredient(folder, spec, result, record.label)


def named_one_by_one(runs: Sequence[Path]) -> bool:
    """Return whether all that was typed are runs' own folders, two or more."""
    return len(runs) > 1 and all((path / "spec.json").is_file() for path in runs)


def make_groups(
    ingredients: Sequence[Ingredient],
    setting: Callable[[Ingredient], Mapping[str, Any]],
    out: Path | None,
    what: str,
    *,
    together: bool,
) -> tuple[list[Group], list[Ingredient]]:
    """Put together the runs that agree in a setting.

    Args:
        ingredients: the runs.
        setting: what runs of one group share, in words for a sentence and values.
        out: the folder that what is made goes to, by default that of the runs.
        what: is made of them, "an ensemble".
        together: all of them are meant as one group.

    Returns:
        The groups of two runs or more, and the runs that are alone.

    Raises:
        UsageError: runs that are meant as one group differ in the setting, or lie in several
            folders of runs with nothing said of where the result goes.
    """
    by_setting: dict[str, list[Ingredient]] = {}
    for one in ingredients:
        key = json.dumps(setting(one), sort_keys=True, default=str)
        by_setting.setdefault(key, []).append(one)
    if together and len(by_setting) > 1:
        first, other, *_ = (found[0] for found in by_setting.values())
        raise UsageError(_apart(first, other, setting, what))
    groups = [best_first(found) for found in by_setting.values() if len(found) > 1]
    alone = [found[0] for found in by_setting.values() if len(found) == 1]
    return [Group(tuple(found), out or _root(found)) for found in groups], alone


def _apart(
    first: Ingredient,
    other: Ingredient,
    setting: Callable[[Ingredient], Mapping[str, Any]],
    what: str,
) -> str:
    """Return the sentence that two runs cannot be combined."""
    one, two = setting(first), setting(other)
    differing = [name for name in one if one[name] != two[name]]
    return (
        f"{first.title} and {other.title} make no {what}, as they differ in "
        f"{_listed(differing)}: choose runs that agree, with --algo, --dataset and --protocol"
    )


def _root(ingredients: Sequence[Ingredient]) -> Path:
    """Return the folder of runs that all of these lie in.

    Raises:
        UsageError: there is no such one folder.
    """
    roots = set()
    for one in ingredients:
        folder = Path(os.path.abspath(one.folder))
        above = list(folder.parents)
        expected = Path(str(one.identity["dataset"]["name"])) / one.place
        ours = len(above) > 3 and folder == above[3] / expected
        roots.add(above[3] if ours else None)
    root = roots.pop()
    if roots or root is None:
        raise UsageError(
            "the runs lie in several folders of runs, or in none that ltbench made: --out names "
            "the folder that what is made of them goes to"
        )
    return root


def _listed(words: Sequence[str]) -> str:
    if len(words) > _MOST_NAMED:
        return f"{', '.join(words[:_MOST_NAMED])} and {len(words) - _MOST_NAMED} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
