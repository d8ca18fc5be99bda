"""A registry: the named things of one kind, loaded only when used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ltbench.errors import PluginError, UsageError, described, suggestion
from ltbench.plugins.ctrl_c import telling_ctrl_c
from ltbench.plugins.measure import Measure
from ltbench.plugins.spelling import spelled


@dataclass(frozen=True)
class Entry:
    """One registered name and where it comes from.

    Attributes:
        kind: ``algorithm``, ``modifier``, ``stage``, ``data set``, ``backbone``, ``protocol``,
            ``preset``, ``augmentation``, ``metric``, ``executor``, ``observer``, ``figure`` or
            ``table``.
        name: what a user types.
        target: ``"module:attribute"``, or the object itself.
        summary: one line.
        distribution: name of the installed distribution, or of the file, that registered it.
        version: that distribution's version, or the hash of the file's content.
        measures: of a metric, what it declares, by the base names of its values.
        every_evaluation: of a metric, whether it is computed at every evaluation of a training;
            if not, of the chosen model alone.
    """

    kind: str
    name: str
    target: Any
    summary: str
    distribution: str
    version: str
    measures: dict[str, Measure] = field(default_factory=dict)
    every_evaluation: bool = True

    def load(self) -> Any:
        """Import and return the target.

        Raises:
            PluginError: the module or the attribute cannot be had.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        with telling_ctrl_c() as is_users:
            try:
                return getattr(importlib.import_module(module), attribute)
            except BaseException as error:
                if is_users(error):
                    raise
                raise PluginError(
                    f"{self.kind} '{self.name}' of {self.distribution} {self.version} cannot be "
                    f"loaded from {self.target}: {described(error)}"
                ) from error


class Registry:
    """The entries of one kind, by name; ``ERM`` finds ``erm`` where no other is meant."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, list[Entry]] = {}

    def add(self, entry: Entry) -> None:
        """Add an entry; a second one of the same name makes the name ambiguous."""
        self._entries.setdefault(entry.name, []).append(entry)

    def __iter__(self) -> Iterator[Entry]:
        return (entry for name in sorted(self._entries) for entry in self._entries[name])

    def __contains__(self, name: str) -> bool:
        return self.spelled(name) in self._entries

    def spelled(self, name: str) -> str:
        """Return a name as it was registered; unchanged where none is meant, or several are."""
        return name if name in self._entries else spelled(name, self._entries)

    def names(self) -> list[str]:
        """Return every name, sorted."""
        return sorted(self._entries)

    def get(self, name: str) -> Entry:
        """Return the entry of ``name``, whose own name is as it was registered.

        Raises:
            UsageError: there is none; the message suggests the nearest.
            PluginError: two plugins registered it; the message names both distributions.
        """
        name = self.spelled(name)
        entries = self._entries.get(name)
        if not entries:
            raise UsageError(f"there is no {self.kind} '{name}'{suggestion(name, self._entries)}")
        if len(entries) > 1:
            raise PluginError(self.collision(name))
        return entries[0]

    def collisions(self) -> list[str]:
        """Return one sentence per ambiguous name."""
        return [self.collision(name) for name in self.names() if len(self._entries[name]) > 1]

    def collision(self, name: str) -> str:
        """Say which distributions registered ``name``."""
        owners = " and ".join(f"{e.distribution} {e.version}" for e in self._entries[name])
        return (
            f"{self.kind} '{name}' is registered twice, by {owners}: uninstall one of them, or "
            "choose what loads with LTBENCH_PLUGINS"
        )
