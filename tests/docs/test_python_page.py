"""The page on Python runs from its first line to its last."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import reference

import ltbench

PAGE = Path(__file__).parents[2] / "docs/python.md"


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert printed.startswith("4 []")
    assert "| bsoftmax |" in printed
    assert (tmp_path / "board.html").is_file()
    assert (tmp_path / "violin.png").is_file()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


@pytest.mark.parametrize("cls", [ltbench.Runs, ltbench.Run])
def test_the_reference_has_all_that_runs_have(pages, cls):
    page = pages["python.md"]
    own = {name: value for name, value in vars(cls).items() if not name.startswith("_")}
    assert len(own) > 6
    for name, value in own.items():
        if isinstance(value, property):
            assert f"### {cls.__name__}.{name}\n" in page
            continue
        assert f"### {cls.__name__}.{name}()\n" in page
        shown = page.partition(f"### {cls.__name__}.{name}()\n")[2].partition("\n##")[0]
        code = re.findall(r"```python\n(.*?)```", shown, re.S)[0]
        for argument in inspect.signature(value).parameters:
            assert re.search(rf"\b{argument}\b", code), (name, argument)


@pytest.mark.parametrize("name", ["run", "load"])
def test_the_reference_has_the_arguments_of_the_calls(pages, name):
    section = pages["python.md"].partition(f"## ltbench.{name} ")[2]
    section = section.partition("\n## ")[0]
    for argument in inspect.signature(getattr(ltbench, name)).parameters:
        assert len(re.findall(rf"\b{argument}\b", section)) > 1, argument


def test_signatures_are_as_they_are_written(pages):
    page = " ".join(pages["python.md"].split())
    assert "seeds: int | Sequence[int] = 5, *, out: Place = 'runs', data_dir: Place | None" in page
    assert "def load(*folders: Place) -> Runs" in page
    assert "def model(self, device: str = 'cpu') -> Network" in page
    assert [name for name, text in pages.items() if " at 0x" in text] == []
