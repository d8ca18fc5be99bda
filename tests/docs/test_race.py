"""docs/race.md shows what the command prints, and the methods that it starts."""

from __future__ import annotations

from commands import ROOT
from race_example import example

from ltbench.session.race import ONE_DOMAIN, SEVERAL_DOMAINS

PAGE = (ROOT / "docs" / "race.md").read_text(encoding="utf-8")


def test_the_output_on_the_page_is_what_is_printed(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert f"```text\n{example()}\n```" in PAGE


def test_the_methods_on_the_page_are_those_that_race():
    for methods in (ONE_DOMAIN, SEVERAL_DOMAINS):
        assert ", ".join(f"`{name}`" for name in methods) in " ".join(PAGE.split())
