"""A name within a name: ``coral[loss=ldam[s=10]]``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltbench.errors import UsageError
from ltbench.plugins.names import Name, format_value, parse_chains, parse_name


def test_a_nested_name_stays_text_and_prints_bare():
    name = parse_name("coral[loss=ldam[s=10,max_m=0.5],weight=2]")
    assert name.options == {"loss": "ldam[s=10,max_m=0.5]", "weight": 2}
    assert str(name) == "coral[loss=ldam[s=10,max_m=0.5],weight=2]"


def test_stages_still_come_after_a_plus():
    chains = parse_chains("dann[loss=bsoftmax]+crt,coral[loss=focal[gamma=2]]")
    assert [[str(n) for n in chain] for chain in chains] == [
        ["dann[loss=bsoftmax]", "crt"],
        ["coral[loss=focal[gamma=2]]"],
    ]


def test_a_list_of_nested_names_is_a_sweep():
    chains = parse_chains("coral[loss=[bsoftmax,ldam[s=[10,30]]]]")
    assert [str(chain[0]) for chain in chains] == [
        "coral[loss=bsoftmax]",
        "coral[loss=ldam[s=[10,30]]]",
    ]


@pytest.mark.parametrize("text", ["coral[loss=ldam[s=10]", "coral[loss=ldam]]", "coral[loss=[a]"])
def test_brackets_must_match(text):
    with pytest.raises(UsageError):
        parse_name(text)


words = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True).filter(
    lambda word: word not in ("true", "false", "inf", "nan", "infinity")
)
scalars = st.one_of(st.integers(-99, 99), st.booleans(), words, st.floats(-1e3, 1e3))
keys = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
inner = st.builds(Name, words, st.dictionaries(keys, scalars, max_size=3))


@given(outer=words, key=keys, name=inner)
def test_what_is_printed_is_read_back(outer, key, name):
    text = str(Name(outer, {key: str(name)}))
    if name.options:
        assert '"' not in text
    nested = parse_name(text).options[key]
    assert parse_name(nested) == name
    assert format_value(nested) == str(name)
