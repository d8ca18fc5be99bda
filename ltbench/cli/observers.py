"""``--observer``: who is told what happens in a sweep."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ltbench.errors import LtbenchError, PluginError, UsageError

if TYPE_CHECKING:
    from ltbench.plugins.manager import Plugins
    from ltbench.plugins.observer import Observer
    from ltbench.plugins.registry import Entry

DISPLAYS = ("bars", "lines")

observer_option = click.option(
    "--observer",
    "observers",
    multiple=True,
    metavar="NAMES",
    help="Who is told what happens, comma-separated or repeated: csv, tensorboard, "
    "wandb[project=moths].  [default: bars in a terminal, else lines]",
)


@dataclass(frozen=True)
class Watcher:
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
    from ltbench.plugins.names import parse_names

    names = [name for text in texts for name in parse_names(text)]
    for name in names:
        if [other.name for other in names].count(name.name) > 1:
            raise UsageError(f"--observer {name.name} stands twice: give its settings once")
    if not quiet and not any(name.name in DISPLAYS for name in names):
        names += parse_names("bars" if sys.stderr.isatty() else "lines")
    return [_make(plugins, str(name)) for name in names]


@contextlib.contextmanager
def watching(plugins: Plugins, watchers: Sequence[Watcher]) -> Iterator[None]:
    """Have the observers told of everything, for as long as the context lasts."""
    with contextlib.ExitStack() as stack:
        for watcher in watchers:
            entry = watcher.entry
            name = f"--observer {entry.name}"
            stack.enter_context(
                plugins.observing(name, watcher.observer, entry.distribution, entry.version)
            )
        yield


def _make(plugins: Plugins, text: str) -> Watcher:
    from ltbench.plugins.observer import make_observer

    try:
        return Watcher(*make_observer(plugins, text))
    except LtbenchError:
        raise
    except Exception as error:
        entry = plugins["observers"].get(text.partition("[")[0])
        raise PluginError(
            f"--observer {text} of {entry.distribution} {entry.version} cannot be made: "
            f"{type(error).__name__}: {error}"
        ) from error
