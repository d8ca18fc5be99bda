"""What a table's runs share beside their data, as its heading says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from ltbench.plugins.names import format_value
from ltbench.report.dataset_labels import full_name
from ltbench.report.filters import shared_protocol
from ltbench.results.backbone import preprocessing_text, short_name
from ltbench.results.scheme import EvaluationScheme
from ltbench.results.untrusted import clean

if TYPE_CHECKING:
    from ltbench.report.selection import Table

# More settings than these would make no heading: the digits of the hash stand for the others.
_MOST_DIFFERENCES = 4


def heading_words(run: pd.Series, scheme: EvaluationScheme) -> str:
    """Return what the runs of a table share beside their data, as running text."""
    protocol = shared_protocol(run)
    parts = [
        short_name(run["backbone"]) + (" (pretrained)" if run["pretrained"] else ""),
        f"{protocol['steps']} steps" if "steps" in protocol else "",
        str(run["precision"]),
        scheme.selection(str(protocol.get("select", ""))),
        f"protocol {protocol['name']}" if protocol.get("name") else "",
    ]
    return ", ".join(clean(part) for part in parts if part)


def headed_apart(tables: Sequence[Table]) -> list[Table]:
    """Return the tables with what differs in the setting of those that have one heading."""
    by_heading: dict[str, list[Table]] = {}
    for table in tables:
        by_heading.setdefault(table.heading, []).append(table)
    told = []
    for alike in by_heading.values():
        settings = [_whole_setting(table) for table in alike]
        keys = dict.fromkeys(key for setting in settings for key in setting)
        differing = [k for k in keys if len({setting.get(k) for setting in settings}) > 1]
        for table, setting in zip(alike, settings, strict=True):
            words = [f"{key} {setting.get(key, 'not given')}" for key in differing]
            if len(alike) > 1 and not 0 < len(words) <= _MOST_DIFFERENCES:
                words = [*words[:_MOST_DIFFERENCES], f"protocol hash {table.protocol_hash[:8]}"]
            told.append(replace(table, differs=", ".join(words)))
    return told


def _whole_setting(table: Table) -> dict[str, str]:
    """Return everything that a table's runs share and other tables may not, as words."""
    run = table.runs.table.iloc[0]
    settings = {
        **{str(key).replace("_", " "): value for key, value in shared_protocol(run).items()},
        "weights": run["weights"][:12] or "none",
        "preprocessing": preprocessing_text(run["preprocessing"]),
        "data": full_name(run["dataset"], run["options"]),
    }
    return {clean(key): clean(format_value(value)) for key, value in settings.items()}
