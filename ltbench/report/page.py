"""A report as one self-contained HTML page that asks nothing of any network."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup, escape

from ltbench import __version__
from ltbench.report.section import Cell, Report

_SOURCE = re.compile(r"arXiv:(\d{4}\.\d{4,5})|https://(?:doi\.org|github\.com)/[\w./()-]*[\w/]")


def page(report: Report) -> str:
    """Return the page."""
    sections = [*report.sections, *([report.origin()] if report.origin else [])]
    return _template("page.html.j2").render(
        report=report,
        sections=sections,
        domains=list(dict.fromkeys(part.domain for part in sections if part.domain)),
        partly=any(part.domain is None for part in report.sections),
        notes=() if report.origin else report.notes,
        version=__version__,
        css=Markup(_asset("page.css")),
        script=Markup(_asset("page.js")),
    )


def fragment(report: Report) -> str:
    """Return the tables and notes for a place that has a style of its own, such as a notebook."""
    return _template("fragment.html.j2").render(report=report)


@cache
def _template(name: str) -> Template:
    templates = Environment(
        loader=PackageLoader("ltbench.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"prose": _prose, "cell": _cell, "linked": _linked}
    return templates.get_template(name)


@cache
def _asset(name: str) -> str:
    return (resources.files("ltbench.report") / "templates" / name).read_text(encoding="utf-8")


def _prose(text: str) -> Markup:
    """Return text with what stands in backticks as code, papers as links, and all else escaped."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else _with_sources(part)
        for i, part in enumerate(text.split("`"))
    )


def _with_sources(text: str) -> Markup:
    """Return escaped text with links to papers and code: arXiv, DOI, GitHub and no others."""
    parts, end = [], 0
    for found in _SOURCE.finditer(text):
        href = f"https://arxiv.org/abs/{found[1]}" if found[1] else found[0]
        parts += [escape(text[end : found.start()]), _anchor(href, found[0])]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _linked(cell: Cell) -> Markup:
    """Return the text of a cell with its link, if it has one."""
    return _anchor(cell.href, str(cell)) if cell.href else escape(str(cell))


def _anchor(href: str, text: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(href, text)


def _cell(text: str) -> Cell:
    """Return the text with the value that sorts it."""
    if isinstance(text, Cell):
        return text
    return Cell(text, "" if text == "—" else text.lstrip("<").replace("−", "-"))
