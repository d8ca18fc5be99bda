"""Commands that are printed to be typed next know what this one knew."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.main import cli
from ltbench.cli.status import status
from ltbench.command_start import command_start, command_words
from ltbench.report.command import commands_for
from ltbench.results.frame import load_runs
from ltbench.session.dataset_states import dataset_checks


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Return the words that give two plugin files, one of which has to be quoted."""
    words = []
    for name in ("one.py", "another one.py"):
        (tmp_path / name).write_text("")
        words += ["--plugin", str(tmp_path / name)]
    return words


def inside(given: list[str], ask: object) -> object:
    with cli.make_context("ltbench", [*given, "status"]) as root, click.Context(status, root):
        return ask()


def test_it_is_the_name_alone_where_no_file_was_given(given):
    assert command_start() == "ltbench"
    assert inside([], command_start) == "ltbench"
    assert inside(given, command_words) == ["ltbench", *given]
    assert inside(given[2:], command_start) == f"ltbench --plugin '{given[3]}'"


def test_an_option_of_a_command_is_none_of_ltbench():
    @click.command()
    @click.option("--plugins", multiple=True)
    def own(plugins):
        click.echo(command_start())

    assert CliRunner().invoke(own, ["--plugins", "x"]).output == "ltbench\n"


def test_pages_and_status_begin_their_commands_so(given, tmp_path):
    write_run(tmp_path / "runs", algo="boda", error="failed")
    if "status" not in cli.commands:
        cli.add_command(status)
    said = CliRunner().invoke(cli, [*given[:2], "status", str(tmp_path / "runs")]).output
    assert f"  ltbench --plugin {given[1]} retry {tmp_path / 'runs'}" in said
    done = write_run(tmp_path / "runs")
    table = load_runs(done).table
    (command,) = inside(given[:2], lambda: commands_for(table))
    assert command.startswith(f"ltbench --plugin {given[1]} run --algo erm")
    assert commands_for(table)[0].startswith("ltbench run --algo erm")


def test_advice_on_data_sets_begins_so(given, tmp_path):
    found = inside(given[:2], lambda: list(dataset_checks(tmp_path)))
    assert f"ltbench --plugin {given[1]} data prepare pacs-mlt" in [check.to_do for check in found]
