"""``ltbench plugins check``."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner, Result

from ltbench.cli.plugins import plugins
from ltbench.errors import UsageError


def check(*arguments: str) -> Result:
    return CliRunner().invoke(plugins, ["check", *arguments], catch_exceptions=False)


def test_what_passes_is_listed_point_by_point():
    result = check("accuracy")
    assert result.exit_code == 0
    lines = click.unstyle(result.output).splitlines()
    assert lines[0].startswith("metric 'accuracy' of ltbench ")
    assert "  ✓ It does not depend on the order of the images" in lines
    assert lines[-1] == "10 of 10 points passed"


def test_what_fails_says_why_and_leaves_with_1():
    result = check("misbehave[how=nan,at=1]")
    assert result.exit_code == 1
    text = click.unstyle(result.output)
    assert "  ✗ A run ends with finite losses and metrics\n      misbehave[how=nan" in text
    assert "  - Too few domains are refused before any training\n      it takes any" in text


def test_a_package_is_checked_as_a_whole_and_json_holds_everything():
    result = check("tiny-mlt", "--json")
    assert result.exit_code == 1
    listing = {entry["name"]: entry for entry in json.loads(result.output)}
    assert set(listing) == {"tiny-mlt", "misbehave"}
    assert listing["tiny-mlt"]["kind"] == "data set"
    assert listing["tiny-mlt"]["distribution"] == "tiny-mlt"
    points = {point["name"]: point for point in listing["misbehave"]["points"]}
    assert points["source"]["status"] == "failed"
    assert points["needs"]["status"] == "skipped"
    assert points["loss"]["sentence"] == "Its loss is finite and differentiable"
    assert {point["status"] for point in listing["tiny-mlt"]["points"]} >= {"passed"}


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'focal'"):
        check("fokal")
