from __future__ import annotations

import pytest

from ltbench.errors import UsageError
from ltbench.plugins.hparams import HParams, hparam
from ltbench.plugins.names import parse_name


class Example(HParams):
    gamma: float = hparam(1.0, low=0.0, high=5.0, log=True)
    steps: int = hparam(3, low=1)
    on: bool = hparam(True)
    mode: str = hparam("a", choices=("a", "b"))


class Narrower(Example):
    gamma: float = hparam(2.0, low=0.0, search=(0.5, 5.0))


def test_values_become_the_annotated_types():
    hparams = Example.from_options({"gamma": 2, "steps": 4.0, "on": False, "mode": "b"}, "x")
    assert hparams.as_dict() == {"gamma": 2.0, "steps": 4, "on": False, "mode": "b"}
    assert isinstance(hparams.gamma, float)
    assert isinstance(hparams.steps, int)


class Named(HParams):
    names: str | tuple[str, ...] = hparam("none", later=True)


@pytest.mark.parametrize(
    ("typed", "value"),
    [("a", "a"), (38, "38"), (["a", 38], ("a", "38")), (("a",), ("a",)), (True, "true")],
)
def test_a_name_or_a_list_of_names(typed, value):
    hparams = Named.from_options({"names": typed}, "x")
    assert hparams.names == value
    assert Named().as_dict() == {}


@pytest.mark.parametrize(
    "typed", ["007", "2024_05", "1e3", "0.10", "+5", "5", "12345e6", "0123456"]
)
def test_a_text_is_what_was_typed(typed):
    class Some(HParams):
        text: str = hparam("")
        names: str | tuple[str, ...] = hparam("")

    options = parse_name(f"x[text={typed},names=[{typed}]]").options
    hparams = Some.from_options(options, "x")
    assert hparams.as_dict() == {"text": typed, "names": (typed,)}


@pytest.mark.parametrize(
    ("typed", "value"),
    [("1_0", 10), ("007", 7), ("1e1", 10), ("5", 5), ("\uff11\uff12", 12)],
)
def test_a_number_may_be_typed_in_many_ways(typed, value):
    hparams = Example.from_options(parse_name(f"x[steps={typed},gamma=0.{typed}]").options, "x")
    assert (hparams.steps, type(hparams.steps)) == (value, int)
    assert (hparams.gamma, type(hparams.gamma)) == (float(f"0.{typed}"), float)
    for text in (" 7", "5", "1e3", "[", '"'):
        with pytest.raises(UsageError, match="whole number"):
            Example.from_options({"steps": text}, "x")


@pytest.mark.parametrize("typed", [[["a"]], ["a\x1b"], "a\n"])
def test_what_is_no_list_of_names(typed):
    with pytest.raises(UsageError, match=r"text|unprintable"):
        Named.from_options({"names": typed}, "x")


def test_only_what_differs_from_the_default_is_changed():
    assert Example.from_options({"gamma": 1, "steps": 9}, "x").changed() == {"steps": 9}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gama": 1}, "did you mean 'gamma'"),
        ({"gamma": -1}, "the least is 0"),
        ({"gamma": 6}, "the most is 5"),
        ({"gamma": "much"}, "finite number"),
        ({"gamma": float("nan")}, "finite number"),
        ({"gamma": True}, "finite number"),
        ({"steps": 1.5}, "whole number"),
        ({"on": 1}, "true or false"),
        ({"mode": "c"}, "choose one of a, b"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(options, message):
    with pytest.raises(UsageError, match=message) as caught:
        Example.from_options(options, "focal")
    assert "\n" not in str(caught.value)
    assert "focal" in str(caught.value)


def test_bounds_serve_tuning_unless_a_search_interval_is_given():
    assert Example.bounds()["gamma"].search == (0.0, 5.0)
    assert Narrower.bounds()["gamma"].search == (0.5, 5.0)
    assert Narrower().gamma == 2.0


@pytest.mark.parametrize(
    "value", [10**400, int("f" * 6000, 16), -(10**400), 2**63], ids=["401", "7225", "-401", "19"]
)
def test_a_number_that_nothing_holds_is_refused_in_a_sentence(value):
    class Some(HParams):
        whole: int = hparam(1)
        number: float = hparam(1.0)

    for key in ("whole", "number"):
        if (key, value) != ("number", 2**63):
            with pytest.raises(UsageError, match="is out of place"):
                Some.from_options({key: value}, "some")
