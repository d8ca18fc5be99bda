"""Estimates and the time left count a first stage that several runs begin with once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ltbench.results.forecast import seconds_left
from ltbench.results.run import RunRecord
from ltbench.results.states import Overview
from ltbench.results.sweeps import read_sweeps
from ltbench.session.estimate import own_shares
from ltbench.session.session import Session

METHODS = ["erm,erm+crt,erm+tau-norm,focal"]


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path / "runs", quiet=True, device="cpu", jobs=1, say=lambda text: None)


def test_the_first_stage_is_counted_with_the_run_that_trains_it(session, monkeypatch):
    plan = session.plan(METHODS, ["tiny-mlt"], [0, 1], "fp32")
    alone = {"erm": 100.0, "erm+crt": 200.0, "erm+tau-norm": 110.0, "focal": 90.0}
    monkeypatch.setattr(type(session.estimator), "seconds", lambda self, spec: alone[spec.method])
    runs = session.describe(plan)
    expected = {"erm": 100.0, "erm+crt": 100.0, "erm+tau-norm": 2.2, "focal": 90.0}
    assert [run.estimate for run in runs] == [expected[run.spec.method] for run in runs]
    jobs = session._jobs(plan, session.slots(plan))
    assert [job.cost for job in jobs] == [expected[job.spec.method] for job in jobs]
    assert [job.first_stage is None for job in jobs] == [j.spec.method == "focal" for j in jobs]


def test_without_a_run_of_the_stage_alone_one_of_the_others_trains_it(session):
    plan = session.plan(["erm+crt,erm+lws"], ["tiny-mlt"], [0], "fp32")
    assert own_shares(session._jobs(plan, session.slots(plan))) == [1.0, 0.5]


def test_the_record_of_a_sweep_tells_status(session, tmp_path):
    plan = session.plan(METHODS, ["tiny-mlt"], [0], "fp32")
    (tmp_path / "runs").mkdir()
    session._record(plan, session.slots(plan))
    (sweep,) = read_sweeps(tmp_path / "runs")
    shares = {run.method: run.own_share for run in sweep.runs}
    assert shares == {"erm": 1.0, "erm+crt": 0.5, "erm+tau-norm": 0.02, "focal": 1.0}
    waits = next(run for run in sweep.runs if run.method == "erm+crt")
    waits = replace(waits, expected=True, hash="b" * 12, path="/runs/erm+crt/bbbbbbbbbbbb/seed-1")
    done = RunRecord("/runs/x/seed-0", "done", hash="b" * 12, seconds=200.0)
    assert seconds_left(Overview([done, waits], [sweep], [sweep])) == 100.0
