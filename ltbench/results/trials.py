"""The trials of studies as figures read them: what was tried, and what it scored.

``<out>/.tuning/.studies/<task>/*.json`` are the studies, and the runs of their trials lie in
``<out>/.tuning``. Both may come from anywhere and are judged field by field: a study that does not
fit is passed over.
"""

from __future__ import annotations

STUDIES = ".studies"
"""Folder, below that of tuning, of the files of studies."""
