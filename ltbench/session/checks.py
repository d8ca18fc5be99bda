"""What ``ltbench doctor`` finds: one thing each, how it is, and what to do about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

OK, WARN, BAD = "ok", "warn", "bad"
STATES = (OK, WARN, BAD)
"""How a thing can be, the best first: a warning costs time or results, and bad does not work."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it is, in a word or two.
        state: one of :data:`STATES`.
        found: what was found.
        to_do: what to type or change; nothing where all is well.
    """

    name: str
    state: str
    found: str
    to_do: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return what ``--json`` prints of it."""
        return asdict(self)

    def without_home(self) -> Check:
        """Return it with ``~`` for the user's home folder: a name is nobody's business."""
        return replace(self, found=without_home(self.found), to_do=without_home(self.to_do))


def worst(checks: Iterable[Check]) -> str:
    """Return the worst state of some checks; ``ok`` of none."""
    return max((check.state for check in checks), key=STATES.index, default=OK)


def without_home(text: str) -> str:
    """Return a text with ``~`` in the place of the user's home folder."""
    home = os.path.expanduser("~")
    for path in {home, os.path.realpath(home)} - {"~", "/", ""}:
        text = re.sub(rf"(?<![\w.~-]){re.escape(path)}(?![\w.-])", "~", text)
    return text
