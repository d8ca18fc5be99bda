"""``ltbench plugins info``."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from ltbench.cli.plugins import plugins
from ltbench.errors import UsageError
from ltbench.plugins.description import describe_entry, find_entries
from ltbench.plugins.manager import KINDS, get_plugins


def ask(*arguments: str) -> str:
    result = CliRunner().invoke(plugins, ["info", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return click.unstyle(result.output)


def test_an_algorithm_shows_its_paper_needs_and_hyper_parameters():
    text = ask("boda")
    assert text.startswith("boda  Balanced domain-class distribution alignment (algorithm of ")
    assert "arXiv:2203.09513" in text
    assert "Needs  at least 2 domains" in text
    (row,) = [line.split() for line in text.splitlines() if line.startswith("nu ")]
    assert row[:4] == ["nu", "0.5", "≥", "0"]
    assert "calibration exponent" in text


def test_bounds_choices_and_search_ranges_are_shown():
    lines = {line.split()[0]: line for line in ask("logit-adjust").splitlines() if line.strip()}
    assert "class, pair" in lines["prior"]
    assert "0.25 … 2.5" in lines["tau"]
    gamma = next(line for line in ask("focal").splitlines() if line.startswith("gamma"))
    assert "0.5 … 5 log" in gamma


def test_a_stage_says_what_it_stands_on_and_whether_it_trains():
    crt, tau_norm = ask("crt"), ask("tau-norm")
    assert "class-balanced batches, an algorithm before it (erm unless named)" in crt
    assert "no training" in tau_norm
    assert "no training" not in crt
    assert "input-mixup unless named" in ask("mislas")


def test_options_after_the_name_are_passed_over():
    assert ask("focal[gamma=2]") == ask("focal")


def test_a_metric_says_what_its_values_mean_and_when_it_is_computed():
    text = ask("brier-score")
    assert "Computed  of the chosen model alone\nbrier_score  Brier score, lower is better" in text
    text = ask("class-recalls")
    assert "gmean              geometric mean of recalls, %, higher is better" in text
    assert "Computed  at every evaluation\nloss  loss, nats, lower is better" in ask("loss")
    (found,) = json.loads(ask("top5-accuracy", "--json"))
    assert found["measures"]["top5_accuracy"]["better"] == "higher"
    assert found["every_evaluation"] is False


def test_json_holds_everything():
    (focal,) = json.loads(ask("focal", "--json"))
    assert focal["kind"] == "algorithm"
    assert focal["needs"] == ["any number of domains"]
    assert focal["parameters"][0] == {
        "name": "gamma",
        "type": "float",
        "default": "1.0",
        "allowed": "≥ 0",
        "search": "0.5 … 5 log",
        "help": "weight of hard images; 0 is erm",
    }


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match="there is no plugin 'bodda'; did you mean 'boda'"):
        find_entries(get_plugins(), "bodda")
    with pytest.raises(UsageError, match="no plugin 'zzzz'; `ltbench plugins list` names all"):
        find_entries(get_plugins(), "zzzz")


@pytest.mark.parametrize("kinds", KINDS)
def test_every_plugin_can_be_described(kinds):
    for entry in get_plugins()[kinds]:
        if entry.distribution == "ltbench":
            description = describe_entry(entry)
            assert description.text, f"{entry.kind} '{entry.name}' has no docstring"
