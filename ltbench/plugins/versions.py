"""Whether a plugin was built for the hooks that this ltbench has."""

from __future__ import annotations

import pluggy

from ltbench import __version__
from ltbench.errors import PluginError
from ltbench.plugins.hookspecs import VERSION

STATEMENT = "__ltbench_hooks__"


def check_statement(plugin: object, distribution: str) -> None:
    """Check the version of the hooks that a plugin says it was built for, where it says one.

    Raises:
        PluginError: it is another one.
    """
    stated = getattr(plugin, STATEMENT, VERSION)
    if stated != VERSION:
        newer = isinstance(stated, int) and stated > VERSION
        raise PluginError(
            f"it was built for version {stated} of ltbench's hooks, and ltbench {__version__} has "
            f"version {VERSION}: {'upgrade ltbench' if newer else f'upgrade {distribution}'}"
        )


def register_checked(hooks: pluggy.PluginManager, plugin: object, name: str) -> None:
    """Register a plugin's hook implementations, all of which this ltbench must know.

    Raises:
        PluginError: a hook is unknown, or has arguments that its specification lacks.
    """
    try:
        hooks.register(plugin, name=name)
    except pluggy.PluginValidationError as error:
        told = " ".join(str(error).split()).partition("hookimpl definition: ")[2]
        raise PluginError(_misfit(f"its hook does not fit: {told}")) from error
    for caller in hooks.get_hookcallers(plugin) or ():
        needed = [impl for impl in caller.get_hookimpls() if impl.plugin is plugin]
        if not caller.has_spec() and not all(impl.optionalhook for impl in needed):
            raise PluginError(_misfit(f"there is no hook '{caller.name}'"))


def _misfit(cause: str) -> str:
    return (
        f"{cause} (ltbench {__version__} has version {VERSION} of the hooks): upgrade ltbench, or "
        "install a version of the plugin that was built for this one"
    )
