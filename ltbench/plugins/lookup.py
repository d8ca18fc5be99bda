"""What one plugin may ask about others: which there are, and the class behind a name.

For hyper-parameters whose value is the name of another plugin (``coral[loss=bsoftmax]``); declare
those with ``hparam(…, names="algorithms")``, so that a run's identity holds that plugin's version.
"""

from __future__ import annotations

from typing import Any

from ltbench.plugins.manager import get_plugins


def plugin_names(kinds: str) -> list[str]:
    """Return the registered names of one kind, sorted.

    Args:
        kinds: ``algorithms``, ``modifiers``, ``stages``, ``datasets``, ``backbones``,
            ``protocols``, ``presets``, ``augmentations``, ``metrics``, ``executors``,
            ``observers``, ``figures`` or ``tables``.
    """
    return get_plugins()[kinds].names()


def load_plugin(kinds: str, name: str) -> Any:
    """Import and return what is registered under a name: a class, or a function.

    Args:
        kinds: as for :func:`plugin_names`.
        name: without options; :func:`ltbench.api.parse_name` parts the two.

    Raises:
        UsageError: there is no such name; the message suggests the nearest.
        PluginError: it cannot be imported, or two distributions registered it.
    """
    return get_plugins()[kinds].get(name).load()
