"""Names in any script are drawn: by a font that has the letters, or by numbers with a key."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.ttLib import TTCollection, TTFont
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic_runs import write_run

from ltbench.report import letters
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import as_bytes, draw, name_codes, save, write_figure, write_numbers
from ltbench.report.leaderboard import load_content
from ltbench.report.letters import drawable, key_of
from ltbench.report.look import style
from ltbench.report.report_page import write_report
from ltbench.results.frame import load_runs

NAMES = ("名前", "犬", "Noctua 犬", "plain")


@pytest.fixture
def only_dejavu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose fonts have no East-Asian letters."""
    known = [f for f in font_manager.fontManager.ttflist if f.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    letters._learn_fonts.cache_clear()


def named_figure() -> Figure:
    figure = Figure(figsize=(4, 3), layout="constrained")
    axis = figure.subplots()
    axis.set_xticks(range(len(NAMES)), NAMES)
    axis.plot([0, 1], label="名前")
    axis.set_xlim(-1, 4)
    axis.legend()
    axis.set_title("犬 dogs")
    return figure


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_letters_that_no_font_has_are_numbers_with_a_key(only_dejavu: None) -> None:
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = named_figure()
        with drawable(figure) as numbers:
            found = texts(figure)
        assert numbers == {"#1": "名前", "#2": "犬"}
        assert {"#1", "#2", "Noctua #2", "plain", "#2 dogs"} <= set(found)
        assert "名前" in [text.get_text() for text in figure.findobj(Text)]
        for format in ("png", "webp", "pdf"):
            _, key = as_bytes(named_figure(), format, 50)
            assert "is 名前" in key
            assert "is 犬" in key


def test_svg_keeps_the_names_for_its_readers_fonts(only_dejavu: None) -> None:
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        svg, key = as_bytes(named_figure(), "svg")
    assert "名前" in svg.decode()
    assert key == ""


def test_a_font_of_the_machine_that_has_the_letters_draws_them() -> None:
    letter = "\U0001d504"  # of mathematics, in a font that comes with matplotlib
    assert letter not in letters._letters_of(font_manager.findfont("DejaVu Sans"))
    fonts, lacking = letters._fonts_for({letter})
    assert len(fonts) == 1
    assert lacking == set()
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.5, f"a {letter}")
        image, key = as_bytes(figure, "png", 60)
        assert key == ""
        figure.texts[0].set_text("a \u4e00")
        other, _ = as_bytes(figure, "png", 60)
    assert image != other


def test_no_box_font_counts_as_one_that_has_letters() -> None:
    fonts, lacking = letters._fonts_for({"\U0010fffd"})
    assert fonts == []
    assert lacking == {"\U0010fffd"}


def test_the_key_names_the_first_few() -> None:
    assert key_of({}) == ""
    text = key_of({f"#{i}": chr(0x4E00 + i) for i in range(1, 12)}, most=3)
    assert "#3 is" in text
    assert "#4 is" not in text
    assert "and 8 more" in text


def test_command_and_page_say_which_number_is_which_name(
    tmp_path: Path, only_dejavu: None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "runs", classes=4)
    spec = json.loads((folder / "spec.json").read_text())
    spec["data"]["classes"] = list(NAMES)
    (folder / "spec.json").write_text(json.dumps(spec))
    output = tmp_path / "map.png"
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("error")
        write_figure("heatmap", load_runs(tmp_path / "runs"), Choices(), output)
        write_report(load_content(tmp_path / "runs"), tmp_path / "p.html", title="T", command="c")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Warning: {output}: No font of this machine has all letters: c0 is ")
    numbers = pd.read_csv(tmp_path / "map.csv").drop_duplicates("class")
    assert dict(zip(numbers["class"], numbers["class_drawn"], strict=True)) == {
        "名前": "c0", "犬": "c1", "Noctua 犬": "Noctua c1", "plain": "plain",
    }  # fmt: skip
    assert "domain_drawn" not in numbers
    assert "c0 is 名前" in (tmp_path / "p.html").read_text(encoding="utf-8")


LONG = [f"とても長い名前の生き物の第{n}号" for n in "一二三四五六七八九十"]


def plotted(facts: dict[str, object], output: Path) -> pd.DataFrame:
    """Draw the classes of a data set and return the figure's numbers."""
    data = FigureData.of_dataset("made-up", facts)
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure, frame = draw("distribution", data, Choices())
        written = save(figure, output, 60, name_codes(data))
    return pd.read_csv(write_numbers(frame, written, output))


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_names_that_are_cut_keep_the_code_of_their_class(
    tmp_path: Path, only_dejavu: None, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    counts = np.array([[10 - i for i in range(10)], [30 + i for i in range(10)]])
    facts = {
        "domains": ["実写 真", "sketch"], "classes": LONG, "shots": {"many": 100, "few": 20},
        "counts": {"train": counts, "val": counts, "test": counts},
    }  # fmt: skip
    numbers = plotted(facts, tmp_path / f"a{suffix}")
    codes = dict(zip(numbers["class"], numbers["class_drawn"], strict=True))
    assert codes == {name: f"c{i}" for i, name in enumerate(LONG)}
    assert dict(zip(numbers["domain"], numbers["domain_drawn"], strict=True)) == {
        "実写 真": "d0", "sketch": "sketch",
    }  # fmt: skip
    said = capsys.readouterr().err
    assert f"c0 is {LONG[0]}" in said
    assert "and 3 more (see the CSV)" in said


def test_numbers_of_figures_in_known_letters_have_no_codes(tmp_path: Path) -> None:
    counts = np.array([[3, 2]])
    facts = {
        "domains": ["all"], "classes": ["Käfer", "dog"], "shots": {"many": 100, "few": 20},
        "counts": {"train": counts, "val": counts, "test": counts},
    }  # fmt: skip
    assert "class_drawn" not in plotted(facts, tmp_path / "a.png")


def test_a_font_that_is_newer_than_the_list_of_fonts_is_found(
    monkeypatch: pytest.MonkeyPatch, only_dejavu: None
) -> None:
    letter = "\U0001d504"  # of mathematics, in a font that comes with matplotlib
    assert letters._fonts_for({letter}) == ([], {letter})
    newer = str(Path(mpl.get_data_path(), "fonts", "ttf", "STIXGeneral.ttf"))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [newer, "/no/such/font.ttf"])
    letters._learn_fonts.cache_clear()
    assert letters._fonts_for({letter}) == (["STIXGeneral"], set())
    letters._learn_fonts.cache_clear()


def write_postscript_font(path: Path) -> None:
    """Write an OpenType font with CFF outlines, as Noto Sans CJK is, that has one letter."""
    builder = FontBuilder(1000, isTTF=False)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord("猫"): "cat"})
    pen = T2CharStringPen(1000, None)
    pen.moveTo((100, 0))
    for corner in ((900, 0), (900, 800), (100, 800)):
        pen.lineTo(corner)
    pen.closePath()
    shapes = {".notdef": T2CharStringPen(1000, None).getCharString(), "cat": pen.getCharString()}
    builder.setupCFF("Cat", {"FullName": "Cat"}, shapes, {})
    builder.setupHorizontalMetrics(dict.fromkeys(shapes, (1000, 100)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Cat Sans", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def test_fonts_that_viewers_leave_blank_as_truetype_are_drawn_in_pdf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_dejavu: None
) -> None:
    path = tmp_path / "cat.otf"
    write_postscript_font(path)
    assert letters._has_postscript_outlines(str(path))
    collection = TTCollection()
    collection.fonts = [TTFont(path)]
    collection.save(tmp_path / "cats.ttc")
    assert letters._has_postscript_outlines(str(tmp_path / "cats.ttc"))
    assert not letters._has_postscript_outlines(font_manager.findfont("DejaVu Sans"))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path)])
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        for text, kind in (("cat", b"/Type0"), ("猫", b"/Type3")):
            figure = Figure(figsize=(2, 1))
            figure.text(0.1, 0.5, text)
            pdf, key = as_bytes(figure, "pdf")
            assert b"/Subtype " + kind in pdf
            assert key == ""
        assert mpl.rcParams["pdf.fonttype"] == 42
