"""Projects of ``ltbench plugins new``, installed where they have never been."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fresh_environment import FreshEnvironment

pytestmark = pytest.mark.example
KINDS = ["algorithm", "dataset", "stage", "metric", "augmentation", "modifier"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tests_of_a_new_project_pass_at_once(kind: str, tmp_path: Path) -> None:
    environment = FreshEnvironment(tmp_path / "env")
    name = f"own-{kind}"
    said = environment.run("ltbench", "plugins", "new", kind, name, cwd=tmp_path)
    assert f"cd {name} && pip install -e . && pytest" in said
    project = tmp_path / name
    environment.install(project, editable=True)
    said = environment.run("pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert " passed" in said
    listing = environment.run("ltbench", "plugins", "list", cwd=tmp_path)
    assert f"({name} 0.1.0)" in listing
