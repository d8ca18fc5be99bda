"""Adds to the pages in ``docs/`` those that lie or come from elsewhere.

The reference and the table of all methods are rendered from the program; the README is the first
page; the changelog, the page for contributors and the leaderboards are shown as they are, and the
boards as the site that ``ltbench site`` makes of them as well. The page that is a notebook is
executed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import methods
import notebook
import reference
import sources

from ltbench.report.page import page
from ltbench.report.pages.build import site_files
from ltbench.report.section import Report

ROOT = Path(__file__).parents[2]

TITLE = "The boards of ltbench"
FRONT = {"docs/": "", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
LEADERBOARD = {"../docs/": "../"}
BESIDE = {**FRONT, "leaderboards/": "leaderboards/"}
"""Where the site has what lies beside ``docs/``."""


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages, and put the notebook's outputs into it; MkDocs calls this."""
    from mkdocs.structure.files import File

    for path, content in {**generated(), **notebook.pages()}.items():
        if path in files.src_uris:
            files.remove(files.src_uris[path])
        files.append(File.generated(config, path, content=content))
    return files


def generated() -> dict[str, str | bytes]:
    """Return what is added to the site, by path."""
    pages: dict[str, str | bytes] = {
        f"reference/{path}": text for path, text in reference.pages().items()
    }
    pages[methods.PAGE] = methods.page()
    pages["reference/sources.md"] = sources.page()
    pages["index.md"] = relink((ROOT / "README.md").read_text(encoding="utf-8"), FRONT)
    pages["contributing.md"] = relink((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), FRONT)
    pages["changelog.md"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "leaderboards").iterdir()):
        if path.suffix in (".md", ".toml", ".jsonl", ".csv"):
            content: str | bytes = path.read_bytes()
            if path.suffix == ".md":
                content = relink(path.read_text(encoding="utf-8"), LEADERBOARD)
                content = content.replace("\\<", "&lt;")  # GitHub's escape, unknown here
            pages[str(path.relative_to(ROOT))] = content
    return pages | {f"boards/{address}": content for address, content in boards().items()}


def boards() -> dict[str, bytes]:
    """Return the site of the boards that have rows, by address."""
    folder = ROOT / "leaderboards"
    if not any(folder.glob("*.jsonl")):
        empty = Report((), title="Boards", lead="No board has rows yet.")
        return {"index.html": page(empty).encode()}
    return site_files(folder, title=TITLE, command="ltbench site leaderboards")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Have links from ``docs/`` to what lies beside it lead to where the site has that."""
    up = "../" * page.file.src_uri.count("/")
    return relink(markdown, {f"{up}../{old}": f"{up}{new}" for old, new in BESIDE.items()})


def relink(text: str, places: dict[str, str]) -> str:
    """Return Markdown whose links begin differently."""
    for old, new in places.items():
        text = re.sub(rf"\]\({re.escape(old)}", f"]({new}", text)
    return text
