from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltbench.errors import UsageError
from ltbench.plugins.names import (
    Name,
    as_typed,
    format_value,
    parse_chains,
    parse_name,
    parse_names,
    parse_value,
)


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


anything = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(10**299), 10**299),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
        st.text(" \t\n\"'\\[],+=0123e.-_x", max_size=12),
    ),
    lambda values: st.lists(values, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True), anything, max_size=4))
def test_every_value_is_read_back_as_it_was(options):
    name = Name("boda", options)
    again = parse_name(str(name))
    assert again == name
    assert str(again) == str(name)


@given(anything)
def test_a_value_alone_is_read_back_with_its_type(value):
    read = parse_value(format_value(value))
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("\"C:\\new, and'old'\"", "C:\\new, and'old'"),
        ('"say ""yes"""', 'say "yes"'),
        ("'it''s'", "it's"),
        ('""', ""),
        ("C:\\data", "C:\\data"),
        ("1e400", "1e400"),
        ("9" * 400, "9" * 400),
    ],
)
def test_quotes_are_doubled_and_backslashes_mean_themselves(typed, value):
    assert parse_value(typed) == value
    assert parse_value(format_value(value)) == value


@pytest.mark.parametrize(
    "typed", ["2024_05", "007", "0123456", "-01", "00", "007.5", "1_0.5", "\uff11\uff12", "0_1e3"]
)
def test_what_a_number_would_rewrite_is_text(typed):
    """Folders, commits and domains are called so."""
    assert parse_value(typed) == typed
    assert format_value(typed) == typed
    assert parse_name(f"hf[revision={typed}]").options == {"revision": typed}


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("1e3", 1e3), ("12345e6", 12345e6), ("1E-3", 1e-3), ("0.10", 0.1), (".5", 0.5), ("5.", 5.0),
        ("+5", 5), ("-0", 0), ("5", 5), ("0", 0), ("-0.0", -0.0), ("1e-05", 1e-05), ("1e05", 1e5),
    ],
)  # fmt: skip
def test_a_number_remembers_how_it_was_typed(typed, value):
    read = parse_value(typed)
    assert read == value
    assert isinstance(read, type(value))
    assert as_typed(read) == typed
    assert as_typed(pickle.loads(pickle.dumps(copy.deepcopy(read)))) == typed
    assert format_value(read) == format_value(value), "as it is written stays"
    assert json.dumps(read) == json.dumps(value)


def test_a_quote_within_quotes_that_is_not_doubled_is_refused():
    with pytest.raises(UsageError, match="twice"):
        parse_value('"a" and "b"')


@pytest.mark.parametrize("inner", ["[", "x[k=", "[[1],"])
def test_nesting_is_bounded(inner):
    depth = 20_000
    closing = "]" * inner.count("[") * depth
    for text in (f"erm[a={inner * depth}1{closing}]", f"erm[a={inner * depth}]"):
        for parse in (parse_name, parse_names, parse_chains):
            with pytest.raises(UsageError, match=r"brackets within|longer than|without its"):
                parse(text)
    with pytest.raises(UsageError, match="16 brackets within one another"):
        parse_value("[" * 18 + "1" + "]" * 18)
    deepest = "[" * 16 + "1" + "]" * 16
    assert len(parse_chains(f"erm[a={deepest}]")) == 1
    assert len(parse_names(str(parse_name(f"erm[a={deepest}]")))) == 1


@pytest.mark.parametrize("parse", [parse_names, parse_chains])
def test_combinations_are_counted_before_they_are_written_out(parse):
    numbers = ",".join(map(str, range(1000)))
    with pytest.raises(UsageError, match="far too many combinations"):
        parse(f"brl[a=[{numbers}],b=[{numbers}],c=[{numbers}],d=[{numbers}]]")
    assert len(parse(f"brl[a=[{numbers}],b=[1,2]]")) == 2000


def test_an_empty_list_of_values_is_no_sweep():
    with pytest.raises(UsageError, match="the list of 'a'"):
        parse_chains("erm,brl[a=[]]")
