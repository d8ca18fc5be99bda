"""The wheel, unpacked away from the checkout, works like the editable install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def ltbench(site: Path, *args: str) -> str:
    # -I would drop PYTHONPATH; -P keeps the working folder, and so the checkout, off the path.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ltbench", *args],
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_commands_run_from_the_wheel(site):
    listing = json.loads(ltbench(site, "plugins", "list", "--json"))
    names = {entry["name"] for entry in listing["algorithms"]}
    assert {"erm", "bsoftmax", "boda", "brl", "dann"} <= names
    assert {entry["distribution"] for entry in listing["algorithms"]} == {"ltbench"}


def test_the_registry_travels_with_the_wheel(site):
    assert "optdigits" in ltbench(site, "data", "info", "digits-mini-mlt")


def test_nothing_is_called_plain_plugins(site):
    tops = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {
        "ltbench", "datasets_registry", "ltbench_baselines", "ltbench_longtail",
        "ltbench_domains", "ltbench_mdlt", "ltbench_stages", "ltbench_datasets",
        "ltbench_observers", "ltbench_clusters", "ltbench_figures", "ltbench_tables",
        "ltbench_augmentations",
        "ltbench_modifiers",
        "ltbench_foundation",
    }  # fmt: skip
    assert not list(site.rglob("*.pyc"))


def test_the_templates_of_new_projects_travel_with_the_wheel(site, tmp_path):
    ltbench(site, "plugins", "new", "stage", "quiet", "--into", str(tmp_path))
    assert (tmp_path / "quiet" / "quiet" / "stage.py").is_file()
