"""What `ltbench reproduce` knows of the two publications."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import click
import pytest

from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import parse_chains, parse_names
from ltbench.plugins.resolve import resolve
from ltbench.session.plan import Request, plan_runs
from ltbench.session.reproductions import Reproduction, find_reproduction, reproductions

# As the two documents have them. Of the BRL paper the project has Table 2 and Figure 3 on.
EXPECTED = [
    *(f"brl-table{i}" for i in range(2, 12)),
    *(f"brl-fig{i}" for i in range(3, 9)),
    *(f"thesis-table-5.{i}" for i in range(1, 11)),
    *(f"thesis-table-a{i}" for i in range(1, 17)),
    *(f"thesis-fig2.{i}" for i in range(1, 5)),
    *(f"thesis-fig3.{i}" for i in range(1, 4)),
]
SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
ALL = [pytest.param(one, id=one.name) for one in reproductions() if not one.nothing]


def test_every_table_and_figure_is_there_in_the_order_of_print():
    assert [one.name for one in reproductions()] == EXPECTED


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the documents are not here")
def test_the_documents_have_no_others():
    paper = (SEEDS / "brl-paper-experiments-2025.txt").read_text(encoding="utf-8")
    listed = re.findall(r"Tables? ((?:\d+(?:, | and )?)+)", paper)
    found = {f"brl-table{i}" for numbers in listed for i in re.findall(r"\d+", numbers)}
    found |= {f"brl-fig{i}" for i in re.findall(r"Fig(?:\.|ure) (\d+)", paper)}
    thesis = (SEEDS / "thesis-long-tailed-recognition-2025.txt").read_text(encoding="utf-8")
    tables = re.findall(r"^Table ([\dA]+)\.(\d+):", thesis, re.M)
    found |= {f"thesis-table-a{i}" for chapter, i in tables if chapter == "A"}
    found |= {f"thesis-table-{chapter}.{i}" for chapter, i in tables if chapter != "A"}
    found |= {f"thesis-fig{i}" for i in re.findall(r"^Figure (\d\.\d):", thesis, re.M)}
    assert found == set(EXPECTED)


@pytest.mark.parametrize("mini", [False, True], ids=["full", "mini"])
@pytest.mark.parametrize("one", ALL)
def test_the_program_takes_its_commands(one: Reproduction, mini: bool, command_line, tmp_path):
    lines = [one.run_words(tmp_path, mini)] * one.trains + one.end_words(tmp_path, mini)
    assert lines
    for words in lines:
        assert "{" not in " ".join(words)
        name, command, rest = command_line.resolve_command(click.Context(command_line), list(words))
        assert command is not None
        while isinstance(command, click.Group):
            name, command, rest = command.resolve_command(click.Context(command), rest)
        command.make_context(name, rest, parent=click.Context(command_line))


@pytest.mark.parametrize("one", [case for case in ALL if case.values[0].trains])
def test_what_it_trains_exists(one: Reproduction):
    for mini in (False, True):
        options = one.options(mini)
        algos, datasets = ([o] if isinstance(o, str) else o for o in
                           (options["algo"], options["dataset"]))  # fmt: skip
        for chain in (chain for text in algos for chain in parse_chains(text)):
            for i, name in enumerate(chain):
                stage = i or name.name in get_plugins()["stages"]
                resolve("stages" if stage else "algorithms", name.name, name.options)
        for name in (name for text in datasets for name in parse_names(text)):
            resolve("datasets", name.name, name.options)


@pytest.mark.parametrize("name", ["brl-fig7", "brl-table11", "thesis-table-5.6"])
def test_the_numbers_of_runs_are_those_of_the_plan(name: str, tmp_path: Path):
    """Counted from names, without torch; a default that is typed twice would count twice."""
    one = find_reproduction(name)
    algos = [[o] if isinstance(o, str) else o for o in (one.full["algo"], one.mini["algo"])]
    dataset, backbone = one.mini["dataset"], one.mini.get("backbone")
    for mini, methods in zip((False, True), algos, strict=True):
        seeds = range(one.options(mini)["seeds"])
        request = Request(methods, [dataset], seeds, "fp32", tmp_path, backbone=backbone)
        plan = plan_runs(request, show=False)
        assert len({(spec.hash, spec.seed) for spec in plan.specs}) == one.runs(mini)


def test_the_paper_s_values_are_all_there():
    one = find_reproduction("brl-fig7")
    chains = [chain[0] for text in one.full["algo"] for chain in parse_chains(text)]
    values = {1e-7, 1e-5, 1e-3, 0.01, 0.1, 1, 10, 100, 1e3, 1e4}
    for key, default in (("alpha", 1e-3), ("beta", 0.01), ("gamma", 10)):
        assert {c.options[key] for c in chains if key in c.options} == values - {default}


def test_tables_of_the_same_runs_share_them(tmp_path):
    shared = [find_reproduction(f"thesis-table-{n}") for n in ("5.1", "5.2", "a1", "a2", "a4")]
    for mini in (False, True):
        assert len({tuple(one.run_words(tmp_path, mini)) for one in shared}) == 1
    folders = {find_reproduction(f"brl-table{i}").folder(tmp_path, False) for i in range(3, 11)}
    assert len(folders) == 1


def test_what_is_typed_is_said(tmp_path):
    one = find_reproduction("brl-fig7").typed({"seeds": "0,3", "precision": "bf16"})
    assert one.runs(True) == 22
    assert one.run_words(tmp_path, True).count("--seeds") == 1
    said = one.what_differs(True)
    assert "seeds: 0,3 in place of 5." in said
    assert "precision: bf16 in place of the default." in said
    assert "dataset: digits-mini-mlt in place of digits-mlt." in said
    assert not any(line.startswith("dataset") for line in one.what_differs(False))


def test_the_nearest_name_is_suggested():
    with pytest.raises(UsageError, match="did you mean 'brl-fig7'"):
        find_reproduction("brl-figg7")


def test_every_file_is_read_and_holds_nothing_else():
    folder = resources.files("ltbench.reproduction")
    known = {"source", "differs", "less", "run", "mini", "ends", "shows"}
    shown = {"name", "title", "end", "run", "mini", "differs", "less", "nothing"}
    for path in folder.iterdir():
        if path.name.endswith(".toml") and path.name != "sources.toml":
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            assert set(content) <= known, path
            assert all(set(entry) <= shown for entry in content["shows"]), path


def test_the_how_to_says_which_model_has_which_tables():
    page = (Path(__file__).parents[2] / "docs" / "reproduce.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", page, re.M)
    assert len(rows) == 4
    for backbone, *numbers in rows:
        for number in re.findall(r"[\dA]+\.\d+", " ".join(numbers)):
            one = find_reproduction(f"thesis-table-{number.replace('A.', 'a')}")
            assert one.full["backbone"] == backbone
