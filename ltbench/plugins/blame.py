"""Whose code raised: the installed plugin behind an error."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType

from ltbench.errors import PluginError, described
from ltbench.plugins.ctrl_c import telling_ctrl_c
from ltbench.plugins.files import __name__ as files
from ltbench.plugins.manager import Plugins
from ltbench.plugins.registry import Entry


@contextlib.contextmanager
def naming(who: str, *passed: type[BaseException]) -> Iterator[None]:
    """Turn whatever a plugin raises in this block into an error that names it.

    Args:
        who: the plugin, ``metric 'accuracy' of ltbench``.
        passed: errors that go on as they are, :class:`~ltbench.errors.LtbenchError` where the
            plugin may speak to the user itself. So does the user's Ctrl-C.

    Raises:
        PluginError: with what the plugin raised.
    """
    with telling_ctrl_c() as is_users:
        try:
            yield
        except BaseException as error:
            if isinstance(error, passed) or is_users(error):
                raise
            raise PluginError(f"{who} failed: {described(error)}") from error


def blamed(error: BaseException, plugins: Plugins, *, called_by_core: bool = False) -> str:
    """Return ``" (in tiny-mlt 1.0)"`` where a third party's code raised ``error``, else ``""``.

    That is the innermost frame in a plugin's code: what it called of torch, or of ltbench itself,
    does not count.

    Args:
        error: what was raised.
        plugins: those of this process.
        called_by_core: blame only code that the core called: a command that a plugin brings may end
            the program as it likes.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return _innermost(frames, plugins, called_by_core=called_by_core)


def owner_at_work(frame: FrameType, plugins: Plugins) -> str:
    """Return the same for the third party whose code a thread carries out, by its frame."""
    frames = [outer for outer, _ in traceback.walk_stack(frame)]
    return _innermost(frames[::-1], plugins)


def _innermost(
    frames: Sequence[FrameType], plugins: Plugins, *, called_by_core: bool = False
) -> str:
    owners = plugin_roots(plugins)
    names = [str(frame.f_globals.get("__name__")) for frame in frames]
    for place, name in reversed(list(enumerate(names))):
        owner = owners.get(_root(name))
        if owner is not None and _root(name) != "ltbench":
            own = owner.distribution == "ltbench"
            if own or (called_by_core and not any(map(_is_core, names[:place]))):
                return ""
            return f" (in {owner.distribution} {owner.version})"
    return ""


def plugin_roots(plugins: Plugins) -> dict[str, Entry]:
    """Return an entry for each package, or file, that registered something."""
    owners: dict[str, Entry] = {}
    for registry in plugins.registries.values():
        for entry in registry:
            owners.setdefault(_root(_module(entry)), entry)
    return owners


def _is_core(module: str) -> bool:
    return module.startswith("ltbench.") and not module.startswith(("ltbench.cli.", f"{files}."))


def _module(entry: Entry) -> str:
    if isinstance(entry.target, str):
        return entry.target.partition(":")[0]
    return str(getattr(entry.target, "__module__", ""))


def _root(module: str) -> str:
    """Return the package at the top, or the file's own module for a plugin that is a file."""
    return module if module.startswith(f"{files}.") else module.partition(".")[0]
