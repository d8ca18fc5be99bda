"""Docstrings, as the project writes them, turned into Markdown."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from types import ModuleType

from ltbench.plugins.description import inline

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields|Environment variables):")
_ITEM = re.compile(r"([^\s:][^:]*): (.*)")


def as_markdown(text: str | None) -> str:
    """Return a docstring's text as Markdown, sections as lists."""
    lines = inspect.cleandoc(text or "").splitlines()
    out: list[str] = []
    while lines:
        line = lines.pop(0)
        if _SECTION.fullmatch(line):
            body = _indented(lines)
            out += ["", f"**{line[:-1]}**", "", *_items(body), ""]
        elif line.endswith("::"):
            code = _indented(lines)
            out += [inline(line[:-1]) if len(line) > 2 else "", "", "```python"]
            out += [*inspect.cleandoc("\n".join(["", *code])).splitlines(), "```", ""]
        else:
            out.append(inline(line))
    return "\n".join(out).strip()


def first_line(text: str | None) -> str:
    """Return the first sentence of a docstring, on one line."""
    paragraph = inspect.cleandoc(text or "").split("\n\n")[0]
    return inline(" ".join(paragraph.split()))


def constants(module: ModuleType) -> dict[str, str]:
    """Return the text under each assignment of a module, by the name assigned."""
    body = ast.parse(inspect.getsource(module)).body
    texts = {}
    for node, after in itertools.pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(after, ast.Expr):
            value, target = after.value, node.targets[0]
            if isinstance(value, ast.Constant) and isinstance(target, ast.Name):
                texts[target.id] = str(value.value)
    return texts


def source_of(module: ModuleType, name: str) -> str:
    """Return what is assigned to a name of a module, as it is written there."""
    text = inspect.getsource(module)
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return ast.get_source_segment(text, node) or ""
    return ""


def _indented(lines: list[str]) -> list[str]:
    """Take the indented lines at the front, blank ones among them."""
    taken = []
    while lines and (not lines[0].strip() or lines[0].startswith(" ")):
        taken.append(lines.pop(0))
    return taken


def _items(body: list[str]) -> list[str]:
    items: list[str] = []
    for line in inspect.cleandoc("\n".join(["", *body])).splitlines():
        match = _ITEM.fullmatch(line)
        if match and not line.startswith(" "):
            name, text = match.groups()
            names = ", ".join(f"`{part.strip().strip('`')}`" for part in name.split(","))
            items.append(f"- {names}: {inline(text)}")
        elif items and line.strip():
            items[-1] += f" {inline(line.strip())}"
        elif line.strip():
            items.append(inline(line))
    return items
