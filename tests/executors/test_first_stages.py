"""Of the runs that begin with the same stage one goes first, and nobody waits for nothing."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from local_sweep import Sweep

from ltbench.executors import first_stages as module
from ltbench.executors.first_stages import FirstStages, find_trainer, is_there
from ltbench.results.claim import acquire, find_owner
from ltbench.results.folder import RunFolder
from ltbench.training.first_stage import with_first_stages
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)


@pytest.fixture
def make_sharing(make_jobs, tmp_path):
    def make_sharing(*algos: str, costs=(), **options):
        jobs = with_first_stages(make_jobs(*algos, **options), tmp_path / "runs")
        return [replace(job, cost=c) for job, c in zip(jobs, costs, strict=True)] if costs else jobs

    return make_sharing


def names(jobs):
    return [job.spec.algo for job in jobs]


def test_one_leads_and_the_others_follow_when_it_is_over(make_sharing, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    jobs = make_sharing("erm+crt", "erm+lws", "erm", "focal", costs=(3, 5, 4, 6))
    jobs.sort(key=lambda job: -job.cost)
    firsts = FirstStages(jobs)
    assert names(firsts.ordered(jobs)) == ["erm", "focal", "erm+lws", "erm+crt"]
    held = [job for job in jobs if firsts.hold(job)]
    assert names(held) == ["erm+lws", "erm+crt"], "the run of the stage alone trains it"
    erm = jobs[names(jobs).index("erm")]
    execute(erm, *QUIET)
    assert not any(map(firsts.hold, jobs))
    assert all(is_there(job) for job in held)
    assert FirstStages(held).ordered(held) == held


def test_without_it_the_longest_leads_or_one_that_was_broken_off(make_sharing, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    crt, lws = make_sharing("erm+crt", "erm+lws", costs=(1, 2))
    assert names(job for job in (crt, lws) if FirstStages([lws, crt]).hold(job)) == ["erm+crt"]
    stops = iter([False, False, False, True])
    assert execute(crt, lambda event: None, lambda: next(stops))["status"] == "interrupted"
    firsts = FirstStages([lws, crt])
    assert names(job for job in (crt, lws) if firsts.hold(job)) == ["erm+lws"]
    firsts.ended(crt)  # it failed
    assert not firsts.hold(lws)


def test_when_one_that_leads_fails_another_one_leads(make_sharing):
    jobs = make_sharing("erm+crt", "erm+lws", "erm+tau-norm", costs=(3, 2, 1))
    firsts = FirstStages(jobs)
    assert names(filter(firsts.hold, jobs)) == ["erm+lws", "erm+tau-norm"]
    firsts.ended(jobs[0])
    assert names(filter(firsts.hold, jobs[1:])) == ["erm+tau-norm"]
    diverged = {"status": "diverged", "stage": "erm"}
    assert names(firsts.sharing(jobs[1], diverged)) == ["erm+tau-norm"]
    assert not list(firsts.sharing(jobs[1], {**diverged, "stage": "lws"}))
    assert not list(firsts.sharing(jobs[1], {**diverged, "status": "failed"}))
    assert not list(firsts.sharing(jobs[2], diverged))


def test_a_live_process_is_waited_for_and_one_that_is_gone_is_not(make_sharing):
    crt, erm = make_sharing("erm+crt", "erm")
    assert find_trainer(crt) == (None, None)
    crt.first_stage.mkdir(parents=True)
    with acquire(crt.first_stage) as claim:
        assert find_trainer(crt)[0].token == claim.token
        assert find_trainer(erm)[0].token == claim.token
    erm.folder.mkdir(parents=True)
    with acquire(erm.folder) as claim:
        assert find_trainer(crt)[0].token == claim.token
        assert find_trainer(erm) == (None, None), "its own claim is looked at elsewhere"
    assert find_trainer(crt) == (None, None)


def test_two_workers_train_each_first_stage_once(make_sharing):
    jobs = make_sharing("erm+lws", "erm+crt", "erm", "focal+crt", "focal+lws", seeds=2)
    sweep = Sweep(slots=2).run(jobs)
    taken = {name for name, r in sweep.results.items() if "taken_over" in r["timings"]}
    trained = sweep.results.keys() - taken
    assert {name for name in trained if name.startswith("erm")} == {"erm 0", "erm 1"}
    assert len([name for name in trained if name.startswith("focal")]) == 2
    assert not [path for job in jobs for path in job.folder.rglob("claim*")]


def test_a_worker_that_is_killed_in_the_stage_costs_no_run(make_sharing):
    jobs = make_sharing("misbehave[how=slow]+crt", "misbehave[how=slow]+lws", steps=30)
    sweep, kills = Sweep(slots=2), []

    def kill_once(job, event):
        if event["event"] == "evaluated" and not kills:
            assert find_owner(job.first_stage).process == find_owner(job.folder).process
            kills.append(find_owner(job.folder).process.pid)
            os.kill(kills[0], signal.SIGKILL)

    sweep.meanwhile = kill_once
    sweep.run(jobs)
    assert kills
    results = list(sweep.results.values())
    assert all("test" in result for result in results)
    assert sum("taken_over" in result["timings"] for result in results) == 1
    assert not list(jobs[0].first_stage.glob("claim*"))


def test_a_stage_that_diverges_is_trained_once_and_each_run_says_so(make_sharing):
    jobs = make_sharing("erm+crt", "erm+lws", "erm+tau-norm", lr=1e3, steps=60)
    sweep = Sweep(slots=2).run(jobs)
    results = list(sweep.results.values())
    assert [result["status"] for result in results] == ["diverged"] * 3
    assert sum("its first stage is that of erm+" in result["error"] for result in results) == 2
    for job in jobs:
        assert "mean loss of erm" in RunFolder(job.folder).error.read_text()


def test_a_stage_that_raises_is_tried_by_each_run_and_each_says_so(make_sharing):
    jobs = make_sharing("misbehave[how=raise]+crt", "misbehave[how=raise]+lws")
    sweep = Sweep(slots=2).run(jobs)
    assert [result["status"] for result in sweep.results.values()] == ["failed"] * 2
    assert all("told to raise" in RunFolder(job.folder).error.read_text() for job in jobs)
