"""What continuous integration says at its end, and that it fails where a test lacks its program."""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SUMMARY = CHECKOUT / ".ci" / "summary.py"

pytestmark = pytest.mark.skipif(not SUMMARY.exists(), reason="only a checkout has .ci")

FIRST = """\
SKIPPED [2] tests/a.py:9: no chromium (Debian's)
==== 1 failed, 7 passed, 2 skipped in 61.00s (0:01:01) ====
"""
LONG = """\
built
41.20s call     tests/b.py::test_waits[a b]
3.90s call     tests/a.py::test_trains
2.40s setup    tests/b.py::test_waits[a b]
"""
REPORT = {
    "testenvs": {
        "py311": {"test": [{"output": "\x1b[33m" + FIRST}], "result": {"skipped": False}},
        "py312": {"result": {"skipped": True}},
        "docs": {"test": [{"output": LONG}, {"output": "3 passed, 1 warning in 0.01s\n"}]},
    }
}


def test_what_tox_runs_on_other_pythons_is_there():
    tox = configparser.RawConfigParser()
    tox.read(CHECKOUT / "tox.ini")
    paths = tox["testenv"]["part"].split()
    assert len(paths) >= 5
    assert [path for path in paths if not (CHECKOUT / path).exists()] == []


def test_the_end_lists_what_was_skipped_and_how_the_tests_ended():
    spec = importlib.util.spec_from_file_location("ci_summary", SUMMARY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text, missing = module.summary(REPORT, ["py311", "py312", "slurm"])
    assert missing == ["py312"]
    assert text.splitlines() == [
        "Skipped, and why:",
        "py311: [2] tests/a.py:9: no chromium (Debian's)",
        "py312: everything, for want of its interpreter",
        "",
        "The longest files (of their tests over 2 s) and tests:",
        "   43 s  tests/b.py",
        "    4 s  tests/a.py",
        "   43 s  tests/b.py::test_waits[a b]",
        "    4 s  tests/a.py::test_trains",
        "",
        "How the tests ended:",
        "py311: ==== 1 failed, 7 passed, 2 skipped in 61.00s (0:01:01) ====",
        "docs: 3 passed, 1 warning in 0.01s",
        "in all: 1 failed, 10 passed, 2 skipped",
    ]
    assert module.summary(REPORT, ["slurm"])[1] == []
    assert "no tests ran" in module.summary({}, [])[0]


@pytest.mark.parametrize(("demanded", "code"), [("", 0), ("py311,py312", 1)])
def test_an_interpreter_that_is_here_must_not_be_left_out(demanded, code, tmp_path):
    report = tmp_path / "report.json"
    report.write_text(json.dumps(REPORT))
    command = [sys.executable, str(SUMMARY), str(report)]
    env = {**os.environ, "LTBENCH_TEST_REQUIRES": demanded}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("tox left py312 out" in done.stdout) == bool(code)


TESTS = """
import pytest

@pytest.mark.needs("slurm", "there is no slurmctld")
def test_lacks(): pass

@pytest.mark.needs("latex", None)
def test_has(): pass
"""


@pytest.mark.parametrize(
    ("demanded", "outcome"),
    [
        ("", "1 passed, 1 skipped"),
        ("latex", "1 passed, 1 skipped"),
        ("latex,slurm", "1 passed, 1 error"),
    ],
)
def test_a_skip_is_a_failure_where_the_program_was_installed_for_it(demanded, outcome, tmp_path):
    (tmp_path / "test_needs.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text((CHECKOUT / "tests" / "conftest.py").read_text())
    options = ["-q", "-c", str(CHECKOUT / "pyproject.toml"), f"--rootdir={tmp_path}"]
    options += ["-p", "no:cacheprovider", "-p", "no:ltbench", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        env={**os.environ, "LTBENCH_TEST_REQUIRES": demanded},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout, done.stdout
    assert "there is no slurmctld" in done.stdout
