"""Whose code raised: the installed plugin behind an error."""

from __future__ import annotations

import traceback

from ltbench.plugins.files import __name__ as files
from ltbench.plugins.manager import Plugins
from ltbench.plugins.registry import Entry


def blamed(error: BaseException, plugins: Plugins) -> str:
    """Return ``" (in tiny-mlt 1.0)"`` where a third party's code raised ``error``, else ``""``.

    That is the innermost frame in a plugin's code: what it called of torch, or of ltbench itself,
    does not count.
    """
    owners: dict[str, Entry] = {}
    for registry in plugins.registries.values():
        for entry in registry:
            owners.setdefault(_root(_module(entry)), entry)
    names = [
        str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    for name in reversed(names):
        owner = owners.get(_root(name))
        if owner is not None and _root(name) != "ltbench":
            own = owner.distribution == "ltbench"
            return "" if own else f" (in {owner.distribution} {owner.version})"
    return ""


def _module(entry: Entry) -> str:
    if isinstance(entry.target, str):
        return entry.target.partition(":")[0]
    return str(getattr(entry.target, "__module__", ""))


def _root(module: str) -> str:
    """Return the package at the top, or the file's own module for a plugin that is a file."""
    return module if module.startswith(f"{files}.") else module.partition(".")[0]
