"""Small tables in terminals of any width."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ltbench.report.terminal import table, terminal_width, underlined, wrapped

HEAD = ("method", "k/N", "acc\naverage", "acc\nworst", "seconds")
BODY = [
    ("boda[weight=0.5,macro_weight=0.125]+crt", "3/3", "67.1 ±1.2", "60.0 ±3.1", "12"),
    ("erm", "3/3", "65.0 ±0.9", "58.8 ±2.2", "7"),
]


def test_what_fits_stays_as_it_is() -> None:
    text = table(HEAD, BODY, width=80)
    assert text.split("\n") == [
        "method                                   k/N        acc        acc  seconds",
        "                                                average      worst",
        "---------------------------------------  ---  ---------  ---------  -------",
        "boda[weight=0.5,macro_weight=0.125]+crt  3/3  67.1 ±1.2  60.0 ±3.1       12",
        "erm                                      3/3  65.0 ±0.9  58.8 ±2.2        7",
    ]


def test_names_fold_at_their_joints_before_columns_go() -> None:
    text = table(HEAD, BODY, width=60)
    assert "and " not in text
    lines = [line[:23].rstrip() for line in text.split("\n")]
    assert lines[3:] == ["boda[weight=0.5,", "macro_weight=0.125]+crt", "erm"]


def test_columns_go_by_priority_and_are_named_below() -> None:
    text = table(HEAD, BODY, width=44, priority=(0, 3, 0, 1, 2), elsewhere="--format csv has them")
    assert text.split("\n")[0].split() == ["method", "acc", "acc"]
    assert text.endswith("\nand k/N, seconds: --format csv has them")


def test_by_default_they_go_from_the_right() -> None:
    head = table(HEAD, BODY, width=40).split("\n")[0].split()
    assert head == ["method", "k/N", "acc"]


@pytest.mark.parametrize("width", [40, 60, 80, 118])
@pytest.mark.parametrize("priority", [None, (0, 0, 0, 0, 0), (0, 1, 2, 3, 4)])
def test_no_line_is_too_long(width: int, priority: tuple[int, ...] | None) -> None:
    body = [(f"{name}-{'x' * 90} a,b", "10/10", "±" * 12, "—", "y" * 30) for name in "ab"]
    for align in ("", "lllll", "lrlrl"):
        text = table(HEAD, body, width=width, priority=priority, align=align)
        assert max(map(len, text.split("\n"))) <= width
    assert max(map(len, underlined("word " * 60, width).split("\n"))) <= width
    assert max(map(len, wrapped("word " * 60, width).split("\n"))) <= width


def test_nothing_is_lost_in_a_fold() -> None:
    name = "brl[alpha=1.0,gamma=2.69e-05]+crt (tuned: 3 trials) /a/b/" + "z" * 70
    text = table(["name"], [[name]], width=40)
    assert "".join(text.split()).endswith("".join(name.split()))


def test_the_width_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, width in (("60", 60), ("7", 40), ("200", 200)):
        monkeypatch.setenv("COLUMNS", columns)
        assert terminal_width() == width
    assert max(map(len, wrapped("word " * 90).split("\n"))) <= 118
    monkeypatch.delenv("COLUMNS")
    ask = "from ltbench.report.terminal import terminal_width; print(terminal_width())"
    piped = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert piped.stdout.strip() == "118"


def test_it_is_quick_to_import() -> None:
    ask = (
        "import sys, ltbench.report.terminal\n"
        "print({'pandas', 'numpy', 'torch', 'rich'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
