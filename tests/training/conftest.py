from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ltbench.session.plan import Request, plan_runs
from ltbench.training.job import Job

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def make_job(tmp_path: Path):
    """Build a job on the tiny data set."""

    def make_job(algo="erm", seed=0, folder="run", dataset="tiny-mlt", **overrides) -> Job:
        request = Request([algo], [dataset], [seed], "fp32", tmp_path, overrides)
        return Job(plan_runs(request).specs[0], tmp_path / folder, tmp_path)

    return make_job


@pytest.fixture
def other_precision():
    def other_precision(job: Job, precision: str) -> Job:
        return replace(job, spec=replace(job.spec, precision=precision))

    return other_precision
