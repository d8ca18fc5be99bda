"""Whether a run leaves its process as it found it, so that the next run there is like a first one.

What is compared is global to the process: settings (:mod:`ltbench.executors.process_settings`) and
what modules hold (:mod:`ltbench.executors.patches`). The random generators of torch, numpy and
Python are not, since every run seeds them when it begins. It takes about 15 ms.
"""

from __future__ import annotations

from ltbench.executors.patches import Patches
from ltbench.executors.process_settings import differences, read_settings
from ltbench.plugins.blame import plugin_roots
from ltbench.plugins.manager import get_plugins

_MOST = 6


class ProcessState:
    """The state of this process when it was last looked at; the first look is when it is made."""

    def __init__(self) -> None:
        plugins = plugin_roots(get_plugins())
        third = {root for root, entry in plugins.items() if entry.distribution != "ltbench"}
        self._patches = Patches(frozenset(third))
        self._settings = read_settings()

    def changes(self) -> list[str]:
        """Return what is otherwise than at the first look, a few names at most.

        Modules that came since are no change, unless a plugin put functions of its own into them.
        """
        try:
            found = differences(self._settings, read_settings()) + self._patches.changes()
        except Exception as error:
            # What was changed keeps it from being looked at.
            return [f"so much that it cannot be told ({type(error).__name__})"]
        more = len(found) - _MOST
        return found if more <= 0 else [*found[:_MOST], f"{more} more"]
