"""What ``--search`` may say: axes in any spelling, where they start, and words of before."""

from __future__ import annotations

import pytest

from ltbench.errors import UsageError
from ltbench.results.protocol import protocol_settings
from ltbench.results.tuned import axes_text
from ltbench.session.axes import (
    DEFAULT,
    Search,
    hparams_text,
    known_axes,
    ordered,
    parse_hparams,
    parse_search,
)


def test_every_setting_that_declares_where_it_is_searched_is_an_axis():
    declared = [name for name, one in protocol_settings().items() if one.search]
    assert {"lr", "weight_decay", "batch_per_domain"} <= set(declared)
    assert known_axes() == ("hparams", *declared)
    for name in declared:
        one = protocol_settings()[name]
        for typed in (name, name.replace("_", "-"), one.option, one.option.removeprefix("--")):
            assert parse_search([typed]).axes == (name,)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], Search()),
        (["hparams,lr,weight_decay"], Search(DEFAULT)),
        (["weight-decay, lr", "hparams"], Search(DEFAULT)),
        (["lr,lr"], Search(("lr",))),
        (["batch-size=16,lr=1e-3"], Search(("batch_per_domain", "lr"), {"batch_per_domain": 16, "lr": 1e-3})),  # noqa: E501
        (["bayes"], Search(sampler="bayes")),
        (["random,lr"], Search(("lr",), sampler="random")),
    ],
)  # fmt: skip
def test_what_is_typed_is_understood(texts, expected):
    found = parse_search(texts)
    assert found == Search(ordered(expected.axes), expected.starts, expected.sampler)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks a name or a value"),
        ("lr,,hparams", "lacks a name or a value"),
        ("lr=", "lacks a name or a value"),
        ("wieght_decay", "did you mean 'weight_decay'"),
        ("steps", "cannot vary 'steps'"),
        ("momentum", "cannot vary 'momentum'"),  # bounds alone are no interval to search
        ("hparams=3", "takes no value"),
        ("lr=-1", "out of range"),
        ("batch-size=1.5", "a whole number"),
        ("lr=1,lr=2", "from two values"),
        ("random,bayes", "two samplers"),
        ("\x1b[31m", "there is no such axis"),
    ],
)
def test_one_sentence_for_what_is_no_search(text, message):
    with pytest.raises(UsageError, match=message) as error:
        parse_search([text])
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    "search", [Search(DEFAULT), Search(("hparams", "lr"), {"lr": 1e-3}), Search(("lr",))]
)
def test_a_search_is_written_as_it_is_read(search):
    assert parse_search([axes_text(search.axes, search.starts)]) == search


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default", (None,)),
        ("best", ({},)),
        ("default,best", (None, {})),
        ("best[trials=8],best[sampler=bayes,seed=3]", ({"trials": 8}, {"sampler": "bayes", "seed": 3})),  # noqa: E501
    ],
)  # fmt: skip
def test_settings_are_the_defaults_and_what_studies_found(text, expected):
    assert parse_hparams(text) == expected
    assert hparams_text(expected) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty part"),
        ("default,", "empty part"),
        ("bset", "'bset' is not one of 'default', 'best'"),
        ("default[trials=8]", "is not one of 'default', 'best'"),
        ("best[trials=0]", "trials"),
        ("best[trials=8", "unclosed bracket"),
    ],
)
def test_one_sentence_for_what_are_no_settings(text, message):
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        parse_hparams(text)
