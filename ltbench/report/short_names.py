"""Names cut to a width, so that they stay apart and can still be read.

Width is counted in the cells of a terminal, of which East-Asian letters take two; figures need
about as much room for them.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

CUT = "…"
LEAST_WIDTH = 8
"""Cells below which names are not cut: in fewer, no cut can be read or told from others."""

_LEAST_BEGUN = 3
# A piece ends behind what parts words in names; ``key=value`` stays together.
_PIECES = re.compile(r"[^ ,/+\[\]=_-]+=[^ ,/+\[\]]*[ ,/+\[\]]*|[^ ,/+\[\]_-]+[ ,/+\[\]_-]*|.", re.S)


def text_width(text: str) -> int:
    """Return how many cells of a terminal a text of one line takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def start_of(text: str, width: int) -> str:
    """Return the longest beginning of a text that fits."""
    for place, total in enumerate(itertools.accumulate(map(_cells, text))):
        if total > width:
            return text[:place]
    return text


def short_names(names: Iterable[str], width: int) -> dict[str, str]:
    """Return what to write for each name where there is room for ``width`` cells.

    Names that fit stay as they are. Of the others those parts remain that few of the names have
    (``N. pronuba…`` beside ``N. comes…``, ``boda[…weight=0.5…``), or the beginning and the end, or
    the place in which they differ; where nothing else helps they are numbered. Different names
    never get the same text.

    Args:
        names: all that stand together, in a legend say.
        width: the most cells; at least :data:`LEAST_WIDTH`.
    """
    width = max(width, LEAST_WIDTH)
    order = list(dict.fromkeys(names))
    long = [name for name in order if text_width(name) > width]
    short = {name: name for name in order if text_width(name) <= width}
    shared = Counter(piece for name in order for piece in set(_pieces(name))) if long else {}
    wishes = {name: _by_pieces(name, shared, width) for name in long}
    _keep_unique(wishes, short)
    # Those alike in all their rare parts: by their ends, all of them alike.
    left = [name for name in long if name not in short]
    _keep_unique({name: _by_ends(name, width) for name in left}, short)
    left = [name for name in left if name not in short]
    taken = set(short.values())
    for name in left:
        further = itertools.chain(_by_difference(name, left, width), _numbered(name, width))
        short[name] = next(text for text in further if text not in taken)
        taken.add(short[name])
    return {name: short[name] for name in order}


def _keep_unique(wishes: Mapping[str, str], short: dict[str, str]) -> None:
    """Give those names their wish whose wish is nobody else's."""
    wanted = Counter([*wishes.values(), *short.values()])
    short |= {name: wish for name, wish in wishes.items() if wish and wanted[wish] == 1}


def _pieces(name: str) -> list[str]:
    return _PIECES.findall(name)


def _by_pieces(name: str, shared: Mapping[str, int], width: int) -> str:
    """Return a name with a piece that no other has, and what else fits; empty without such one."""
    pieces = _pieces(name)
    own = next((i for i, piece in enumerate(pieces) if shared[piece] == 1), None)
    if own is None or text_width(_joined(pieces, {own})) > width:
        return ""
    kept = {own}
    in_words = not any(sign in name for sign in "=[")
    if own and pieces[0].endswith(" ") and text_width(_joined(pieces, {0, own})) > width:
        pieces[0] = f"{pieces[0][0]}. " if pieces[0][0].isalpha() else pieces[0]
        if in_words and text_width(_joined(pieces, {0, own})) > width:
            gap = CUT if own > 1 else ""
            return start_of(f"{pieces[0]}{gap}{pieces[own]}", width - 1) + CUT
    for place in range(len(pieces)):
        if text_width(_joined(pieces, kept | {place})) <= width:
            kept.add(place)
        elif in_words and place > own:  # a word begun says more than what follows it
            text = "".join(pieces[: place + 1]) if len(kept) == place else ""
            begun = start_of(text, width - 1).rstrip()
            enough = len(begun) >= sum(map(len, pieces[:place])) + _LEAST_BEGUN
            return begun + CUT if enough else _joined(pieces, kept)
    return _joined(pieces, kept)


def _joined(pieces: Sequence[str], kept: set[int]) -> str:
    """Return the pieces kept, with a mark for each gap between and beside them."""
    text = ""
    for place, piece in enumerate(pieces):
        if place in kept:
            text += piece
        elif not text.endswith(CUT):
            text = text.rstrip() + CUT
    return text


def _by_ends(name: str, width: int) -> str:
    """Return a name cut in the middle."""
    first = start_of(name, width // 2)
    room = width - 1 - text_width(first)
    last = start_of(name[::-1], room)[::-1]
    while last and not _cells(last[0]):  # what belongs to a letter that is gone
        last = last[1:]
    return f"{first}{CUT}{last}"


def _by_difference(name: str, others: Sequence[str], width: int) -> Iterator[str]:
    """Yield a name cut to where it begins to differ from each of the others."""
    places = {_first_difference(name, other) for other in others if other != name}
    for place in sorted(places):
        begin = start_of(name, max(1, width // 3))
        if place < len(begin):
            yield start_of(name, width - 1) + CUT
            continue
        middle = start_of(name[place:], width - 2 - text_width(begin))
        yield f"{begin}{CUT}{middle}" + (CUT if place + len(middle) < len(name) else "")


def _first_difference(name: str, other: str) -> int:
    pairs = enumerate(zip(name, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(name), len(other)))


def _numbered(name: str, width: int) -> Iterator[str]:
    for number in itertools.count(1):
        yield f"{start_of(name, width - 1 - len(str(number)))}{CUT}{number}"
