"""Values of options that are numbers in form alone."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from ltbench.cli.predict import predict
from ltbench.cli.stats import stats
from ltbench.cli.status import status


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        (predict, ["run", "photos", "--reject", "nan"], "nan is not a number"),
        (status, ["--watch", "nan"], "nan is not a number"),
        (status, ["--watch", "inf"], "inf is not a number"),
        (stats, ["--rope", "nan"], "nan is not a number of points"),
        (stats, ["--power", "inf"], "inf is not a number of points"),
    ],
)
def test_a_number_that_is_none_is_refused(
    command: click.Command, words: list[str], sentence: str
) -> None:
    found = CliRunner().invoke(command, words)
    assert found.exit_code == 2
    assert sentence in found.output
