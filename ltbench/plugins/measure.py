"""What the numbers of a metric mean: which direction is better, in which unit and words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields

_LONGEST = {"unit": 12, "head": 24, "words": 60}
_MOST = 200


@dataclass(frozen=True)
class Measure:
    """The meaning of all values whose names begin with one base name.

    Attributes:
        better: ``"higher"`` or ``"lower"``.
        unit: ``"%"`` for shares in 0…1, which are printed as percent; otherwise what is printed
            behind the value as it is, such as ``"nats"``, or nothing.
        head: a word or two that head a column, ``"acc"``.
        words: the name in running text, ``"accuracy"``; by default the head.

    Raises:
        ValueError: the direction is another word, or a text is too long or holds control
            characters.
    """

    better: str
    unit: str = ""
    head: str = ""
    words: str = ""

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ValueError(f"better is {self.better!r}, neither 'higher' nor 'lower'")
        for name, longest in _LONGEST.items():
            text = getattr(self, name)
            if not isinstance(text, str) or len(text) > longest or not text.isprintable():
                raise ValueError(f"{name} is no text of at most {longest} letters")


def find_base(name: str, bases: Iterable[str]) -> str | None:
    """Return the longest base name that a metric's name is, or begins with before a ``_``."""
    found = [base for base in bases if name == base or name.startswith(f"{base}_")]
    return max(found, key=len, default=None)


def parse_measures(value: object) -> dict[str, dict[str, str]]:
    """Return the declarations in a ``result.json`` by base name; what does not fit is left out."""
    if not isinstance(value, Mapping):
        return {}
    known = [field.name for field in fields(Measure)]
    measures = {}
    for base, words in list(value.items())[:_MOST]:
        try:
            measure = Measure(**{name: words[name] for name in known if name in words})
        except (TypeError, ValueError):
            continue
        if isinstance(base, str) and base.isprintable() and len(base) <= _LONGEST["words"]:
            measures[base] = asdict(measure)
    return measures
