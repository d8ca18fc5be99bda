"""Tables of particular experiments are plugins; this hands them runs and the user's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltbench.errors import LtbenchError, PluginError
from ltbench.plugins.blame import naming
from ltbench.plugins.registry import Entry
from ltbench.report.figure_data import FigureData
from ltbench.report.section import Report, Section


def make_table(entry: Entry, data: FigureData, options: Mapping[str, Any]) -> Report:
    """Return what a registered table makes of runs.

    Args:
        entry: its registration.
        data: the runs.
        options: those of its hyper-parameters that were typed.

    Raises:
        UsageError: an option is out of place, or the runs do not suit it.
        DataError: a file of a run is missing or does not fit.
        PluginError: the table's plugin fails, or gives something else.
    """
    who = f"table '{entry.name}' of {entry.distribution} {entry.version}"
    table = entry.load()
    hparams = table.HParams.from_options(options, entry.name)
    with naming(who, LtbenchError):
        sections = tuple(table(hparams).sections(data))
    if not sections or not all(isinstance(section, Section) for section in sections):
        raise PluginError(f"{who} does not return sections")
    return Report(sections, title=entry.name.replace("-", " ").capitalize())
