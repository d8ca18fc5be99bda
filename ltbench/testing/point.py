"""A point of the conformance kit: one thing that a plugin must do, with how to find out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ltbench.errors import LtbenchError, described
from ltbench.plugins.registry import Entry

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

T = TypeVar("T")


class NotApplicable(Exception):
    """Raised by a point that cannot be asked of a plugin here; the message says why."""


@dataclass(frozen=True)
class Subject:
    """The plugin that is looked at.

    Attributes:
        entry: its registration.
        text: how a user typed it, ``name[key=value,…]``.
        folder: an empty folder for what the points write.
        memory: what points found that others need too, by name.
    """

    entry: Entry
    text: str
    folder: Path
    memory: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, find: Callable[[], T]) -> T:
        """Return what ``find`` returned when it was first asked for under ``name``."""
        if name not in self.memory:
            self.memory[name] = find()
        found: T = self.memory[name]
        return found


Check = Callable[[Subject], None]


@dataclass(frozen=True)
class Point:
    """One thing that a plugin must do.

    Attributes:
        name: short, for the name of a test.
        sentence: what is true of a plugin that passes.
        kinds: of plugins that it is asked of (``algorithm``, ``data set``, …).
        check: raises ``AssertionError`` with a sentence, or whatever the plugin raises.
    """

    name: str
    sentence: str
    kinds: tuple[str, ...]
    check: Check


@dataclass(frozen=True)
class Result:
    """What came of one point.

    Attributes:
        point: which.
        status: ``passed``, ``failed`` or ``skipped``.
        cause: one sentence, unless it passed.
    """

    point: Point
    status: str
    cause: str = ""


class Points(list[Point]):
    """The points of one file, in the order in which they are asked."""

    def add(self, name: str, sentence: str, *kinds: str) -> Callable[[Check], Check]:
        """Return a decorator that makes a check a point."""

        def register(check: Check) -> Check:
            self.append(Point(name, sentence, kinds, check))
            return check

        return register


def ask(point: Point, subject: Subject) -> Result:
    """Ask one point of a plugin; whatever the plugin raises is a failure, never an error."""
    try:
        point.check(subject)
    except NotApplicable as reason:
        return Result(point, SKIPPED, str(reason))
    except (AssertionError, LtbenchError) as error:
        return Result(point, FAILED, str(error) or type(error).__name__)
    except (Exception, SystemExit) as error:
        return Result(point, FAILED, described(error))
    return Result(point, PASSED)
