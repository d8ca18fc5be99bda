"""Writes docs/published.md from docs/published.toml: ``python tests/docs/authors_settings.py``."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from ltbench.plugins.names import format_value

DOCS = Path(__file__).parents[2] / "docs"
TABLE, PAGE = DOCS / "published.toml", DOCS / "published.md"

START = """\
# Settings that are the authors'

Where a method or a protocol is said to be somebody's, these are its settings, with the line of the
authors' code, or the place in the paper, that each is from. The page is written from
`docs/published.toml`, and a test plans a run for every row and compares what it really has.

What a protocol sets of methods takes the place of their defaults, and what is typed takes its:
`ltbench data info DATASET` and `ltbench plugins info PROTOCOL` print it, and a file of one's own
sets it in tables.

```toml
like = "cifar-lt"

[methods.crt]
epochs = 20
```

Lengths are meant for a protocol's whole length. With `--steps`, or epochs of one's own, stages are
shortened in proportion, and `rate` follows `--lr`.
"""

MODES = """\
## Modes of the references

Where the code behind published rows deviates from its paper, or from what the comparison needs,
the paper's method is the default here and the code's behaviour an option. To stand beside
published rows, type the option.
"""

DIFFERENCES = """\
## Done otherwise on purpose

These have no option. They change what a run draws or how a gradient is found, not what is
optimised, or need more than one view or part of a network.
"""


def rows() -> dict[str, Any]:
    """Return the table."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def page() -> str:
    """Return the page that the table makes."""
    table = rows()
    parts = [START]
    for title, mine in _grouped(table["setting"]).items():
        cells = [
            [f"`{r['method']}`", f"`{r['setting']}`", f"`{format_value(r['value'])}`",
             _source(table, r["source"]), r.get("note", "")]
            for r in mine
        ]  # fmt: skip
        parts.append(f"## {title}\n")
        parts.append(_grid(["method", "setting", "value", "source", "note"], cells))
    cells = [
        [f"`{r['typed']}`", r["does"], r["published"], _source(table, r["source"])]
        for r in table["mode"]
    ]
    parts += [MODES, _grid(["typed", "what it does", "published tables", "source"], cells)]
    cells = [
        [r["what"], r["here"], r["there"], _source(table, r["source"])] for r in table["difference"]
    ]
    parts += [DIFFERENCES, _grid(["what", "here", "there", "source"], cells)]
    return "\n".join(parts)


def _grouped(settings: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in settings:
        of = f" on `{row['dataset']}`" if "dataset" in row else ""
        found.setdefault(f"`{row['protocol']}`{of}", []).append(row)
    return dict(sorted(found.items()))


def _source(table: dict[str, Any], source: str) -> str:
    repository, _, place = source.partition(" ")
    address = table["repositories"].get(repository)
    return f"[{repository}]({address}) {place}" if address else source


def _grid(head: list[str], cells: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0)
