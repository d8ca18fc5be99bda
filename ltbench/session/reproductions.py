"""Tables and figures of publications: which runs they are made of, and by which commands.

They are read from the TOML files of ``ltbench/reproduction/``. What is trained is told in options
of ``ltbench run``, what is shown in commands of ``ltbench``, so that whatever is reproduced can be
typed by hand as well.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.names import parse_chains, parse_names
from ltbench.plugins.toml import load_toml
from ltbench.results.protocol import protocol_settings
from ltbench.session.presets import option_words

SOURCES = "sources.toml"
Options = Mapping[str, Any]
_OF_PROTOCOL = frozenset(setting.replace("_", "-") for setting in protocol_settings())


@dataclass(frozen=True)
class Source:
    """A publication.

    Attributes:
        title: what it is called here.
        cite: authors, journal, year.
        differs: what is not as published, of everything that is trained for it.
    """

    title: str
    cite: str
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reproduction:
    """A table or figure of a publication.

    Attributes:
        name: ``<source>-<table or figure>``.
        title: what it shows.
        source: where it was published.
        experiment: whose runs it is made of; those of one experiment lie in one folder.
        full: options of ``ltbench run`` by name without dashes, as published.
        mini: the same on embedded data. What needs no runs has a ``dataset`` and no ``algo``.
        ends: commands without ``ltbench`` that show it, with ``{runs}``, ``{dataset}``,
            ``{backbone}`` and ``{file}`` in them.
        differs: what is not as published.
        less: what the mini leaves out, beside what its options say.
        nothing: why there is nothing to reproduce, or empty.
        published: ``full`` as it is in the file, whatever was typed.
    """

    name: str
    title: str
    source: Source
    experiment: str
    full: Options
    mini: Options
    ends: tuple[str, ...]
    differs: tuple[str, ...]
    less: str
    nothing: str
    published: Options = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """What it shows, and why it cannot be reproduced where that is so."""
        return f"{self.title}: {self.nothing}" if self.nothing else self.title

    @property
    def trains(self) -> bool:
        """Whether it is made of runs, and not of a data set's counts alone."""
        return "algo" in self.full

    def options(self, mini: bool) -> Options:
        """Return the options of ``ltbench run``, as published or on embedded data."""
        return self.mini if mini else self.full

    def typed(self, options: Options) -> Reproduction:
        """Return the same with options that the user typed, which win where anything is trained."""
        if not self.trains:
            return self
        return replace(self, full={**self.full, **options}, mini={**self.mini, **options})

    def runs(self, mini: bool) -> int:
        """Return how many runs it is made of."""
        options = self.options(mini)
        if not self.trains:
            return 0
        chains = sum(len(parse_chains(text)) for text in _listed(options["algo"]))
        datasets = sum(len(parse_names(text)) for text in _listed(options["dataset"]))
        return chains * datasets * _seeds(options["seeds"])

    def folder(self, out: Path, mini: bool) -> Path:
        """Return the folder of its runs below ``out``."""
        return out / f"{self.experiment}{'-mini' * mini}"

    def run_words(self, out: Path, mini: bool) -> list[str]:
        """Return the command that trains, without ``ltbench``; nothing where nothing is trained."""
        options = self.options(mini)
        if not self.trains:
            return []
        words = ["run"]
        for key, value in options.items():
            words += option_words(f"--{key}", value)
        return [*words, "--out", str(self.folder(out, mini))]

    def end_words(self, out: Path, mini: bool) -> list[list[str]]:
        """Return the commands that show it, without ``ltbench``, one data set after another."""
        options = self.options(mini)
        texts = _listed(options.get("dataset", []))
        datasets = list(dict.fromkeys(name.name for text in texts for name in parse_names(text)))
        found: dict[tuple[str, ...], list[str]] = {}
        for dataset in datasets:
            file = out / f"{self.name}{'-mini' * mini}{f'-{dataset}' * (len(datasets) > 1)}"
            values = {
                "{runs}": str(self.folder(out, mini)),
                "{dataset}": dataset,
                "{backbone}": str(options.get("backbone", "")),
                "{file}": str(file),
            }
            for end in self.ends:
                words = [_filled(word, values) for word in shlex.split(end)]
                found.setdefault(tuple(words), words)
        return list(found.values())

    def what_differs(self, mini: bool) -> list[str]:
        """Return in sentences what is not as published: first what was chosen otherwise."""
        of_runs = self.source.differs if self.trains else ()
        less = (self.less,) if mini and self.less else ()
        return [*self._chosen(mini), *less, *of_runs, *self.differs]

    def _chosen(self, mini: bool) -> Iterator[str]:
        """Yield the options that are others than those of the publication."""
        for key, value in self.options(mini).items():
            before = self.published.get(key)
            if key != "algo" and str(before) != str(value):
                default = "the protocol's own" if key in _OF_PROTOCOL else "the default"
                yield f"{key}: {_spoken(value)} in place of {_spoken(before or default)}."


def find_reproduction(name: str) -> Reproduction:
    """Return what is to be reproduced.

    Raises:
        UsageError: no table or figure has this name; the nearest is suggested.
    """
    known = {one.name: one for one in reproductions()}
    if name.lower() not in known:
        near = suggestion(name, known)
        raise UsageError(
            f"there is no table or figure '{name}' to reproduce{near}: `ltbench reproduce --list` "
            "names all"
        )
    return known[name.lower()]


def reproductions() -> list[Reproduction]:
    """Return every table and figure, in the order of the publications."""
    sources = {key: _source(value) for key, value in _document(SOURCES).items()}
    folder = resources.files("ltbench.reproduction")
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".toml"))
    files = [_Experiment(name, sources) for name in names if name != SOURCES]
    found = [one for file in files for one in file.shown()]
    order = list(sources.values())
    return sorted(found, key=lambda one: (order.index(one.source), _in_print(one.name)))


@dataclass(frozen=True)
class _Experiment:
    """A file: options of one ``ltbench run``, and what is made of its runs."""

    file: str
    sources: Mapping[str, Source]

    @cached_property
    def _content(self) -> dict[str, Any]:
        return _document(self.file)

    def shown(self) -> Iterator[Reproduction]:
        for entry in self._content["shows"]:
            names = entry["name"]
            for name in [names] if isinstance(names, str) else names:
                yield self._one(name, entry)

    def _one(self, name: str, entry: Options) -> Reproduction:
        content = self._content
        end = entry.get("end", [])
        full = {**content.get("run", {}), **entry.get("run", {})}
        return Reproduction(
            name,
            entry["title"],
            self.sources[content["source"]],
            self.file.removesuffix(".toml"),
            full,
            {**full, **content.get("mini", {}), **entry.get("mini", {})},
            tuple(content["ends"][end] if isinstance(end, str) else end),
            (*content.get("differs", ()), *entry.get("differs", ())),
            entry.get("less", content.get("less", "")),
            entry.get("nothing", ""),
            full,
        )


def _document(name: str) -> dict[str, Any]:
    path = resources.files("ltbench.reproduction") / name
    return load_toml(path.read_text(encoding="utf-8"))


def _source(entry: Options) -> Source:
    return Source(entry["title"], entry["cite"], tuple(entry["differs"]))


def _in_print(name: str) -> tuple[bool, bool, list[int]]:
    """Return what sorts tables before figures, 9 before 10, and chapters before appendices."""
    letters = re.sub(r"\d+", "", name)
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    return "fig" in letters, letters.endswith("a"), numbers


def _filled(word: str, values: Mapping[str, str]) -> str:
    for place, value in values.items():
        word = word.replace(place, value)
    return word


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _spoken(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _seeds(value: Any) -> int:
    """Return how many seeds are meant by ``5``, ``"5"`` or ``"0,3,7"``."""
    text = str(value)
    return len(text.removesuffix(",").split(",")) if "," in text else int(text)
