"""The core knows no algorithm and no data set."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import ltbench

CORE = Path(ltbench.__file__).parent
FIRST_PARTY = (
    "ltbench_baselines", "ltbench_longtail", "ltbench_domains", "ltbench_mdlt", "ltbench_stages",
    "ltbench_datasets", "ltbench_observers", "ltbench_clusters", "ltbench_figures",
    "ltbench_tables", "ltbench_augmentations", "ltbench_modifiers", "ltbench_foundation",
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


FLOORS = {
    "session": ("cli",),
    "executors": ("cli", "session"),
    "training": ("cli", "session", "executors", "report"),
    "evaluation": ("cli", "session", "executors", "report", "training"),
    "data": ("cli", "session", "executors", "report", "training", "evaluation"),
    "models": ("cli", "session", "executors", "report", "training", "evaluation", "data"),
    "report": ("cli", "session", "executors", "training"),
    "results": ("cli", "session", "executors", "report", "training", "stats"),
    "stats": ("cli", "session", "executors", "report", "training"),
}


@pytest.mark.parametrize("floor", FLOORS)
def test_no_floor_imports_from_one_above_it(floor):
    for path in sorted((CORE / floor).rglob("*.py")):
        text = path.read_text()
        for above in FLOORS[floor]:
            assert not re.search(rf"(from|import) ltbench\.{above}\b", text), (path, above)


def test_only_commands_know_of_click():
    for floor in FLOORS:
        guilty = [path for path in (CORE / floor).rglob("*.py") if "click" in imported(path)]
        assert not guilty
