"""What can go wrong, said in one sentence.

Every error that a person can cause or mend derives from :class:`LtbenchError`; the command line
prints its message without a traceback and leaves with its exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LtbenchError(Exception):
    """A failure whose message says what is wrong, where, and what to do."""

    exit_code = 1


class UsageError(LtbenchError):
    """The request cannot be carried out as asked: wrong name, value, file or folder."""

    exit_code = 2


class DataError(UsageError):
    """Images or labels are missing, unreadable or do not fit the data set's facts."""


class PluginError(UsageError):
    """A plugin cannot be used: it failed to import, collides, or breaks the contract."""


class DivergedError(LtbenchError):
    """Training left the finite numbers, or its loss passed the protocol's bound."""


class Stopped(LtbenchError):
    """The user stopped the sweep, by Ctrl-C or a signal; what was begun can be resumed."""

    exit_code = 130  # the shell's own code for a program that Ctrl-C ended


def described(error: BaseException) -> str:
    """Return an error's kind and text, ``"ValueError: …"``, also of one that cannot be printed."""
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        return f"{kind}, whose text cannot be had as its __str__ fails"
    return f"{kind}: {text}" if text.strip() else f"{kind} without a text"


SHOWN = 12
"""Names that a message lists at most, where there is no nearest one to suggest."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the name that was probably meant, where one is near."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)), None)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'boda'?"``, or a list of what there is when nothing is near.

    Args:
        name: what was typed.
        known: the names that would have been accepted.
    """
    names = sorted(set(known))
    if near := nearest(name, names):
        return f"; did you mean '{near}'?"
    return f"; there is {', '.join(names)}" if names else "; there is none"
