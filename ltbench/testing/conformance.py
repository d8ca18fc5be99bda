"""The conformance kit: which points there are, and what came of asking them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from ltbench.errors import PluginError, UsageError, suggestion
from ltbench.plugins.manager import KINDS, Plugins, get_plugins
from ltbench.plugins.names import parse_name
from ltbench.plugins.registry import Entry
from ltbench.testing.point import FAILED, Point, Result, Subject, ask

DECISIVE = ("import", "base", "settings")
"""Points after whose failure the others would all say the same, or something misleading."""


def find_points(kind: str) -> list[Point]:
    """Return the points asked of a kind of plugin (``algorithm``, ``data set``, …), in order."""
    return [point for point in _all_points() if kind in point.kinds]


def find_subjects(text: str, plugins: Plugins | None = None) -> list[tuple[Entry, str]]:
    """Return what is to be looked at: the registrations, and how each is typed.

    Args:
        text: ``name[key=value,…]`` of a plugin of any kind, or the name of an installed
            distribution or of a plugin file, which stands for all that it registers.
        plugins: where to look; those of this process unless given.

    Raises:
        UsageError: there is neither; the message suggests the nearest.
        PluginError: two plugins registered the name, or the distribution is broken.
    """
    plugins = plugins or get_plugins()
    entries = [entry for registry in plugins.registries.values() for entry in registry]
    packages, wanted = {entry.distribution for entry in entries}, canonicalize_name(text)
    package = next((p for p in packages if canonicalize_name(p) == wanted), None)
    if package is not None:
        return [(entry, entry.name) for entry in entries if entry.distribution == package]
    for broken in plugins.broken:
        if wanted in map(canonicalize_name, (broken.distribution, broken.plugin)):
            raise PluginError(str(broken))
    word = parse_name(text).name
    found = [plugins[kinds].get(word) for kinds in KINDS if word in plugins[kinds]]
    if not found:
        known = {entry.name for entry in entries} | packages
        raise UsageError(
            f"there is no plugin and no package with plugins called '{word}'"
            f"{suggestion(word, known)}"
        )
    return [(entry, text) for entry in found]


def check_entry(entry: Entry, text: str, folder: Path) -> Iterator[Result]:
    """Yield the result of every point, as each is asked.

    Args:
        entry: the plugin.
        text: how it is typed, with hyper-parameters where others than the defaults are meant.
        folder: an empty folder for the runs.
    """
    prepare()
    subject = Subject(entry, text, folder)
    for point in find_points(entry.kind):
        result = ask(point, subject)
        yield result
        if point.name in DECISIVE and result.status == FAILED:
            return


def check_conformance(name: str, folder: Path) -> None:
    """Check everything about a registered plugin.

    Args:
        name: ``name[key=value,…]``; a stage stands on its default algorithm.
        folder: an empty folder for the runs.

    Raises:
        AssertionError: with one sentence for each point that failed.
        UsageError: there is no such plugin.
    """
    prepare()
    failed = [
        f"{result.point.name}: {result.cause}"
        for number, (entry, text) in enumerate(find_subjects(name))
        for result in check_entry(entry, text, _made(folder / str(number)))
        if result.status == FAILED
    ]
    assert not failed, "\n".join(failed)


def prepare() -> None:
    """Make the small data set known, on which the runs of the kit are done."""
    from ltbench.testing.small_data import register_small_data

    register_small_data()


def _all_points() -> Iterable[Point]:
    from ltbench.testing.points import (
        algorithm,
        augmentation,
        backbone,
        before_test,
        dataset,
        declaration,
        device,
        figure,
        honours,
        metric,
        modifier,
        observer,
        preset,
        protocol,
        table,
    )

    kinds = (
        algorithm, before_test, honours, modifier, dataset, metric, backbone, protocol, preset,
        augmentation, device, observer, figure, table,
    )  # fmt: skip
    for module in (declaration, *kinds):
        yield from module.POINTS


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
