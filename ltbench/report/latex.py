"""A report as LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ltbench.report.section import Grid, Report

LATEX_PACKAGES = r"% \usepackage{booktabs, amssymb, graphicx}"
"""The line that begins every piece of LaTeX."""


def latex(report: Report) -> str:
    """Return LaTeX tables for the packages of :data:`LATEX_PACKAGES`."""
    parts = [LATEX_PACKAGES]
    for part in report.sections:
        notes = [*part.findings, *part.notes]
        if not part.grids:
            parts += _paragraphs(notes)
        for grid in part.grids:
            what = part.lead if grid is part.grid else grid.title or grid.caption
            caption = f"{part.title}. {what[:1].upper()}{what[1:]}." if what else part.title
            parts.append(_table(grid, caption, notes if grid is part.grid else ()))
    return "\n\n".join([*parts, *_paragraphs(report.notes)]) + "\n"


def _table(grid: Grid, caption: str, notes: Sequence[str] = ()) -> str:
    """Return a grid as a table environment in the style of booktabs.

    One that is wider than the text is shrunk to it. Notes stand inside of the environment, so that
    they go with their table wherever LaTeX puts it.
    """
    sides = "".join("l" if column.text else "r" for column in grid.columns)
    cells = [cell.split("\n") for cell in grid.head]
    depth = max(len(cell) for cell in cells)
    heads = zip(*([""] * (depth - len(cell)) + cell for cell in cells), strict=True)
    head, rows = ("\n".join(f"    {_row(row)}" for row in part) for part in (heads, grid.body))
    below = "".join(
        f"\n  \\par\\smallskip\n  \\begin{{minipage}}{{\\linewidth}}\n{part}\n  \\end{{minipage}}"
        for part in _paragraphs(notes)
    )
    return (
        "\\begin{table}[htbp]\n  \\centering\\setlength{\\belowcaptionskip}{4pt}\n"
        f"  \\caption{{{_tex(caption)}}}\n"
        "  \\footnotesize\\setlength{\\tabcolsep}{4pt}\n"
        "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"  \\begin{{tabular}}{{{sides}}}\n    \\toprule\n"
        f"{head}\n    \\midrule\n{rows}\n    \\bottomrule\n"
        f"  \\end{{tabular}}}}{below}\n\\end{{table}}"
    )


def _row(cells: Iterable[str]) -> str:
    """Return a row; one that begins with a bracket or a star is no option of the row before."""
    text = " & ".join(map(_tex, cells)) + r" \\"
    return f"{{}}{text}" if text.startswith(("[", "*")) else text


def _paragraphs(notes: Sequence[str]) -> list[str]:
    """Return a block of small paragraphs, which leaves the size of later text alone, or nothing."""
    text = "\n".join(f"{_tex(note)}\\par" for note in notes)
    return [f"{{\\footnotesize\\parindent=0pt\n{text}}}"] if notes else []


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "−": "$-$", "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$",
    "Σ": r"$\Sigma$", "π": r"$\pi$", "ω": r"$\omega$",
    "²": "$^2$", "χ": r"$\chi$", "×": r"$\times$", "–": "--", "—": "---",
    "√": r"$\surd$", "✓": r"$\checkmark$", "<": "$<$", ">": "$>$", "≥": r"$\geq$",
}  # fmt: skip


def _tex(text: str) -> str:
    """Return text that LaTeX prints as it is, with what stands in backticks as code."""
    parts = text.split("`")
    escaped = ["".join(_TEX.get(character, character) for character in part) for part in parts]
    return "".join(rf"\texttt{{{part}}}" if i % 2 else part for i, part in enumerate(escaped))
