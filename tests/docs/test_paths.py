"""What is said to be in a file is there: the pages for contributors do not rot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("CONTRIBUTING.md", "docs/architecture.md")
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}
FILE = re.compile(r"(?<![\w/.-])[\w.-]+(?:/[\w.<>-]+)*\.(?:py|md|ini|yml|yaml|cff)\b")
FOLDER = re.compile(r"(?<![\w/.-])[\w.-]+(?:/[\w.<>-]+)*/(?![\w.<])")


def named(text: str) -> set[str]:
    """Return the files and folders of the project that a page names, templates left out."""
    found = set(FILE.findall(text))
    found |= {path for path in FOLDER.findall(text) if path.split("/")[0] in FOLDERS}
    return {path for path in found if "<" not in path}


def unlinked(text: str) -> str:
    """Return a page without the targets of its links, which MkDocs checks."""
    return re.sub(r"\]\([^)]*\)", "]", text)


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there(page):
    text = unlinked((ROOT / page).read_text(encoding="utf-8"))
    paths = named(text)
    assert len(paths) > 15
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_places_in_a_file_is_defined_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    places = re.findall(r"`([\w/.-]+\.py)`\s+\(`(\w+)`\)", text)
    assert page == "CONTRIBUTING.md" or len(places) >= 4
    for path, name in places:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:class|def) {name}\b|^{name} =", source, re.M), (path, name)


def test_every_folder_of_the_core_and_every_first_party_package_has_its_place():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for folder in sorted((ROOT / "ltbench").iterdir()):
        if (folder / "__init__.py").is_file() and folder.name != "testing":
            assert f"ltbench/{folder.name}/" in text.replace("\n", " ") or (
                folder.name in ("models", "evaluation") and f"{folder.name}/" in text
            ), folder.name


def test_the_picture_fits_into_80_columns():
    (picture,) = re.findall(r"```text\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.S)
    assert max(map(len, picture.splitlines())) <= 80


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("see `ltbench/nowhere.py`", {"ltbench/nowhere.py"}),
        ("in `ltbench/nowhere/` and", {"ltbench/nowhere/"}),
        ("`plugins/ltbench_<family>/plugin.py`", set()),
        ("`input/output` and `result.json`", set()),
    ],
)
def test_a_path_that_is_not_there_is_found(text, missing):
    assert named(text) == missing
