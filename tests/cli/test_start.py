"""How long a command takes until it trains, or has its table: mostly what it imports."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from synthetic_runs import write_run

METHODS = ["erm", "bsoftmax", "boda", "brl", "coral", "ldam", "focal", "vrex", "irm", "groupdro"]

PLANNING = """
import sys, time
import torch
from ltbench.cli.main import main
began = time.process_time()
sys.argv = ["ltbench", "run", "--algo", "erm,boda+crt", "--dataset", "digits-mini-mlt",
            "--precision", "fp32", "--dry-run"]
try:
    main()
except SystemExit as leaving:
    assert not leaving.code, leaving.code
heavy = {"sklearn", "pandas", "scipy", "timm", "torchvision", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
print(time.process_time() - began)
"""


def test_a_plan_is_made_soon_after_torch_is_imported(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PLANNING], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 2.0, "0.6 s when the machine is quiet"


def test_the_digits_are_those_of_scikit_learn():
    from ltbench.data.catalogue import create_dataset
    from ltbench.plugins.names import Name

    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = create_dataset(Name("digits-mini-mlt"), None)._optdigits
    digits = datasets.load_digits()
    assert (labels == digits.target).all()
    assert (images == (digits.images * (255 / 16)).astype("uint8")).all()


@pytest.fixture(scope="module")
def hundred_runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("hundred") / "runs"
    for algo in METHODS:
        for seed in range(10):
            write_run(root, algo=algo, seed=seed)
    return root


def cpu_seconds(*words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def test_a_leaderboard_of_a_hundred_runs_is_there_at_once(hundred_runs):
    spent, imports = [], []
    for _ in range(3):  # the first time there is no index
        seconds, printed = cpu_seconds("-m", "ltbench", "leaderboard", str(hundred_runs))
        assert "groupdro" in printed
        spent.append(seconds)
        imports.append(cpu_seconds("-c", "import pandas, scipy.stats")[0])
    # Processors differ, and what runs beside: there, it is little more than what it imports.
    assert min(spent) < max(1.5, 1.25 * min(imports)), "0.8 s when the machine is quiet"
