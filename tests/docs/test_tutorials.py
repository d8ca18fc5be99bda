"""Every tutorial is followed from its first line to its last."""

from __future__ import annotations

import re

import pytest
from tutorial import ROOT, TUTORIALS, Command, File, Reader, first_missing, read

PAGES = sorted(page.stem for page in TUTORIALS.glob("*.md") if page.stem != "index")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works_on_small_data(page, tmp_path):
    follow(page, Reader(tmp_path, hurried=True))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_reader_who_types_what_the_page_says_sees_what_it_shows(page, tmp_path):
    follow(page, Reader(tmp_path, hurried=False))


def follow(page: str, reader: Reader) -> None:
    for step in read(TUTORIALS / f"{page}.md"):
        reader.follow(step)


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_writes_a_plugin_and_uses_it(page):
    steps = read(TUTORIALS / f"{page}.md")
    assert any(isinstance(step, File) and "@hookimpl" in step.text for step in steps)
    assert any(isinstance(step, Command) and step.output for step in steps)


def test_the_plugin_of_the_readme_conforms(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python\n(# squared\.py\n.*?)^```$", text, re.M | re.S)
    reader = Reader(tmp_path, hurried=True)
    reader.follow(File("squared.py", source))
    reader.follow(
        Command("ltbench --plugin squared.py plugins check squared", ["… points passed…"])
    )


def test_output_that_differs_is_seen():
    assert first_missing(["a … c", "d"], "a b c\nd\n") is None
    assert first_missing(["d", "a"], "a\nd\n") == "a"
    assert first_missing(["erm …/5"], "erm 3/4") == "erm …/5"
    assert first_missing(["a … c …", "e"], "a b\n  c d\ne\n") is None
    assert first_missing(["a … e"], "a b\n  c d\ne\n") == "a … e"
    assert first_missing(["a …", "b"], "a c\nb\n") is None


def test_a_page_is_read_in_its_order(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        'Text.\n\n```python title="a/b.py"\nx = 1\n```\n\n'
        "```console\n$ ltbench run \\\n    --dry-run\n1 run\n$ ls\n```\n"
    )
    assert read(page) == [
        File("a/b.py", "x = 1\n"),
        Command("ltbench run  --dry-run", ["1 run"]),
        Command("ls", []),
    ]


def test_a_file_block_is_not_forgotten_for_want_of_a_title():
    for page in PAGES:
        text = (TUTORIALS / f"{page}.md").read_text(encoding="utf-8")
        for info, body in re.findall(r"^```(python[^\n]*)\n(.*?)^```$", text, re.M | re.S):
            assert "title=" in info or "import" not in body, f"{page}: {body[:80]}"
