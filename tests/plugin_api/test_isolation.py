"""A plugin that fails is named with its distribution, and spoils its own runs alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ltbench import hookimpl
from ltbench.plugins.blame import blamed
from ltbench.plugins.manager import Plugins, get_plugins
from ltbench.testing import build_algorithm, random_batch, train_info

PLUGIN = """
from ltbench import hookimpl

@hookimpl
def ltbench_algorithms(register):
    register("raises", "bad_algorithms:Raises", summary="Raises in its loss")
    register("absent", "bad_algorithms_nowhere:Absent", summary="Cannot be imported")

@hookimpl
def ltbench_run_evaluated(run, record):
    raise RuntimeError("this observer cannot look")
"""
ALGORITHMS = '''
import torch
from ltbench.api import Algorithm

class Raises(Algorithm):
    """Raises (2026)."""

    def loss(self, batch):
        return torch.zeros(2, 3) @ torch.zeros(2, 3)
'''
RUN = [
    "run",
    "--dataset",
    "tiny-mlt",
    "--seeds",
    "1",
    "--steps",
    "4",
    "--precision",
    "fp32",
    "--jobs",
    "1",
    "--no-leaderboard",
    "-q",
]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> subprocess.CompletedProcess[str]:
    """A sweep over an algorithm that works, one that raises and one that cannot be imported."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "bad_plugin.py").write_text(PLUGIN)
    (folder / "bad_algorithms.py").write_text(ALGORITHMS)
    info = folder / "bad_plugin-0.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-plugin\nVersion: 0.7\n")
    (info / "entry_points.txt").write_text("[ltbench]\nbad = bad_plugin\n")
    done = subprocess.run(
        [sys.executable, "-m", "ltbench", *RUN, "--algo", "erm,raises,absent"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]),
        },
    )
    done.folder = folder
    return done


def run_files(sweep, algo: str) -> set[str]:
    return {path.name for path in sweep.folder.glob(f"runs/tiny-mlt/{algo}/*/seed-0/*")}


def test_the_others_run(sweep):
    assert sweep.returncode == 1, sweep.stderr
    assert "result.json" in run_files(sweep, "erm")


def test_one_that_raises_in_its_loss_is_a_failed_run_of_its_distribution(sweep):
    (error,) = sweep.folder.glob("runs/tiny-mlt/raises/*/seed-0/error.json")
    assert json.loads(error.read_text())["error"].endswith("(in bad-plugin 0.7)")
    assert "(in bad-plugin 0.7)" in sweep.stdout


def test_one_that_cannot_be_imported_is_left_out_with_its_distribution(sweep):
    assert "left out: algorithm 'absent' of bad-plugin 0.7 cannot be loaded" in sweep.stderr


def test_an_observer_that_raises_is_named_once_at_the_end(sweep):
    assert sweep.stderr.count("this observer cannot look") == 1
    (line,) = [line for line in sweep.stderr.splitlines() if "cannot look" in line]
    assert line.startswith("Warning: plugin 'bad' of bad-plugin 0.7 failed: RuntimeError: ")
    assert line.endswith("(in ltbench_run_evaluated)")
    assert line == sweep.stderr.splitlines()[-1]


class _Ends:
    @hookimpl
    def ltbench_algorithms(self, register):
        raise SystemExit("I have had enough")


def test_one_that_ends_the_program_at_registration_does_not():
    plugins = Plugins()
    plugins.add("ends", _Ends(), "its-dist", "1")
    assert "its-dist 1 failed: SystemExit: I have had enough" in plugins.problems()[0]


def test_problems_are_new_only_once():
    plugins = Plugins()
    plugins.fail("a", "a-dist", "1", ValueError("no"))
    assert len(plugins.new_problems()) == 1
    assert plugins.new_problems() == []
    assert len(plugins.problems()) == 1


def test_an_error_of_ltbench_itself_is_nobodys():
    info = train_info()
    model = build_algorithm("focal", info)
    with pytest.raises(AttributeError) as caught:
        model.loss(random_batch(info).y)
    assert blamed(caught.value, get_plugins()) == ""


def test_an_error_beneath_a_third_partys_code_is_theirs():
    model = build_algorithm("misbehave[how=raise,at=0]", train_info())
    with pytest.raises(RuntimeError) as caught:
        model.before_step(0, None)
    assert blamed(caught.value, get_plugins()) == " (in tiny-mlt 1.0)"
