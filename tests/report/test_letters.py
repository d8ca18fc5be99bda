"""Names in any script are drawn: by a font that has the letters, or by numbers with a key."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic_runs import write_run

from ltbench.report import letters
from ltbench.report.figure_data import Choices
from ltbench.report.figures import as_bytes, write_figure
from ltbench.report.leaderboard import load_content
from ltbench.report.letters import drawable, key_of
from ltbench.report.look import style
from ltbench.report.site import write_report
from ltbench.results.frame import load_runs

NAMES = ("名前", "犬", "Noctua 犬", "plain")


@pytest.fixture
def only_dejavu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose fonts have no East-Asian letters."""
    known = [f for f in font_manager.fontManager.ttflist if f.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)


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
    assert line.startswith(f"Warning: {output}: No font of this machine has all letters: #1 is ")
    assert "名前" in (tmp_path / "map.csv").read_text(encoding="utf-8")
    assert "#1 is 名前" in (tmp_path / "p.html").read_text(encoding="utf-8")
