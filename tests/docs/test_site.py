"""The site holds every page, and says of the program what the program says of itself."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import docstrings
import pytest
import reference

from ltbench import api, testing
from ltbench.plugins.manager import KINDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


@pytest.mark.parametrize("kinds", KINDS)
def test_everything_registered_has_a_section_with_its_parameters(kinds, pages):
    page = pages[f"{kinds}.md"]
    for entry in reference.entries(kinds):
        assert f"\n## {entry.name} {{ #" in page
        if kinds != "metrics":
            for parameter in getattr(entry.load(), "HParams", reference.api.HParams).bounds():
                assert f"| `{parameter}` |" in page


def test_what_others_install_stays_out(pages):
    assert "misbehave" not in pages["algorithms.md"]  # a plugin that the tests install
    assert "tiny-mlt" not in pages["datasets.md"]


def test_every_metric_says_which_names_it_gives(pages):
    for name in ("accuracy_worst_pair", "f1_worst_class", "accuracy_zero", "loss_worst", "ece"):
        assert f"`{name}`" in pages["metrics.md"]


def test_every_command_has_its_usage_its_options_and_its_examples(pages):
    page = pages["commands.md"]
    sections = dict(
        re.findall(r"^#{2,4} (ltbench[^\n]*)\n(.*?)(?=^#{2,4} ltbench|\Z)", page, re.M | re.S)
    )
    found = list(walk(reference.commands(), "ltbench"))
    assert {name for name, _ in found} == set(sections)
    for name, command in found:
        assert f"```text\n{name} [OPTIONS]" in sections[name]
        assert f"```bash\n{name}" in sections[name] or "```bash\nltbench" in sections[name]
        for parameter in command.params:
            for option in parameter.opts:
                assert option in sections[name] or parameter.param_type_name == "argument"


def walk(command, name):
    yield name, command
    for sub in getattr(command, "commands", {}).values():
        if not sub.hidden:
            yield from walk(sub, f"{name} {sub.name}")


def test_every_public_name_is_described(pages):
    for page, module in (("api.md", api), ("testing.md", testing)):
        for name in module.__all__:
            assert f"\n## {name} {{ #" in pages[page]


def test_docstrings_become_markdown():
    text = """Does ``x`` for :class:`~a.b.C`.

    Args:
        one: the first,
            on two lines.
        two: the second.

    Raises:
        UsageError: never.

    Like this::

        call(1)

    End.
    """
    assert docstrings.as_markdown(text) == (
        "Does `x` for `C`.\n\n\n**Args**\n\n- `one`: the first, on two lines.\n"
        "- `two`: the second.\n\n\n**Raises**\n\n- `UsageError`: never.\n\n"
        "Like this:\n\n```python\ncall(1)\n```\n\nEnd."
    )


def test_every_list_is_set_off_from_its_paragraph():
    """Markdown of the site, other than GitHub's, takes a list after a line of text for text."""
    for page in ROOT.glob("docs/**/*.md"):
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        found = re.search(r"^(?![-|>#]|\d+\. | )[^\n]+\n(?:- |\d+\. )[^\n]*", text, re.M)
        assert not found, f"{page.name}: {found[0]}"


@pytest.fixture
def site(tmp_path) -> Path:
    """The site that ``BUILT_SITE`` names, or else one that is built."""
    if built := os.environ.get("BUILT_SITE"):
        return Path(built)
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "site"


@pytest.mark.skipif(not importlib.util.find_spec("material"), reason="tox -e docs has MkDocs")
def test_the_site_has_all_parts_and_asks_nothing_of_the_network(site):
    assert (site / "boards" / "index.html").is_file()
    assert (site / "notebook.html").is_file()
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        assert not re.search(r'<(script|link|img|iframe)[^>]+(src|href)="(https?:)?//', html), page
        if page.name != "404.html":  # which is shown at any address
            assert [link for link in relative(html) if not leads(page, link)] == [], page


def relative(html: str) -> list[str]:
    plain = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    found = re.findall(r'<a\b[^>]*\shref="([^"#?]+)', plain)
    return [unquote(link) for link in found if not re.match("[a-z]+:", link)]


def leads(page: Path, link: str) -> bool:
    target = page.parent / link
    return target.is_file() or (target / "index.html").is_file()
