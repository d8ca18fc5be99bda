"""The algorithms of a sweep file with their grids, draws and ablations written out as names."""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.hparams import LARGEST_WHOLE, HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import MOST_NAMES, Name, check_count, parse_chains
from ltbench.plugins.resolve import METHOD_KINDS, registered, resolve
from ltbench.session.space import Axis, find_axes
from ltbench.session.sweep_file import SweepFile
from ltbench.training.seeding import derive_seed

SEARCH = "search"
_DISTRIBUTION = ("low", "high", "log", "draws", SEARCH)
_MOST_COMPONENTS = 6  # what `ltbench tables ablation` can show
Options = dict[str, Any]


def expand_algos(algos: Sequence[str], file: SweepFile, *, own: bool) -> list[str]:
    """Return the names that the algorithms and the tables of a sweep file stand for together.

    A hyper-parameter that is typed with an algorithm keeps what was typed.

    Args:
        algos: comma lists of ``algorithm[+stage…]`` names.
        file: the sweep file.
        own: whether the algorithms stand in the file as well, which then may not speak of others.

    Raises:
        UsageError: a name, hyper-parameter, distribution or component is not possible.
    """
    chains = [
        [registered(name, "algorithms", "stages") for name in chain]
        for text in algos
        for chain in parse_chains(text)
    ]
    named = {name.name for chain in chains for part in chain for name in (part, *part.modifiers)}
    found = file.tables_of(named, own=own)
    variants = {name: _Variants(file, typed, name) for name, typed in found.items()}
    names: list[str] = []
    for chain in chains:
        parts = [_written_out(name, variants, own=own) for name in chain]
        count = len(names) + math.prod(map(len, parts))
        check_count(count, f"{file.path}: {'+'.join(map(str, chain))}")
        names += ["+".join(map(str, combination)) for combination in itertools.product(*parts)]
    return names


def _written_out(name: Name, variants: Mapping[str, _Variants], *, own: bool) -> list[Name]:
    """Return a part of a chain with every combination of what the file says of what is in it."""

    def of(one: Name) -> list[Name]:
        return variants[one.name].of(one, own=own) if one.name in variants else [one]

    modifiers = list(itertools.product(*map(of, name.modifiers)))
    return [replace(one, modifiers=found) for one in of(name) for found in modifiers]


class _Variants:
    """What the file says of one algorithm, stage or modifier: axes of options to be combined.

    Args:
        file: the sweep file.
        typed: the algorithm or stage as the file spells it.
        name: the same as it is registered.
    """

    def __init__(self, file: SweepFile, typed: str, name: str) -> None:
        self.file, self.typed, self.name = file, typed, name
        kind = next(kind for kind in METHOD_KINDS if name in get_plugins()[kind])
        self.hparams: type[HParams] = resolve(kind, name, {})[0].HParams
        self.table: Mapping[str, Any] = file.hparams.get(typed, {})
        self.components = self._components()
        for key in self.table:
            self._check_key(key)

    def of(self, name: Name, *, own: bool) -> list[Name]:
        """Return the name with every combination of what the file adds to its options."""
        for key in self.components if own else ():
            if key in name.options:
                raise self._error(
                    None,
                    f"'{name}' fixes '{key}', which the ablation switches: put its value under "
                    f"[hparams.{self.typed}]",
                )
        axes = [*self._grids(name), self._draws(name), *self._switches(name)]
        combined = []
        axes = [axis for axis in axes if axis]
        check_count(math.prod(map(len, axes)), f"{self.file.path}: {name}")
        for parts in itertools.product(*axes):
            options: Options = dict(name.options)
            for part in parts:
                options |= part
            combined.append(replace(name, options=options))
        return combined

    def _grids(self, name: Name) -> Iterable[list[Options]]:
        for key, value in self.table.items():
            if key in name.options or _is_distribution(value) or key in self.components:
                continue
            values = value if isinstance(value, list) else [value]
            if not values:
                raise self._error(key, "the list is empty")
            for one in values:
                self._check_value(key, one)
            yield [{key: one} for one in values]

    def _draws(self, name: Name) -> list[Options]:
        """Return the drawn options: one dictionary a draw, with all distributions together."""
        drawn: dict[str, list[Any]] = {}
        for key, value in self.table.items():
            if key in name.options or not _is_distribution(value):
                continue
            axis, count = self._distribution(key, {SEARCH: True} if value == SEARCH else value)
            # By name and key, so that one more hyper-parameter leaves the others' draws alone.
            seed = derive_seed(self.file.draw_seed, "sweep file", self.name, key)
            generator = np.random.default_rng(seed)
            drawn[key] = [axis.draw(generator) for _ in range(count)]
            for one in drawn[key]:
                self._check_value(key, one)
        counts = {len(values) for values in drawn.values()}
        if len(counts) > 1:
            raise self._error(
                next(iter(drawn)),
                "the distributions of one algorithm are drawn together: give all the same draws",
            )
        rows = zip(*drawn.values(), strict=True)
        return [dict(zip(drawn, row, strict=True)) for row in rows]

    def _distribution(self, key: str, table: Mapping[str, Any]) -> tuple[Axis, int]:
        for part in table:
            if part not in _DISTRIBUTION:
                raise self._error(
                    key, f"a distribution has no '{part}'{suggestion(part, _DISTRIBUTION)}"
                )
        count = table.get("draws", self.file.draws)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise self._error(key, "say how many values are drawn with draws = 8")
        if count > MOST_NAMES:
            raise self._error(key, f"draws = {count} are too many: at most {MOST_NAMES:,}")
        if table.get(SEARCH) is True:
            if "low" in table or "high" in table or "log" in table:
                raise self._error(key, "give low and high, or search = true, not both")
            axis = find_axes(self.hparams, self.name).get(key)
            if axis is None:
                raise self._error(key, f"{self.name} does not say where to search: give low, high")
            return axis, count
        low: Any = table.get("low")
        high: Any = table.get("high")
        log = table.get("log", False)
        if not (_is_number(low) and _is_number(high) and isinstance(log, bool) and low <= high):
            raise self._error(key, "a distribution is {low = 0, high = 1, log = false, draws = 8}")
        if log and low <= 0:
            raise self._error(key, "with log = true, low is above 0")
        whole = typing.get_type_hints(self.hparams)[key] is int
        if not math.isfinite(float(high) - float(low)) or (whole and high - low > LARGEST_WHOLE):
            raise self._error(key, "the interval is too wide to draw from")
        return Axis(float(low), float(high), log, whole), count

    def _components(self) -> list[str]:
        wanted = self.file.ablation.get(self.typed, [])
        kinds = typing.get_type_hints(self.hparams)
        found = [key for key in self.hparams.bounds() if kinds[key] is bool]
        if wanted is True and not found:
            raise self._error(None, "no hyper-parameter is true or false: list components")
        if wanted is not True:
            if not isinstance(wanted, list) or not all(isinstance(key, str) for key in wanted):
                raise self._error(None, 'an ablation is true, or a list like ["cb", "rb"]')
            found = list(dict.fromkeys(wanted))
        if len(found) > _MOST_COMPONENTS:
            raise self._error(
                None,
                f"{len(found)} components have {2 ** len(found)} combinations: list at most "
                f"{_MOST_COMPONENTS} of them",
            )
        for key in found:
            self._check_key(key, of_ablation=True)
        return found

    def _switches(self, name: Name) -> Iterable[list[Options]]:
        """Yield for each component its value when it is on, and what switches it off."""
        kinds = typing.get_type_hints(self.hparams)
        for key in self.components:
            if key in name.options:
                continue
            on = self.table.get(key, kinds[key] is bool or getattr(self.hparams(), key))
            if not _is_number(on) and not isinstance(on, bool):
                raise self._error(key, "a component has one value, true or a number, when it is on")
            if not on:
                raise self._error(
                    key,
                    f"'{key}' is off by default: give the value that switches it on under "
                    f"[hparams.{self.typed}]",
                )
            off = False if kinds[key] is bool else 0
            for one in (on, off):
                self._check_value(key, one)
            yield [{key: on}, {key: off}]

    def _check_key(self, key: str, *, of_ablation: bool = False) -> None:
        known = self.hparams.bounds()
        if key not in known:
            raise self._error(
                None if of_ablation else key,
                f"{self.name} has no hyper-parameter '{key}'{suggestion(key, known)}",
            )

    def _check_value(self, key: str, value: Any) -> None:
        if not isinstance(value, bool | int | float | str):
            raise self._error(key, f"'{key}' takes a value, a list or a distribution")
        try:
            self.hparams.from_options({key: value}, self.name)
        except UsageError as error:
            raise self._error(key, str(error)) from error

    def _error(self, key: str | None, message: str) -> UsageError:
        """Return what is wrong with a value of the table, or with the ablation."""
        if key in self.table:
            where = self.file.where(str(key), ("hparams", self.typed))
        else:
            where = self.file.where(self.typed, ("ablation",))
        return UsageError(f"{where}: {message}")


def _is_distribution(value: Any) -> bool:
    return isinstance(value, dict) or value == SEARCH


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
