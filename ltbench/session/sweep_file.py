"""A sweep file: the options of ``ltbench run`` in TOML, with grids, distributions and ablations.

::

    algo = ["erm", "boda+crt", "brl"]
    dataset = "digits-mini-mlt"
    seeds = 5

    [hparams.brl]
    alpha = {low = 1e-3, high = 1, log = true, draws = 8}

Its keys are the options of the command, which win over it; see ``docs/sweeps.md``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.spelling import spelled
from ltbench.plugins.text import check_printable, check_typed, visible
from ltbench.plugins.toml import load_toml

_KEY = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]\s*(?:#.*)?")
_SETTING = re.compile(rf"\s*({_DOTTED})\s*=")
_LARGEST = 2**20  # bytes; what is larger was written by a program, and not for people
TABLES = ("hparams", "ablation")
DRAWS = ("draws", "draw-seed")


@dataclass(frozen=True)
class SweepFile:
    """What stands in a sweep file.

    Attributes:
        options: values of the command's options, by name without dashes before it.
        hparams: for each algorithm or stage, its hyper-parameters: a value, a list, or a table that
            describes a distribution.
        ablation: for each algorithm or stage, the components to switch, or ``True`` for all.
        draws: values drawn from a distribution that does not say how many.
        draw_seed: seeds the draws.
    """

    path: Path
    text: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    hparams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ablation: Mapping[str, Any] = field(default_factory=dict)
    draws: int | None = None
    draw_seed: int = 0

    def where(self, key: str, table: Sequence[str] = ()) -> str:
        """Return the file and, where it can be told, the line on which ``key`` is set.

        Args:
            key: which is set.
            table: the names that lead to the table in which it is, ``("hparams", "brl")``; none for
                whatever stands first.
        """
        number = self._line_in(table, key) if table else self._first_line(key)
        return f"{self.path}, line {number}" if number else str(self.path)

    def _first_line(self, key: str) -> int | None:
        name = rf"[\"']?{re.escape(key)}[\"']?"
        pattern = re.compile(rf"^\s*(?:{name}\s*[.=]|\[(?:\w+\.)?{name}\s*[.\]])")
        lines = enumerate(self.text.splitlines(), 1)
        return next((number for number, line in lines if pattern.match(line)), None)

    def _line_in(self, table: Sequence[str], key: str) -> int | None:
        """Return the line that sets a key of a table, be it under a header, dotted or inline."""
        wanted = [*table, key]
        header: list[str] = []
        inline = None
        for number, line in enumerate(self.text.splitlines(), 1):
            if found := _HEADER.fullmatch(line):
                header = path = _keys(found[1])
            elif found := _SETTING.match(line):
                path = [*header, *_keys(found[1])]
            else:
                continue
            if path[: len(wanted)] == wanted:
                return number
            within = path != header and path == wanted[: len(path)]
            if within and key in _keys(line[found.end() :]):
                inline = number
        return inline

    def tables_of(self, named: Collection[str], *, own: bool) -> dict[str, str]:
        """Return how the file spells those algorithms and stages that it has tables for.

        Args:
            named: algorithms and stages that are to be run, as they are registered.
            own: whether these stand in the file as well, which then may not speak of others.

        Raises:
            UsageError: a table is about none of them, or two are about one.
        """
        found: dict[str, str] = {}
        for name in dict.fromkeys([*self.hparams, *self.ablation]):
            meant = spelled(name, named)
            where = self.where(name, ("hparams" if name in self.hparams else "ablation",))
            if meant in found:
                twice = f"'{found[meant]}' and '{name}'"
                raise UsageError(f"{where}: {twice} are the same: use one spelling")
            if meant in named:
                found[meant] = name
            elif own:
                near = suggestion(name, named)
                raise UsageError(f"{where}: '{name}' is none of the algorithms{near}")
        return found


def read_sweep_file(path: Path, options: Iterable[str]) -> SweepFile:
    """Read and check a sweep file.

    Args:
        path: the file.
        options: names of the options that may stand in it, as typed without the dashes before.

    Raises:
        UsageError: it cannot be read, is not TOML, or holds what is unknown; the message names the
            file and the line.
    """
    try:
        text = _read(path)
        document = load_toml(text)
    except FileNotFoundError:
        raise UsageError(
            f"there is no sweep file '{path}': name a TOML file, or what to run with --algo and "
            "--dataset"
        ) from None
    except OSError as error:
        raise UsageError(f"sweep file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"sweep file {path} is not TOML: {error}") from error
    where = SweepFile(path, text).where
    for key, value in document.items():
        check = check_typed if key in _NAMES else check_printable
        _check_contents(value, f"{where(key)}: '{visible(key)}'", check)
    known = {*options, *TABLES, *DRAWS}
    given: dict[str, Any] = {}
    for key, value in document.items():
        name = key.replace("_", "-")
        if name not in known:
            near = suggestion(name, known)
            raise UsageError(f"{where(key)}: there is no option '{visible(key)}'{near}")
        if name in given:
            raise UsageError(f"{where(key)}: '{name}' stands twice, with '-' and with '_'")
        given[name] = value
    best = {"hparams": given.pop("hparams")} if isinstance(given.get("hparams"), str) else {}
    tables = {name: given.pop(name, {}) for name in TABLES}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{where(name)}: '{name}' is a table, [{_HEAD[name]}] above its keys")
    for name, table in tables["hparams"].items():
        if not isinstance(table, dict):
            at = where(name, ("hparams",))
            raise UsageError(f"{at}: 'hparams.{name}' is a table, [hparams.{name}]")
    draws = _whole(given.pop("draws", None), 1, f"{where('draws')}: draws")
    seed = _whole(given.pop("draw-seed", 0), 0, f"{where('draw-seed')}: draw-seed") or 0
    return SweepFile(path, text, given | best, **tables, draws=draws, draw_seed=seed)


def _keys(dotted: str) -> list[str]:
    return [key if key[0] not in "\"'" else key[1:-1] for key in re.findall(_KEY, dotted)]


def _read(path: Path) -> str:
    """Return the text of a file, or of a pipe that a shell puts in its place.

    One whose other end nobody holds is empty, and one that does not end is cut.

    Raises:
        UsageError: it is too large.
        OSError: it cannot be read.
        ValueError: it is not UTF-8.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE)) as file:
        if _AT_ONCE:
            os.set_blocking(file.fileno(), True)
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UsageError(f"sweep file {path} is larger than {_LARGEST // 2**20} MB")
    return content.decode()


def _check_contents(value: Any, where: str, check: Callable[[str, str], None]) -> None:
    """Check every text of a file, wherever it stands.

    Raises:
        UsageError: it is not printable.
    """
    if isinstance(value, str):
        check(value, where)
    elif isinstance(value, list | dict):
        for key in value if isinstance(value, dict) else ():
            check_printable(key, where)
        for item in value.values() if isinstance(value, dict) else value:
            _check_contents(item, where, check)


_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer would be waited for
_NAMES = ("algo", "dataset", "observer", "executor", "protocol")  # which may go over several lines
_HEAD = {"hparams": "hparams.NAME", "ablation": "ablation"}


def _whole(value: Any, least: int, where: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least):
        return value
    raise UsageError(f"{where} = {value!r} is not a whole number from {least}")
