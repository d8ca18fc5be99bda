"""A report as one self-contained HTML page that asks nothing of any network."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup, escape

from ltbench import __version__
from ltbench.report.section import Cell, Report


def page(report: Report) -> str:
    """Return the page."""
    sections = [*report.sections, *([report.origin()] if report.origin else [])]
    return _template("page.html.j2").render(
        report=report,
        sections=sections,
        domains=list(dict.fromkeys(part.domain for part in sections if part.domain)),
        notes=() if report.origin else report.notes,
        version=__version__,
        css=Markup(_asset("page.css")),
        script=Markup(_asset("page.js")),
    )


def fragment(report: Report) -> str:
    """Return the tables and notes for a place that has a style of its own, such as a notebook."""
    return _template("fragment.html.j2").render(report=report)


def _template(name: str) -> Template:
    templates = Environment(
        loader=PackageLoader("ltbench.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"prose": _prose, "cell": _cell}
    return templates.get_template(name)


def _asset(name: str) -> str:
    return (resources.files("ltbench.report") / "templates" / name).read_text(encoding="utf-8")


def _prose(text: str) -> Markup:
    """Return text with what stands in backticks as code, and all else escaped."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts)
    )


def _cell(text: str) -> Cell:
    """Return the text with the value that sorts it."""
    if isinstance(text, Cell):
        return text
    return Cell(text, "" if text == "—" else text.lstrip("<").replace("−", "-"))
