"""One thing that stands out in a data set, in words and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_NAMED = 5  # names in a sentence; the details have all


@dataclass(frozen=True)
class Finding:
    """One thing that stands out.

    Attributes:
        kind: what it is about, one word of ``ltbench.data.checkup.KINDS``.
        sentence: what was found, for people.
        to_do: whether results cannot be trusted as they are, so that something has to be done.
        details: the numbers and all names, of which a sentence has the first; fit for JSON.
    """

    kind: str
    sentence: str
    to_do: bool = False
    details: dict[str, Any] = field(default_factory=dict)


def quoted(names: Sequence[str]) -> str:
    """Return names in quotes, the first few of many: ``'a', 'b' and 3 more``."""
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def counted(number: int, one: str, many: str = "") -> str:
    """Return ``1 class`` or ``3 classes``: a number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """Return a share in percent, which is never 0 % of what there is: ``<1 %``."""
    percent = 100 * part / max(1, whole)
    return "<1 %" if 0 < percent < 0.5 else f"{percent:.0f} %"
