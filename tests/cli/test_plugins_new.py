"""``ltbench plugins new``; that the tests of its projects pass is in tests/example."""

from __future__ import annotations

import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltbench.cli.plugins import plugins
from ltbench.errors import UsageError
from ltbench.plugins.hookspecs import VERSION
from ltbench.plugins.scaffold import HOOKS, write_project


def new(*arguments: str) -> str:
    result = CliRunner().invoke(plugins, ["new", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("kind", HOOKS)
def test_a_project_is_whole(kind, tmp_path):
    said = new(kind, "moth-like", "--into", str(tmp_path))
    project = tmp_path / "moth-like"
    assert f"cd {project} && pip install -e . && pytest" in said
    table = tomllib.loads((project / "pyproject.toml").read_text())
    assert table["project"]["entry-points"]["ltbench"] == {"moth_like": "moth_like.plugin"}
    assert table["tool"]["pytest"]["ini_options"]["addopts"] == "--ltbench moth-like"
    for path in project.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
        assert str(path) in said
    text = (project / "moth_like" / "plugin.py").read_text()
    assert f"def {HOOKS[kind]}(register)" in text
    assert f"__ltbench_hooks__ = {VERSION}" in text


def test_what_comes_next_can_be_typed(tmp_path):
    said = new("metric", "squaree", "--into", str(tmp_path / "my ideas"))
    (line,) = (line for line in said.splitlines() if line.startswith("  cd "))
    assert shlex.split(line)[1] == str(tmp_path / "my ideas" / "squaree")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("9lives", "cannot be a Python package"),
        ("a-", "cannot be a Python package"),
        ("my loss", "'my loss' is not a name: begin with a letter and use letters, digits and hyp"),
        (" loss", "' loss' is not a name: begin with a letter"),
        ("", "'' is not a name: begin with a letter"),
        ("a[b=1]", "is not a plain name: leave out the brackets"),
        ("a[b", "is not a plain name: leave out the brackets"),
        ("class", "a word of Python's own"),
        ("match", "a word of Python's own"),
        ("dataset", "a word of ltbench's own"),
        ("focal", "the name 'focal' is taken by the algorithm of ltbench"),
        ("crt", "the name 'crt' is taken by the stage of ltbench"),
        ("json", "Python has a package 'json' here already"),
    ],
)
def test_names_that_cannot_be_used_are_refused(name, says, tmp_path):
    with pytest.raises(UsageError, match=says.replace("[", r"\[")):
        write_project("algorithm", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "moths").mkdir()
    with pytest.raises(UsageError, match="moths is there already: choose another NAME"):
        write_project("dataset", "moths", tmp_path)
    assert list((tmp_path / "moths").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_project("metric", "moths", tmp_path / "file")


def test_the_kind_must_be_one_of_four():
    result = CliRunner().invoke(plugins, ["new", "executor", "mine"])
    assert result.exit_code == 2
    assert "'algorithm', 'dataset', 'stage', 'metric'" in result.output
    assert Path("mine").exists() is False
