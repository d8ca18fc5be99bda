"""Letters of all languages in figures: by a font of this machine that has them, or by a number.

The fonts of most machines lack some scripts, and what lacks a letter draws an empty box, the same
for every name.
"""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial

from matplotlib import font_manager
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

logger = logging.getLogger(__name__)

_MAIN = "DejaVu Sans"
# Boxes for everything, or pictures that are not drawn.
_NO_LETTERS = re.compile("last ?resort|emoji|blank|symbols?", re.IGNORECASE)
_PLAIN = re.compile("sans|gothic|hei|kaku|yahei", re.IGNORECASE)


@contextlib.contextmanager
def drawable(figure: Figure, *, as_text: bool = False) -> Iterator[dict[str, str]]:
    """Let the texts of a figure be drawn, for as long as the context lasts.

    Texts with letters that its font lacks get further fonts of this machine. What none of them has
    is written as ``#1``, ``#2``, … unless the file holds text, which its readers' fonts draw.

    Args:
        figure: to be drawn.
        as_text: whether the file's format keeps texts as such.

    Yields:
        The letters for which each number stands.
    """
    texts = figure.findobj(Text)
    needed = set("".join([*(text.get_text() for text in texts), *_tick_names(figure)]))
    # What has no width, such as joiners, has no box either.
    seen = {c for c in needed if c.isprintable() and not c.isspace()}
    missing = seen - _letters_of(font_manager.findfont(_MAIN))
    if not missing:
        yield {}
        return
    fonts, lacking = _fonts_for(missing)
    families = [text.get_fontfamily() for text in texts]
    for text in texts:
        text.set_fontfamily([_MAIN, *fonts])
    numbers: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if lacking and not as_text:
            stack.callback(_write, texts, [text.get_text() for text in texts])
            write = partial(_numbered, lacking=lacking, numbers=numbers)
            for axis in _axes(figure):
                stack.callback(_name_ticks(axis, write))
            _write(texts, [write(text.get_text()) for text in texts])
        yield {number: letters for letters, number in numbers.items()}
    for text, family in zip(texts, families, strict=True):
        text.set_fontfamily(family)


def key_of(numbers: dict[str, str], most: int = 8) -> str:
    """Return a sentence of what the numbers of :func:`drawable` stand for; empty for none."""
    if not numbers:
        return ""
    shown = ", ".join(f"{number} is {letters}" for number, letters in list(numbers.items())[:most])
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return (
        f"No font of this machine has all letters: {shown}{more}. Noto Sans CJK would have those "
        "of East Asia."
    )


def _write(texts: list[Text], contents: list[str]) -> None:
    for text, content in zip(texts, contents, strict=True):
        if text.get_text() != content:
            text.set_text(content)


def _tick_names(figure: Figure) -> Iterator[str]:
    for axis in _axes(figure):
        formatter = axis.get_major_formatter()
        if isinstance(formatter, FixedFormatter | FuncFormatter):
            yield from formatter.format_ticks(list(axis.get_majorticklocs()))


def _axes(figure: Figure) -> Iterator[Axis]:
    for axes in figure.axes:
        yield from (axes.xaxis, axes.yaxis)


def _name_ticks(axis: Axis, write: Callable[[str], str]) -> Callable[[], None]:
    """Pass the names of ticks, which are made whenever they are drawn, through a function.

    Returns:
        What undoes it.
    """
    formatter = axis.get_major_formatter()
    if isinstance(formatter, FixedFormatter):
        names = formatter.seq
        formatter.seq = [write(str(name)) for name in names]
        return lambda: setattr(formatter, "seq", names)
    if isinstance(formatter, FuncFormatter):
        function = formatter.func
        formatter.func = lambda *place: write(function(*place))
        return lambda: setattr(formatter, "func", function)
    return lambda: None


def _numbered(text: str, lacking: set[str], numbers: dict[str, str]) -> str:
    """Return a text with a number for each run of letters, not of ASCII, of which some lack."""
    other = r"[^\x00-\x7f\s]*"
    runs = re.compile(f"{other}[{re.escape(''.join(sorted(lacking)))}]{other}")
    return runs.sub(lambda run: numbers.setdefault(run[0], f"#{len(numbers) + 1}"), text)


def _fonts_for(letters: set[str]) -> tuple[list[str], set[str]]:
    """Return the fewest fonts of this machine that have these letters, and what none has."""
    candidates = sorted(
        {
            (not _PLAIN.search(font.name), font.name, font.fname)
            for font in font_manager.fontManager.ttflist
            if font.style == "normal"
            and font.weight in (400, "normal", "regular")
            and not _NO_LETTERS.search(f"{font.name} {font.fname}")
        }
    )
    fonts: list[str] = []
    left = set(letters)
    while left and candidates:
        best = max(candidates, key=lambda font: (len(left & _letters_of(font[2])), not font[0]))
        gained = left & _letters_of(best[2])
        if not gained:
            break
        logger.debug("%s draws %s", best[1], "".join(sorted(gained)))
        fonts.append(best[1])
        left -= gained
    return fonts, left


@cache
def _letters_of(path: str) -> frozenset[str]:
    """Return the letters that a font file has."""
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()
