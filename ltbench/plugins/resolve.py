"""From a name with options to the plugin and its hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltbench.plugins.manager import get_plugins


def resolve(kinds: str, name: str, options: Mapping[str, Any]) -> tuple[Any, Any]:
    """Import a plugin and check the options that are given for it.

    Args:
        kinds: its registry, ``algorithms`` for example.
        name: as registered.
        options: of its hyper-parameters, those that are not the defaults or all of them.

    Returns:
        The plugin, and an instance of its ``HParams``.

    Raises:
        UsageError: it does not exist, or an option is not possible.
        PluginError: it cannot be imported.
    """
    plugin = get_plugins()[kinds].get(name).load()
    return plugin, plugin.HParams.from_options(options, name)
