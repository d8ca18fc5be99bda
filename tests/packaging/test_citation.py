"""``CITATION.cff`` and the templates are what the tools that read them expect."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import ltbench

ROOT = Path(__file__).parents[2]
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def entry(key: str) -> str:
    found = re.search(rf'^{key}: "?(.*?)"?$', CITATION, re.M)
    assert found, key
    return found[1]


def test_it_cites_this_version_under_its_licence():
    assert entry("cff-version") == "1.2.0"
    assert entry("version") == ltbench.__version__
    assert entry("license") == PROJECT["project"]["license"]
    assert entry("type") == "software"
    assert entry("message")
    assert entry("title").startswith("ltbench")


def test_it_names_the_authors_and_keywords_of_the_package():
    authors = re.findall(r"^  - name: (.*)$", CITATION, re.M)
    assert authors == [author["name"] for author in PROJECT["project"]["authors"]]
    keywords = CITATION.partition("keywords:\n")[2]
    assert re.findall(r"^  - (.*)$", keywords, re.M) == PROJECT["project"]["keywords"]


def test_templates_of_issues_have_a_name_and_say_what_they_are_about():
    templates = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.md"))
    assert {path.stem for path in templates} == {"bug", "method"}
    for path in templates:
        head = re.match(r"---\nname: .+\nabout: .+\nlabels: .+\n---\n", path.read_text())
        assert head, path.name


def test_commits_are_checked_by_the_commands_of_tox():
    hooks = re.findall(
        r"entry: (\S+(?: [a-z]\w+)?)", (ROOT / ".pre-commit-config.yaml").read_text()
    )
    tox = (ROOT / "tox.ini").read_text()
    assert hooks == ["ruff check", "ruff format", "mypy"]
    assert all(re.search(rf"^(?:commands =)?\s*{hook}\b", tox, re.M) for hook in hooks)


def test_a_contributor_gets_what_the_checks_need():
    groups = PROJECT["dependency-groups"]
    included = {part["include-group"] for part in groups["dev"] if isinstance(part, dict)}
    assert included == {"test", "lint", "types"}
