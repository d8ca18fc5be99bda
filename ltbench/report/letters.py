"""Letters of all languages in figures: by a font of this machine that has them, or by a code.

The fonts of most machines lack some scripts, and what lacks a letter draws an empty box, the same
for every name.
"""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial

import matplotlib as mpl
import pandas as pd
from matplotlib import font_manager
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from ltbench.report.short_names import CUT

logger = logging.getLogger(__name__)

_MAIN = "DejaVu Sans"
# Boxes for everything, or pictures that are not drawn.
_NO_LETTERS = re.compile("last ?resort|emoji|blank|symbols?", re.IGNORECASE)
# Words of letters that are not of ASCII, with the spaces between them; signs alone are no words.
_WORD = r"(?![–—−±×·²]+(?:[\x00-\x7f\s]|$))[^\x00-\x7f\s]+"
_RUN = re.compile(f"{_WORD}(?: {_WORD})*")
_PLAIN = re.compile("sans|gothic|hei|kaku|yahei", re.IGNORECASE)


@contextlib.contextmanager
def drawable(
    figure: Figure, *, as_text: bool = False, codes: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Let the texts of a figure be drawn, for as long as the context lasts.

    Texts with letters that its font lacks get further fonts of this machine. What none of them has
    is written as a code, unless the file holds text, which its readers' fonts draw: as ``c17``
    where it is the name of a class that has this code, or a part of it, else as ``#1``, ``#2``, ….

    Args:
        figure: to be drawn.
        as_text: whether the file's format keeps texts as such.
        codes: codes of names that may be shortened in the figure.

    Yields:
        The letters for which each code stands.
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
    written: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if any(_has_postscript_outlines(font_manager.findfont(name)) for name in fonts):
            # Of these, matplotlib embeds as TrueType (42) what viewers leave blank.
            stack.enter_context(mpl.rc_context({"pdf.fonttype": 3}))
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if lacking and not as_text:
            stack.callback(_write, texts, [text.get_text() for text in texts])
            write = partial(_coded, lacking=lacking, codes=_of_runs(codes or {}), written=written)
            for axis in _axes(figure):
                stack.callback(_name_ticks(axis, write))
            _write(texts, [write(text.get_text()) for text in texts])
        yield written
    for text, family in zip(texts, families, strict=True):
        text.set_fontfamily(family)


def key_of(written: Mapping[str, str], most: int = 8) -> str:
    """Return a sentence of what the codes of :func:`drawable` stand for; empty for none."""
    if not written:
        return ""
    shown = ", ".join(f"{code} is {letters}" for code, letters in list(written.items())[:most])
    more = f" and {len(written) - most} more (see the CSV)" if len(written) > most else ""
    return (
        f"No font of this machine has all letters: {shown}{more}. Noto Sans CJK would have those "
        "of East Asia."
    )


def with_codes(frame: pd.DataFrame, written: Mapping[str, str]) -> pd.DataFrame:
    """Return the numbers of a figure with a column ``class_drawn`` beside ``class``, and so on.

    It holds each text as it stands in the figure, if not cut; there is one beside every column of
    texts of which some are written with a code.

    Args:
        frame: the numbers.
        written: what :func:`drawable` yielded.
    """
    if not written:
        return frame
    frame = frame.copy()
    for column in frame.select_dtypes(include=["object", "string"]).columns:
        texts = {value for value in frame[column] if isinstance(value, str)}
        drawn = {text: _as_drawn(text, written) for text in texts}
        if any(text != code for text, code in drawn.items()):
            values = [drawn.get(value, value) for value in frame[column]]
            frame.insert(frame.columns.get_loc(column) + 1, f"{column}_drawn", values)
    return frame


def _as_drawn(text: str, written: Mapping[str, str]) -> str:
    def code(run: re.Match[str]) -> str:
        return next((c for c, letters in written.items() if _is_cut(letters, run[0])), run[0])

    return _RUN.sub(code, text)


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


def _coded(text: str, lacking: set[str], codes: Mapping[str, str], written: dict[str, str]) -> str:
    """Return a text with a code for each run of letters, not of ASCII, of which some lack.

    Args:
        text: what is to be drawn.
        lacking: letters that no font has.
        codes: codes of runs of letters as they were before names were cut.
        written: the codes so far and what they stand for, to which this adds.
    """

    def code(run: re.Match[str]) -> str:
        if not lacking & set(run[0]):
            return run[0]
        known = next((c for c, letters in written.items() if letters == run[0]), None)
        whole = [letters for letters in codes if _is_cut(run[0], letters)]
        if known is None and len(whole) == 1:
            known = codes[whole[0]]
            written[known] = whole[0]
        if known is None:
            known = f"#{1 + sum(c.startswith('#') for c in written)}"
            written[known] = run[0]
        return known

    return _RUN.sub(code, text)


def _of_runs(codes: Mapping[str, str]) -> dict[str, str]:
    """Return the codes of names by their one run of letters, where no two names share it."""
    names: dict[str, list[str]] = {}
    for name in codes:
        if len(runs := _RUN.findall(name)) == 1:
            names.setdefault(runs[0], []).append(name)
    # Of "犬" and "Noctua 犬" the code of the first stands for the letters in both.
    found = {
        run: run if run in of else of[0] for run, of in names.items() if len(of) == 1 or run in of
    }
    return {run: codes[name] for run, name in found.items()}


def _is_cut(cut: str, whole: str) -> bool:
    """Say whether a text is another one, or what is left of it."""
    return cut == whole or (
        CUT in cut and bool(re.fullmatch(".*".join(map(re.escape, cut.split(CUT))), whole))
    )


def _fonts_for(letters: set[str]) -> tuple[list[str], set[str]]:
    """Return the fewest fonts of this machine that have these letters, and what none has."""
    fonts, lacking = _known_fonts_for(letters)
    if lacking and _learn_fonts():
        fonts, lacking = _known_fonts_for(letters)
    return fonts, lacking


@cache
def _learn_fonts() -> bool:
    """Add fonts that are newer than matplotlib's list of them; return whether there are any."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    before = len(known)
    for path in set(font_manager.findSystemFonts()) - known:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            font_manager.fontManager.addfont(path)
            known.add(path)
    return len(known) > before


def _known_fonts_for(letters: set[str]) -> tuple[list[str], set[str]]:
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
def _has_postscript_outlines(path: str) -> bool:
    """Say whether a font file, or the first font of a collection, is OpenType with CFF outlines."""
    with open(path, "rb") as file:
        sign = file.read(4)
        if sign == b"ttcf":
            file.seek(12)
            file.seek(int.from_bytes(file.read(4), "big"))
            sign = file.read(4)
    return sign == b"OTTO"


@cache
def _letters_of(path: str) -> frozenset[str]:
    """Return the letters that a font file has."""
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()
