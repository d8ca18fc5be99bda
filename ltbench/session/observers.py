"""Who is told what happens in a sweep."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from ltbench.errors import LtbenchError, UsageError
from ltbench.plugins.blame import naming
from ltbench.plugins.manager import Plugins
from ltbench.plugins.names import parse_name, parse_names
from ltbench.plugins.observer import Observer, make_observer
from ltbench.plugins.registry import Entry
from ltbench.plugins.resolve import registered
from ltbench.printable import shows_escapes

DISPLAYS = ("bars", "lines")


class Watcher(NamedTuple):
    """An observer that was switched on, with its registration."""

    entry: Entry
    observer: Observer


def choose_watchers(plugins: Plugins, texts: Sequence[str], *, quiet: bool) -> list[Watcher]:
    """Make the observers that were named, and a display of progress if none of them is one.

    Args:
        plugins: those of this process.
        texts: comma lists of ``name[key=value,…]``.
        quiet: add no display.

    Raises:
        UsageError: a name or a setting is not possible, stands twice, or lacks its package.
        PluginError: an observer cannot be made.
    """
    typed = [name for text in texts for name in parse_names(text)]
    names = [registered(name, "observers") for name in typed]
    for name in names:
        if [other.name for other in names].count(name.name) > 1:
            raise UsageError(f"--observer {name.name} stands twice: give its settings once")
    if not quiet and not any(name.name in DISPLAYS for name in names):
        names += parse_names("bars" if shows_escapes(sys.stderr) else "lines")
    return [_make(plugins, str(name)) for name in names]


def _make(plugins: Plugins, text: str) -> Watcher:
    entry = plugins["observers"].get(parse_name(text).name)
    with naming(f"--observer {text} of {entry.distribution} {entry.version}", LtbenchError):
        return Watcher(*make_observer(plugins, text))
