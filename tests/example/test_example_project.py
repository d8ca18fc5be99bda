"""The example: installed from a wheel, used as a user would, and taken away again.

``tox -e example`` runs this where ltbench is installed from its own wheel.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fresh_environment import FreshEnvironment

pytestmark = pytest.mark.example

EXAMPLE = Path(__file__).parents[2] / "plugins" / "example"
BRINGS = {
    "algorithms": {"brier", "agreement"},
    "datasets": {"stripes"},
    "stages": {"temperature"},
    "metrics": {"domain-gap"},
    "observers": {"diary"},
}


def brought(environment: FreshEnvironment, cwd: Path) -> dict[str, set[str]]:
    """Return what the example registers, as ``ltbench plugins list`` says."""
    listing = json.loads(environment.run("ltbench", "plugins", "list", "--json", cwd=cwd))
    assert any(entry["distribution"] == "ltbench" for entry in listing["algorithms"])
    ours = {"distribution": "ltbench-example", "version": "1.0.0"}
    found = {
        kinds: {entry["name"] for entry in entries if ours.items() <= entry.items()}
        for kinds, entries in listing.items()
    }
    return {kinds: names for kinds, names in found.items() if names}


def test_an_algorithm_of_two_views_is_at_most_thirty_lines() -> None:
    code = (EXAMPLE / "ltbench_example" / "agreement.py").read_text(encoding="utf-8")
    assert "batch.views" in code
    assert len(code.splitlines()) <= 30


def test_the_example_from_install_to_uninstall(tmp_path: Path) -> None:
    environment = FreshEnvironment(tmp_path / "env")
    environment.install(EXAMPLE)
    assert brought(environment, tmp_path) == BRINGS

    # Its own tests, away from its sources: what is tested is what was installed.
    options = ["-q", "-p", "no:cacheprovider", "-c", str(EXAMPLE / "pyproject.toml")]
    said = environment.run(
        "pytest", *options, f"--rootdir={tmp_path}", str(EXAMPLE / "tests"), cwd=tmp_path
    )
    assert " passed" in said

    train = ["run", "--algo", "brier,brier+temperature", "--dataset", "stripes", "--seeds", "1"]
    said = environment.run(
        "ltbench", *train, "--observer", "diary", "--jobs", "1", cwd=tmp_path, OMP_NUM_THREADS="1"
    )
    assert "brier+temperature" in said
    (spec,) = tmp_path.glob("runs/stripes/brier/*/seed-0/spec.json")
    plugins = json.loads(spec.read_text())["identity"]["plugins"]
    assert list(plugins) == ["ltbench-example"]
    assert re.fullmatch(r"1\.0\.0 [0-9a-f]{12}\+[0-9a-f]{12}", plugins["ltbench-example"])
    result = json.loads(spec.with_name("result.json").read_text())
    assert 0 <= result["test"]["domain_gap"] <= 1
    assert (spec.parents[1] / "diary.txt").read_text().startswith("brier on stripes, seed 0: acc")

    two_views = ["--algo", "agreement", "--augmentation", "crop-flip", "--steps", "20"]
    train_both = ["run", *two_views, "--dataset", "stripes", "--seeds", "1", "--jobs", "1"]
    environment.run("ltbench", *train_both, cwd=tmp_path, OMP_NUM_THREADS="1")
    (log,) = tmp_path.glob("runs/stripes/agreement/*/seed-0/log.jsonl")
    assert json.loads(log.read_text().splitlines()[-1])["losses"]["total"] > 0

    environment.uninstall("ltbench-example")
    assert brought(environment, tmp_path) == {}
    said = environment.run("ltbench", *train, cwd=tmp_path, code=2)
    assert "there is no algorithm 'brier'" in said or "there is no data set 'stripes'" in said
