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


def test_a_leaderboard_of_a_hundred_runs_is_there_at_once(hundred_runs):
    spent = []
    for _ in range(3):  # the first time there is no index
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "ltbench", "leaderboard", str(hundred_runs)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert "groupdro" in done.stdout
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    torch = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Processors differ: of the import of torch, two seconds on most, it is no larger a part.
    assert min(spent) < max(1.5, 0.75 * torch), "0.8 s when the machine is quiet"
