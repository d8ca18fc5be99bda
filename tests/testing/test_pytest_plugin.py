"""``pytest --ltbench NAME``, as a plugin's own tests use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_each_point_is_a_test_and_skips_and_failures_say_why(tmp_path):
    code, said = run(tmp_path, "--ltbench", "misbehave[at=1]", "-rs", "-q")
    assert code == 1
    assert "A run ends with finite losses and metrics: failed" in said
    assert "told to raise (in tiny-mlt 1.0)" in said
    assert "it takes any number of domains" in said
    assert "Its docstring names its source: failed" in said
    assert "conformance.py" not in said, "no traceback of the kit"


def test_points_can_be_chosen_and_names_repeated(tmp_path):
    options = ["--ltbench", "accuracy", "--ltbench", "ece", "-k", "order or values", "-v"]
    code, said = run(tmp_path, *options)
    assert code == 0, said
    assert "accuracy[order] PASSED" in said
    assert "ece[values] PASSED" in said
    assert "4 passed" in said


def test_an_unknown_name_is_wrong_usage(tmp_path):
    code, said = run(tmp_path, "--ltbench", "acuracy")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "did you mean 'accuracy'" in said


def test_the_fixtures_give_a_tiny_data_set_and_a_quick_run(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "from ltbench.testing import plan_small\n"
        "def test_run(ltbench_run, ltbench_dataset):\n"
        "    outcome = ltbench_run('erm', domains=2)\n"
        "    assert outcome.spec.dataset.name == ltbench_dataset\n"
        "    assert outcome.test['accuracy'] >= 0\n"
        "    assert ltbench_run('erm', domains=2).test == outcome.test\n"
    )
    code, said = run(tmp_path, "-q")
    assert code == 0, said


def test_it_costs_nothing_where_it_is_not_used(tmp_path):
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    assert not {'torch', 'numpy', 'ltbench.plugins.manager'} & set(sys.modules)\n"
    )
    code, said = run(tmp_path, "-q", "-p", "no:hypothesispytest")
    assert code == 0, said
