"""Leaderboards for the terminal, for Markdown and for LaTeX."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from ltbench.report.content import Content, Leaderboard
from ltbench.report.grid import Grid, comparison_grid, images_grid, results_grid, summary_grid
from ltbench.report.wording import (
    content_notes,
    footnotes,
    omnibus_sentence,
    subtitle,
    summary_notes,
)

WIDTH = 118
_NARROWEST_NAME = 14
LATEX_PACKAGES = r"% \usepackage{booktabs, amssymb, graphicx}"
"""The line that begins every piece of LaTeX."""


def terminal(content: Content) -> str:
    """Return plain text of at most about 118 columns."""
    blocks = [_terminal_board(board) for board in content.boards]
    if content.summary:
        title = f"Across data sets: ranks on {content.summary.metric.words}"
        table = terminal_grid(summary_grid(content.summary))
        blocks.append(
            "\n\n".join([underlined(title), table, notes_text(summary_notes(content.summary))])
        )
    blocks += [_wrapped(note) for note in content_notes(content)]
    return "\n\n\n".join(blocks) + "\n"


def markdown(content: Content) -> str:
    """Return GitHub-flavoured Markdown."""
    parts: list[str] = []
    for board in content.boards:
        parts += [f"### {markdown_text(board.table.heading)}", markdown_text(subtitle(board))]
        parts.append(markdown_grid(results_grid(board)))
        parts.append("\n".join(f"- {markdown_text(s)}" for s in _sentences(board)))
        comparison = comparison_grid(board)
        if comparison:
            parts.append(markdown_grid(comparison))
        images = images_grid(board)
        if images:
            parts.append(markdown_grid(images))
        parts.append("\n".join(f"- <sub>{markdown_text(note)}</sub>" for note in footnotes(board)))
    if content.summary:
        parts.append(f"### Across data sets: ranks on {content.summary.metric.words}")
        parts.append(markdown_grid(summary_grid(content.summary)))
        parts.append(
            "\n".join(f"- {markdown_text(note)}" for note in summary_notes(content.summary))
        )
    parts += [markdown_text(note) for note in content_notes(content)]
    return "\n\n".join(parts) + "\n"


def latex(content: Content) -> str:
    """Return LaTeX tables for the packages of :data:`LATEX_PACKAGES`."""
    parts = [LATEX_PACKAGES]
    for board in content.boards:
        what = subtitle(board)
        caption = f"{board.table.heading}. {what[:1].upper()}{what[1:]}."
        notes = [*_sentences(board), *footnotes(board)]
        parts.append(latex_table(results_grid(board), caption, notes))
        comparison = comparison_grid(board)
        if comparison:
            caption = f"{board.table.heading}: differences from {board.reference} in points."
            parts.append(latex_table(comparison, caption))
        images = images_grid(board)
        if images:
            caption = f"{board.table.heading}: intervals over test images (and of differences)."
            parts.append(latex_table(images, caption))
    if content.summary:
        caption = f"Ranks on {content.summary.metric.words} across data sets."
        notes = summary_notes(content.summary)
        parts.append(latex_table(summary_grid(content.summary), caption, notes))
    parts += latex_notes(content_notes(content))
    return "\n\n".join(parts) + "\n"


def terminal_grid(grid: Grid) -> str:
    """Return a grid as aligned text; names that would make it too wide are wrapped."""
    others = [
        max(
            len(part)
            for cell in (grid.head[i], *(row[i] for row in grid.body))
            for part in cell.split("\n")
        )
        for i in range(1, len(grid.head))
    ]
    room = max(_NARROWEST_NAME, WIDTH - sum(others) - 2 * len(others))
    body = [("\n".join(textwrap.wrap(row[0], room)), *row[1:]) for row in grid.body]
    align = ("left", *("right" for _ in others))
    return str(tabulate(body, grid.head, tablefmt="simple", colalign=align, disable_numparse=True))


def markdown_grid(grid: Grid) -> str:
    """Return a grid as a GitHub table."""
    head = [markdown_text(cell.replace("\n", " ")) for cell in grid.head]
    lines = [head, ["---", *("---:" for _ in head[1:])]]
    lines += [[markdown_text(cell) for cell in row] for row in grid.body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def latex_table(grid: Grid, caption: str, notes: Sequence[str] = ()) -> str:
    """Return a grid as a table environment in the style of booktabs.

    One that is wider than the text is shrunk to it. Notes stand inside of the environment, so that
    they go with their table wherever LaTeX puts it.
    """
    cells = [cell.split("\n") for cell in grid.head]
    depth = max(len(cell) for cell in cells)
    heads = zip(*([""] * (depth - len(cell)) + cell for cell in cells), strict=True)
    head, rows = (
        "\n".join("    " + " & ".join(map(tex, row)) + r" \\" for row in part)
        for part in (heads, grid.body)
    )
    below = "".join(
        f"\n  \\par\\smallskip\n  \\begin{{minipage}}{{\\linewidth}}\n{part}\n  \\end{{minipage}}"
        for part in latex_notes(notes)
    )
    return (
        "\\begin{table}[htbp]\n  \\centering\\setlength{\\belowcaptionskip}{4pt}\n"
        f"  \\caption{{{tex(caption)}}}\n"
        "  \\footnotesize\\setlength{\\tabcolsep}{4pt}\n"
        "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"  \\begin{{tabular}}{{l{'r' * (len(grid.head) - 1)}}}\n    \\toprule\n"
        f"{head}\n    \\midrule\n{rows}\n    \\bottomrule\n"
        f"  \\end{{tabular}}}}{below}\n\\end{{table}}"
    )


def latex_notes(notes: Sequence[str]) -> list[str]:
    """Return a block of small paragraphs, which leaves the size of later text alone, or nothing."""
    text = "\n".join(f"{tex(note)}\\par" for note in notes)
    return [f"{{\\footnotesize\\parindent=0pt\n{text}}}"] if notes else []


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "−": "$-$", "▲": r"$\blacktriangle$", "▼": r"$\blacktriangledown$",
    "ω": r"$\omega$", "²": "$^2$", "χ": r"$\chi$", "×": r"$\times$", "–": "--", "—": "---",
    "√": r"$\surd$", "✓": r"$\checkmark$", "<": "$<$", ">": "$>$", "≥": r"$\geq$",
}  # fmt: skip


def tex(text: str) -> str:
    """Return text that LaTeX prints as it is, with what stands in backticks as code."""
    parts = text.split("`")
    escaped = ["".join(_TEX.get(character, character) for character in part) for part in parts]
    return "".join(rf"\texttt{{{part}}}" if i % 2 else part for i, part in enumerate(escaped))


def _terminal_board(board: Leaderboard) -> str:
    parts = [
        underlined(board.table.heading) + "\n" + _wrapped(subtitle(board)),
        terminal_grid(results_grid(board, narrow=True)),
        "\n".join(_wrapped(sentence) for sentence in _sentences(board)),
    ]
    comparison = comparison_grid(board)
    if comparison:
        parts.append(terminal_grid(comparison))
    images = images_grid(board)
    if images:
        parts.append(terminal_grid(images))
    return "\n\n".join([*parts, notes_text(footnotes(board))])


def _sentences(board: Leaderboard) -> list[str]:
    return [omnibus_sentence(board, metric) for metric in board.declared]


def underlined(title: str) -> str:
    """Return a heading for plain text."""
    title = _wrapped(title)
    return f"{title}\n{'=' * max(len(line) for line in title.split(chr(10)))}"


def notes_text(notes: Sequence[str]) -> str:
    """Return notes as a wrapped list."""
    return "\n".join(_wrapped(f"- {note}") for note in notes)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def markdown_text(text: str) -> str:
    """Escape what Markdown would take for markup in names; code spans stay."""
    return re.sub(r"([|<>*_\[\]\\])", r"\\\1", text)
