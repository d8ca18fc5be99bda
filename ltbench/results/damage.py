"""Runs whose files cannot be read: whether a result is whole, and what can be done about one."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from pathlib import Path

from ltbench.errors import UsageError
from ltbench.regular_files import open_file
from ltbench.results.run import FORMAT
from ltbench.results.untrusted import UnreadableRun, read_json, read_result

_HASH, _SEED = re.compile(r"[0-9a-f]{12}"), re.compile(r"seed-[0-9]+")
_END = b"\n}\n"  # of what write_json wrote, whose inner objects end indented


def check_result(folder: Path) -> None:
    """Check that a run which counts as done, as its ``result.json`` is there, has a whole one.

    Of thousands it is asked before a sweep, and to parse one takes ten times as long as to look
    whether it ends as it was written.

    Raises:
        UsageError: it does not hold a JSON object.
    """
    # Whatever cannot be looked at so is read.
    with contextlib.suppress(OSError), open_file(folder / "result.json") as file:
        file.seek(-len(_END), os.SEEK_END)
        if file.read() == _END:
            return
    try:
        read_result(folder)
    except UnreadableRun as problem:
        raise UsageError(
            f"{folder} cannot be read: {problem}; {advice(folder)}, then type the same command "
            "again"
        ) from None


def is_removable(folder: Path) -> bool:
    """Return whether a run that cannot be read may be removed as one.

    Its folder is named as a run's, its files can be opened, and none is of a format that only a
    newer version reads.
    """
    named = _SEED.fullmatch(folder.name) and _HASH.fullmatch(folder.parent.name)
    if not named or folder.is_symlink():
        return False
    for name in ("spec.json", "result.json", "error.json"):
        try:
            document = read_json(folder / name) or {}
        except UnreadableRun as problem:
            if isinstance(problem.__cause__, OSError):
                return False
            continue
        if isinstance(found := document.get("format"), int) and found > FORMAT:
            return False
    return True


def advice(folder: Path) -> str:
    """Return what to do with a run that cannot be read, as the end of a sentence."""
    if is_removable(folder):
        return f"`ltbench clean {shlex.quote(str(folder))}` removes it"
    return "make its files readable or move its folder away"
