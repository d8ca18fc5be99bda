"""The contract of an observer plugin. Nothing here imports torch."""

from __future__ import annotations

from typing import Any, ClassVar

from ltbench.plugins.hparams import HParams
from ltbench.plugins.manager import Plugins
from ltbench.plugins.names import parse_name
from ltbench.plugins.registry import Entry


class Observer:
    """Watches a sweep that was started with ``--observer NAME``.

    Subclasses implement, marked with ``@hookimpl``, those of the hooks ``ltbench_sweep_started``,
    ``ltbench_run_started``, ``ltbench_run_progressed``, ``ltbench_run_evaluated``,
    ``ltbench_run_finished`` and ``ltbench_sweep_finished`` that they care for. They are called in
    the process that started the sweep. One that raises is named, and spoils no run.

    Args:
        hparams: its settings, as typed in ``name[key=value]``.

    Raises:
        UsageError: (from the constructor) it cannot work here; the message says what to do.
    """

    HParams: ClassVar[type[HParams]] = HParams

    def __init__(self, hparams: Any) -> None:
        self.hparams: Any = hparams


def make_observer(plugins: Plugins, text: str) -> tuple[Entry, Observer]:
    """Return the observer of ``name[key=value,…]`` with its registration.

    Raises:
        UsageError: there is no such observer or setting, or it cannot work here.
        PluginError: it cannot be imported.
    """
    name = parse_name(text)
    entry = plugins["observers"].get(name.name)
    cls: type[Observer] = entry.load()
    return entry, cls(cls.HParams.from_options(name.options, entry.name))
