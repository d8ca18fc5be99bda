from __future__ import annotations

import click
import pytest

from ltbench.cli.option_values import Seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5h", 5400), ("10m", 600), ("1 d", 86400)]
)
def test_times_have_units(text, seconds):
    assert Seconds().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "5x", "m", "1h30m"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(click.BadParameter, match="is not a time"):
        Seconds().convert(text, None, None)
