"""No document prints a command, an option or a name that the program does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
import pytest
import reference
from commands import PAGES, ROOT, Printed, anything_exists, commands, parse, words

from ltbench.errors import UsageError
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.files import hyphenated
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_chains, parse_name, parse_names
from ltbench.plugins.registry import Entry
from ltbench.plugins.resolve import resolve
from ltbench.session.protocols import asked_protocols, protocol_of

__all__ = ["anything_exists"]

PRINTED = [
    pytest.param(page, command, id=f"{page.relative_to(ROOT)}: {command.line}")
    for page in PAGES
    for command in commands(page)
]
RUNS = [case for case in PRINTED if "run" in words(case.values[1].line)[:3]]


def own_names() -> dict[str, set[str]]:
    """Return the names that plugins of the documents register, by kind: in hooks, or as classes."""
    files = [*PAGES, *ROOT.glob("docs/*.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    found: dict[str, set[str]] = {}
    pattern = r"def ltbench_(\w+)\(register(?:: \w+)?\)(?: -> None)?:(.*?)(?=^def |^@|^```|\Z)"
    for kinds, body in re.findall(pattern, text, re.M | re.S):
        found.setdefault(kinds, set()).update(re.findall(r'register\(\s*"([^"]+)"', body))
    for name, base in re.findall(
        r"^class (\w+)\((Algorithm|Stage|Dataset|Observer)\):", text, re.M
    ):
        found.setdefault(f"{base.lower()}s", set()).add(hyphenated(name))
    return found


@pytest.fixture(scope="module")
def cli() -> Iterator[click.Group]:
    for name in own_names()["figures"]:  # names that the command line itself reads
        get_plugins()["figures"].add(Entry("figure", name, "its:own", "", "docs", "1"))
    group = reference.commands()
    tables = group.commands["tables"]
    assert isinstance(tables, click.Group)
    for name in own_names()["tables"]:
        params: list[click.Parameter] = [click.Argument(["runs"], nargs=-1)]
        params += [click.Option([option]) for option in ("-o", "--score")]
        tables.add_command(click.Command(name, params=params))
    for page in PAGES:
        for name in re.findall(r"^def (\w+)\(.*\):\n    \"\"\"List", page.read_text(), re.M):
            group.add_command(click.Command(name, params=[
                click.Argument(["runs"], required=False), click.Option(["-n", "--number"])
            ]))  # fmt: skip
    yield group
    get_plugins.cache_clear()


@pytest.fixture(autouse=True)
def _sweep_file(tmp_path, monkeypatch):
    """Lay the page's own sweep file, and the project's boards, where the commands are given."""
    (tmp_path / "leaderboards").symlink_to(ROOT / "leaderboards")
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    example = re.search(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    assert example is not None
    (tmp_path / "sweep.toml").write_text(example[1])
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("anything_exists")
@pytest.mark.parametrize(("page", "command"), PRINTED)
def test_the_program_takes_what_the_page_prints(page, command, cli):
    try:
        parse(cli, command)
    except click.UsageError as error:
        pytest.fail(f"{page}: {command.line}: {error.format_message()}")


@pytest.mark.usefixtures("anything_exists")
@pytest.mark.parametrize(("page", "command"), RUNS)
def test_what_is_to_be_trained_exists(page, command, cli):
    if command.refused:
        with pytest.raises(UsageError):
            check_all(parse(cli, command))
    else:
        check_all(parse(cli, command))


def check_all(options: dict[str, Any]) -> None:
    """Check that all that a run names exists and has the options given."""
    for text in options.get("algos", ()):
        for chain in parse_chains(text):
            for name in chain:
                check(name, "algorithms", "stages")
    for text in options.get("datasets", ()):
        for name in parse_names(text):
            check(name, "datasets")
            check_protocols(options["protocol"], name.name)
    if options.get("executor"):
        check(parse_name(options["executor"]), "executors")
    for text in options.get("observers", ()):
        for name in parse_names(text):
            check(name, "observers")


def check_protocols(text: str | None, dataset: str) -> None:
    """Check that protocols exist and have the settings given; a page's own file is not read."""
    if text and not text.endswith(".toml"):
        for asked in asked_protocols(text):
            if asked is None or asked.name not in own_names().get("protocols", ()):
                protocol_of(registry_facts(dataset), asked)


def check(name: Name, *kinds: str) -> None:
    """Check that a name is registered as one of these kinds and has these options."""
    plugins = get_plugins()
    if name.name.isupper() or any(name.name in own_names().get(kind, ()) for kind in kinds):
        return
    found = next((kind for kind in kinds if name.name in plugins[kind]), None)
    assert found is not None, f"there is no {kinds[0]} '{name.name}'"
    resolve(found, name.name, name.options)


def test_the_pages_hold_commands_of_every_kind():
    first = {word for case in PRINTED for word in words(case.values[1].line)[:1]}
    assert len(PRINTED) > 100
    assert len(RUNS) > 30
    assert first >= {"run", "leaderboard", "stats", "figures", "tables", "report", "data"}


@pytest.mark.usefixtures("anything_exists")
@pytest.mark.parametrize(
    "line",
    [
        "ltbench rum --algo erm --dataset digits-mini-mlt",
        "ltbench run --algo erm --dataset digits-mini-mlt --stepps 3",
        "ltbench run --algo erm",
        "ltbench leaderboard --format word",
        "ltbench data preapre pacs-mlt",
        "ltbench --plugins x.py run --algo erm --dataset digits-mini-mlt",
        "ltbench figures violins",
    ],
)
def test_a_command_that_does_not_exist_is_found(line, cli):
    with pytest.raises(click.UsageError):
        parse(cli, Printed(line))


@pytest.mark.usefixtures("anything_exists")
def test_running_text_may_leave_out_what_is_not_meant(cli):
    assert parse(cli, Printed("ltbench run", whole=False)) == {}
    assert parse(cli, Printed("ltbench run --observer", whole=False)) == {}
    with pytest.raises(click.UsageError):
        parse(cli, Printed("ltbench run --stepps 3", whole=False))


@pytest.mark.parametrize(
    "name", [Name("boda2"), Name("boda", {"wieght": 1}), Name("brl", {"cb": 2})]
)
def test_a_name_that_does_not_exist_is_found(name):
    with pytest.raises(Exception, match=name.name):
        check(name, "algorithms", "stages")


def test_commands_are_found_wherever_they_stand(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Type `ltbench data\nlist|info` or\n\n    ltbench run --algo erm | tee x\n\n"
        "```console\n$ A=1 ltbench stats \\\n    --power 2 > y\n"
        "$ pip install . && ltbench report  # all\n```\nltbench is not a command here.\n"
        "```\nltbench run --algo erm …\n```\n"
    )
    found = [(words(command.line), command.whole) for command in commands(page)]
    assert found == [
        (["run", "--algo", "erm"], True),
        (["stats", "--power", "2"], True),
        (["report"], True),
        (["run", "--algo", "erm"], False),
        (["data", "list"], False),
        (["data", "info"], False),
    ]
