"""Names cut to a width stay apart, fit, and can be read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltbench.report.short_names import LEAST_WIDTH, short_names, text_width
from ltbench.report.terminal import table, wrapped

SPECIES = ("pronuba", "comes", "fimbriata", "janthina", "orbona", "interposita")
LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
WORDS = st.lists(st.sampled_from(["Noctua", "(L.)", "名前", "a", "_", "weight=0.5,", "[x]"]))
NAMES = st.one_of(
    st.text(LETTERS, min_size=1, max_size=60),
    WORDS.map(" ".join).filter(bool),
    st.text("ab", min_size=20, max_size=24),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(NAMES, max_size=25), st.integers(LEAST_WIDTH, 40))
def test_different_names_stay_different_and_fit(names: list[str], width: int) -> None:
    short = short_names(names, width)
    assert list(short) == list(dict.fromkeys(names))
    assert len(set(short.values())) == len(set(names))
    for name, text in short.items():
        assert text_width(text) <= width
        assert text == name or text_width(name) > width


@pytest.mark.parametrize("width", [14, 18])
def test_a_species_keeps_what_tells_it_apart(width: int) -> None:
    names = [f"Noctua {species} (Linnaeus, 1758)" for species in SPECIES]
    for text, species in zip(short_names(names, width).values(), SPECIES, strict=True):
        assert species[:5] in text
        assert text.startswith("N")


def test_methods_keep_the_value_that_differs() -> None:
    names = [f"boda[weight=0.5,macro_weight=0.1,temperature={t}]+crt" for t in (1.0, 2.0)]
    assert list(short_names(names, 28).values()) == [
        "boda[…temperature=1.0]+crt",
        "boda[…temperature=2.0]+crt",
    ]


def test_east_asian_letters_take_two_cells() -> None:
    assert text_width("名前a") == 5
    assert text_width("e\u0301") == 1
    names = [f"日本の非常に長い名前のクラスその{n}つ目" for n in "一二三"]
    short = list(short_names(names, 14).values())
    assert max(map(text_width, short)) <= 14
    assert len(set(short)) == 3


def test_tables_and_sentences_of_wide_letters_fit_a_terminal() -> None:
    body = [("名前" * 30, "1"), ("erm", "22")]
    lines = table(["クラス", "n"], body, width=40).split("\n")
    assert max(map(text_width, lines)) <= 40
    assert len({text_width(line) for line in lines if line.endswith(("n", "1", "22"))}) == 1
    text = f"{'名前' * 50} and words {'犬' * 3}"
    assert max(map(text_width, wrapped(text, 40).split("\n"))) <= 40
    assert "".join(wrapped(text, 40).split()) == "".join(text.split())
