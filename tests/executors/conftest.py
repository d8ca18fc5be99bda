"""Jobs on the tiny data set, and a plugin that is a bad neighbour to later runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ltbench.plugins.manager import get_plugins
from ltbench.session.plan import Request, plan_runs
from ltbench.training.job import Job

sys.path.insert(0, str(Path(__file__).parent))

NEIGHBOUR = Path(__file__).parent / "neighbour.py"


@pytest.fixture
def neighbour(monkeypatch):
    """Have this process and those that it starts know the algorithm ``neighbour``."""
    monkeypatch.setenv("LTBENCH_PLUGIN_PATH", str(NEIGHBOUR))
    get_plugins.cache_clear()
    yield NEIGHBOUR
    get_plugins.cache_clear()


@pytest.fixture
def make_jobs(tmp_path):
    def make_jobs(*algos: str, seeds=1, out="runs", **overrides) -> list[Job]:
        request = Request(algos, ["tiny-mlt"], range(seeds), "fp32", tmp_path, overrides)
        return [
            Job(spec, spec.folder(tmp_path / out), tmp_path) for spec in plan_runs(request).specs
        ]

    return make_jobs
