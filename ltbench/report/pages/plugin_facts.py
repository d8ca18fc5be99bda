"""What a page says of the parts of a method: whose they are, and what they say of themselves.

A row may name any plugin, and none but ltbench's is imported because it does: of others stands here
what they registered, which is known without their code.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

from ltbench.errors import LtbenchError
from ltbench.plugins.description import Description, describe_entry
from ltbench.plugins.manager import OWN, get_plugins
from ltbench.plugins.names import AT
from ltbench.plugins.registry import Entry

UNKNOWN = "not installed"
_KINDS = ("algorithms", "modifiers", "stages")


@dataclass(frozen=True)
class PartFacts:
    """One part of a method.

    Attributes:
        name: as it is registered.
        kind: ``algorithm``, ``modifier`` or ``stage``.
        entry: its registration, ``None`` where no plugin here has it.
        description: what it says of itself, ``None`` where its code is not imported.
    """

    name: str
    kind: str
    entry: Entry | None = None
    description: Description | None = None

    @property
    def code(self) -> str:
        """Return the file of its code, below the folder that it is installed in."""
        target = self.entry.target if self.entry else None
        if not isinstance(target, str):
            return ""
        return target.partition(":")[0].replace(".", "/") + ".py"

    @property
    def package(self) -> str:
        """Return the family: the package of ltbench that it is in, else the distribution."""
        if self.entry is None:
            return UNKNOWN
        if self.entry.distribution != OWN or not isinstance(self.entry.target, str):
            return self.entry.distribution
        return self.entry.target.partition(".")[0].removeprefix(f"{OWN}_")


def parts_of(algo: str) -> list[tuple[str, str]]:
    """Return kind of registry and name of each part: the algorithm, modifiers and stages."""
    parts = []
    for place, title in enumerate(algo.split("+")):
        name, *modifiers = title.split(AT)
        parts.append((_KINDS[2] if place else _KINDS[0], name))
        parts += [(_KINDS[1], modifier) for modifier in modifiers]
    return parts


@cache
def part_facts(kinds: str, name: str) -> PartFacts:
    """Return what is known of a part.

    Args:
        kinds: its registry, ``algorithms``.
        name: of the part.
    """
    registry = get_plugins()[kinds]
    kind = kinds.removesuffix("s")
    try:
        entry = registry.get(name)
        known = entry.name == name
        description = describe_entry(entry) if known and _at_hand(entry) else None
    except LtbenchError:  # nobody registers it, two do, or its code is broken
        return PartFacts(name, kind)
    return PartFacts(name, kind, entry, description) if known else PartFacts(name, kind)


@cache
def family(algo: str) -> str:
    """Return the family of a method: of its last stage, else of its last modifier, else its own."""
    parts = parts_of(algo)
    for kinds in (_KINDS[2], _KINDS[1], _KINDS[0]):
        names = [name for kind, name in parts if kind == kinds]
        if names:
            entry = _entry(kinds, names[-1])
            return PartFacts(names[-1], kinds.removesuffix("s"), entry).package
    return UNKNOWN


def summary(algo: str) -> str:
    """Return the summaries of the parts of a method, joined."""
    entries = [_entry(kinds, name) for kinds, name in parts_of(algo)]
    return "; ".join(entry.summary for entry in entries if entry and entry.summary)


def _entry(kinds: str, name: str) -> Entry | None:
    try:
        entry = get_plugins()[kinds].get(name)
    except LtbenchError:
        return None
    return entry if entry.name == name else None


def _at_hand(entry: Entry) -> bool:
    if entry.distribution == OWN or not isinstance(entry.target, str):
        return True
    return entry.target.partition(":")[0] in sys.modules
