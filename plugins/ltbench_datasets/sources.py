"""Fetches the sources that a data set's facts list, and arranges what the archives hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ltbench.api import DataError, Facts
from ltbench.data.archives import unpack
from ltbench.data.fetch import Source, fetch


def fetch_sources(
    entries: Iterable[Mapping[str, Any]], data_dir: Path, report: Callable[[str], None]
) -> None:
    """Fetch files below ``data_dir`` and unpack those that are archives.

    An entry's ``folder`` says where its file goes, ``unpack`` (true, or a folder) where its
    content, and ``rename`` which unpacked folders get other names. An archive is removed once its
    content is in place.

    Raises:
        DataError: a file cannot be had, or an archive is broken or not safe.
        UsageError: a folder cannot be written or its disk is full.
    """
    for entry in entries:
        folder = data_dir / entry.get("folder", "")
        target = entry.get("unpack")
        content = folder / target if isinstance(target, str) else folder
        done = content / f".{entry['file']}.unpacked"
        if target and done.exists():
            report(f"{entry['file']} is unpacked in {content}")
            continue
        path = fetch(Source.from_facts(entry), folder, report)
        if not target:
            continue
        report(f"Unpacking {path}")
        unpack(path, content)
        for old, new in entry.get("rename", {}).items():
            _rename(content / old, content / new)
        done.touch()
        path.unlink()


def where_to_put(facts: Facts, place: Path, name: str) -> str:
    """Return the sentence on a data set that is not there: how to get it, and where by hand."""
    return (
        f"{facts.name} is not on this machine: type 'ltbench data prepare {name}', or put the "
        f"images by hand in {place}"
    )


def _rename(old: Path, new: Path) -> None:
    if not old.exists():
        return
    if new.exists():
        raise DataError(f"{old} should become {new}, which is there already: remove one of them")
    old.rename(new)
