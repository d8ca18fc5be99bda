"""What is printed without a report fits into a terminal of 80 columns, or of the user's own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from ltbench.cli.columns import beside
from ltbench.cli.data import data
from ltbench.cli.main import COMMANDS, cli
from ltbench.cli.plugins import plugins
from ltbench.plugins.manager import get_plugins


def walk(command: click.Command, name: str):
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            assert found is not None
            yield from walk(found, f"{name} {sub}")


def test_every_help_fits():
    for name in COMMANDS:
        importlib.import_module(f"ltbench.cli.{name}").ltbench_commands(cli)
    pages = dict(walk(cli, "ltbench"))
    assert len(pages) > 25
    for name, command in pages.items():
        context = click.Context(command, info_name=name, terminal_width=80)
        for line in command.get_help(context).splitlines():
            assert len(line) <= 80, f"{name}: {line}"


@pytest.mark.parametrize("group", [plugins, data])
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lists_fit(group, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = CliRunner().invoke(group, ["list"], catch_exceptions=False).stdout.splitlines()
    assert max(map(len, lines)) <= columns


def test_hyper_parameters_fit(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(plugins, ["info", "boda"], catch_exceptions=False).stdout
    table = text[text.index("hyper-parameter  default") :].splitlines()
    assert max(map(len, table)) <= 80
    assert "any algorithm that is a loss on logits, with its options" in " ".join(text.split())


def test_a_list_says_all_of_a_summary_on_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = CliRunner().invoke(plugins, ["list"], catch_exceptions=False).stdout
    said = " ".join(text.split())
    for kinds in ("algorithms", "tables", "datasets"):
        for entry in get_plugins()[kinds]:
            assert f"{entry.name} {' '.join(entry.summary.split())}" in said
            assert f"({entry.distribution} {entry.version})" in text


def test_without_a_terminal_there_are_80_columns():
    done = subprocess.run(
        [sys.executable, "-m", "ltbench", "plugins", "list"],
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_what_closes_a_text_stays_in_one_piece(monkeypatch):
    monkeypatch.setenv("COLUMNS", "42")
    assert beside("  erm  ", "Cross-entropy over all domains", last="(ltbench 0.1.0)") == (
        "  erm  Cross-entropy over all domains\n       (ltbench 0.1.0)"
    )
    assert beside("a  ", "") == "a"
