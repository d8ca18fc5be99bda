"""The core knows no algorithm and no data set."""

from __future__ import annotations

import ast
from pathlib import Path

import ltbench

CORE = Path(ltbench.__file__).parent
FIRST_PARTY = (
    "ltbench_baselines", "ltbench_longtail", "ltbench_domains", "ltbench_mdlt", "ltbench_stages",
    "ltbench_datasets", "ltbench_observers",
)  # fmt: skip


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_the_core_never_imports_from_the_plugins():
    files = sorted(CORE.rglob("*.py"))
    assert len(files) > 30
    guilty = {str(path): imported(path) & set(FIRST_PARTY) for path in files}
    assert not {path: names for path, names in guilty.items() if names}


def test_reports_and_statistics_never_import_torch_or_training():
    for part in ("report", "stats", "results"):
        for path in sorted((CORE / part).rglob("*.py")):
            assert "torch" not in imported(path), path
            assert "ltbench.training" not in path.read_text(), path
