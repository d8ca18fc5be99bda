"""What was typed and what it means: names are found without regard to case, where one is meant."""

from __future__ import annotations

from collections.abc import Iterable


def spelled(name: str, known: Iterable[str]) -> str:
    """Return the known name that is meant: the same, or the only one of other case.

    Args:
        name: as typed.
        known: the names that there are.

    Returns:
        One of ``known``; ``name`` itself where none is meant or several are.
    """
    names = set(known)
    if name in names:
        return name
    folded = name.casefold()
    alike = [other for other in names if other.casefold() == folded]
    return alike[0] if len(alike) == 1 else name
