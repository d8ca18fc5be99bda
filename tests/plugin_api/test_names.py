from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltbench.errors import UsageError
from ltbench.plugins.names import Name, parse_chains, parse_name, parse_names


def test_options_are_typed():
    name = parse_name("brl[alpha=1e-3,steps=5,bce=false,mode=pair,root=/data/my moths]")
    assert name == Name(
        "brl", {"alpha": 1e-3, "steps": 5, "bce": False, "mode": "pair", "root": "/data/my moths"}
    )


def test_a_list_is_a_sweep_over_all_combinations():
    names = parse_names("brl[alpha=[1e-3,1e-2],beta=[1,2]],erm")
    assert [name.options for name in names] == [
        {"alpha": 1e-3, "beta": 1},
        {"alpha": 1e-3, "beta": 2},
        {"alpha": 1e-2, "beta": 1},
        {"alpha": 1e-2, "beta": 2},
        {},
    ]


def test_a_chain_joins_an_algorithm_with_stages():
    chains = parse_chains("boda[weight=1]+crt,erm")
    assert [[str(name) for name in chain] for chain in chains] == [
        ["boda[weight=1]", "crt"],
        ["erm"],
    ]


def test_quotes_keep_commas_and_brackets():
    assert parse_name('image-folder[root="/a,b/[c]"]').options == {"root": "/a,b/[c]"}


@pytest.mark.parametrize(
    "text", ["", "erm,", "erm[", "erm[]x", "erm[a]", "erm[a=1", "a]b", "erm[a=1,a=2]", "erm[a='x]"]
)
def test_what_does_not_follow_the_grammar_is_refused(text):
    with pytest.raises(UsageError):
        parse_names(text)


plain = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\"'\\"))
values = st.one_of(
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    plain,
)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True), values, max_size=4))
def test_the_canonical_spelling_reads_back_as_the_same_name(options):
    name = Name("boda", options)
    assert parse_name(str(name)) == name
