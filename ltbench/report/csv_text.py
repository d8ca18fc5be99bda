"""Data frames as CSV that programs read, and that spreadsheets may open."""

from __future__ import annotations

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(frame: pd.DataFrame, digits: int | None = None) -> str:
    """Return a frame as CSV without its index, numbers to so many digits if that is given.

    A name of a class or a method that a spreadsheet would compute gets an apostrophe before it.
    """
    texts = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{name: frame[name].map(_inert) for name in texts})
    form = None if digits is None else f"%.{digits}g"
    return str(safe.to_csv(index=False, lineterminator="\n", float_format=form))


def _inert(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
