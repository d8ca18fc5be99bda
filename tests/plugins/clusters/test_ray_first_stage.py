"""First stages go along to nodes that do not see the folder of runs, and come home from there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ltbench.testing.small_run import plan_small
from ltbench.training.first_stage import with_first_stages
from ltbench.training.job import Job
from ltbench.training.run import execute

pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from ltbench_clusters import ray_task

QUIET = (lambda event: None, lambda: False)


@pytest.fixture
def jobs(tmp_path):
    home = tmp_path / "home"
    specs = [plan_small(name) for name in ("erm", "erm+crt", "erm+tau-norm")]
    return with_first_stages([Job(spec, spec.folder(home), Path()) for spec in specs], home)


def on_node(job: Job, scratch: Path):
    """Carry out a run as a task on a node does; return its result and what it sends."""
    there = replace(job, folder=scratch / "run")
    files = ray_task.pack_first_stage(job)
    there = ray_task._with_first_stage(there, job, scratch / "runs", files)
    return execute(there, *QUIET), ray_task.pack(there.first_stage)


def test_a_run_of_the_stage_alone_serves_those_on_nodes(jobs, tmp_path):
    erm, crt, _ = jobs
    execute(erm, *QUIET)
    result, sent = on_node(crt, tmp_path / "node")
    assert result["timings"]["taken_over"]["run"] == str(erm.spec.folder(Path()))
    assert sent == {}


def test_what_a_node_trained_serves_the_next(jobs, tmp_path):
    _, crt, tau = jobs
    result, sent = on_node(crt, tmp_path / "one")
    assert "taken_over" not in result["timings"]
    assert len(sent) == 1
    ray_task.unpack_first_stage(crt, {**sent, "../../evil.pt": b"", "evil.txt": b""})
    names = {path.name for path in crt.first_stage.iterdir()}
    assert names == {*sent, "evil.pt"}, "what a node names lies in the stage's folder or nowhere"
    result, sent = on_node(tau, tmp_path / "two")
    assert result["timings"]["taken_over"]["run"] == str(crt.spec.folder(Path()))


def test_a_job_that_shares_nothing_sends_nothing(jobs):
    assert ray_task.pack_first_stage(replace(jobs[0], first_stage=None)) == {}
