"""A session from Python: plans, stands, outcomes, and a stop, without any command."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from ltbench.errors import Stopped, UsageError
from ltbench.executors.base import Executor
from ltbench.results.folder import RunFolder
from ltbench.results.sweeps import read_sweeps
from ltbench.session.plan import Request, plan_runs
from ltbench.session.session import Session


def session(out: Path, **more) -> Session:
    return Session(out, device="cpu", jobs=1, quiet=True, **more)


def test_it_plans_what_a_request_asks_for(tmp_path):
    plan = session(tmp_path).plan(
        ["erm,focal"], ["tiny-mlt"], [0, 3], "fp32", steps=7, lr=None, backbone=None
    )
    same = Request(["erm,focal"], ["tiny-mlt"], [0, 3], "fp32", Path("/nowhere"), {"steps": 7})
    assert plan.specs == plan_runs(same).specs
    assert [(spec.algo, spec.seed) for spec in plan.specs] == [
        ("erm", 0), ("erm", 3), ("focal", 0), ("focal", 3),
    ]  # fmt: skip
    assert [method.typed for method in plan.methods] == ["erm", "focal"]
    assert plan.out == tmp_path


def test_the_same_method_spelled_twice_is_one_run_and_two_tuning_tasks(tmp_path):
    plan = session(tmp_path).plan(["focal,focal[gamma=1]"], ["tiny-mlt"], [0], "fp32")
    assert [spec.label for spec in plan.specs] == ["focal"]
    assert [method.fixed for method in plan.methods] == [{}, {"focal.gamma": 1.0}]


def test_settings_that_no_protocol_has_are_refused(tmp_path):
    with pytest.raises(TypeError, match="stepps"):
        session(tmp_path).plan(["erm"], ["tiny-mlt"], [0], stepps=3)
    with pytest.raises(UsageError, match="the least is 1"):
        session(tmp_path).plan(["erm"], ["tiny-mlt"], [0], "fp32", steps=0)


def test_runs_are_carried_out_recorded_and_collected(tmp_path):
    here = session(tmp_path, command=["python", "mine.py"])
    plan = here.plan(["erm,misbehave"], ["tiny-mlt"], [0], "fp32")
    assert [run.state for run in here.describe(plan)] == ["waiting", "waiting"]
    here.prepare(plan)
    done, failed = here.run(plan)
    assert (done.state, failed.state) == ("done", "failed")
    assert "told to raise" in failed.reason
    assert done.as_dict()["test"]["accuracy_average"] >= 0
    assert "test" not in failed.as_dict()
    (record,) = read_sweeps(tmp_path)
    assert record.command == ("python", "mine.py")
    assert sorted(run.steps for run in record.runs) == [12, 12]
    again = session(tmp_path)
    assert [run.state for run in again.describe(plan)] == ["done", "failed"]
    assert again.estimator.seconds(plan.specs[0]) is not None


def test_a_torn_result_is_no_done_run(tmp_path):
    here = session(tmp_path)
    plan = here.plan(["erm,focal"], ["tiny-mlt"], [0], "fp32")
    torn = RunFolder(plan.specs[1].folder(plan.out))
    torn.start(plan.specs[1].as_dict())
    torn.result.write_text('{"test":')
    said = (
        f"^{torn.path} cannot be read: result.json is not .*; `ltbench clean {torn.path}` removes"
    )
    with pytest.raises(UsageError, match=said):
        here.run(plan)
    assert not plan.specs[0].folder(plan.out).exists()


def test_a_failed_run_is_described_in_the_words_of_status(tmp_path):
    here = session(tmp_path)
    plan = here.plan(["erm"], ["tiny-mlt"], [0], "fp32")
    folder = RunFolder(plan.specs[0].folder(tmp_path))
    folder.start(plan.specs[0].as_dict())
    assert [run.state for run in here.describe(plan)] == ["broken-off"]
    folder.fail({"status": "diverged", "error": "nan", "traceback": "", "stage": "", "step": 1})
    (run,) = here.describe(plan)
    assert (run.state, run.reason) == ("diverged", "nan")


class StoppedAtOnce(Executor):
    """As if the user had pressed Ctrl-C."""

    def run(self, jobs, observe):
        raise Stopped


def test_a_stop_says_how_to_go_on_and_gives_ctrl_c_back(tmp_path):
    here = session(tmp_path)
    plan = here.plan(["erm"], ["tiny-mlt"], [0, 1], "fp32")
    here._kind = StoppedAtOnce
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped, match="stopped with 0 of 2 runs done; type the same command"):
        here.run(plan)
    assert signal.getsignal(signal.SIGINT) is before
    assert Stopped.exit_code == 130


def test_what_no_record_can_be_written_for_is_said_and_runs_all_the_same(tmp_path):
    said: list[str] = []
    here = session(tmp_path, say=said.append)
    plan = here.plan(["erm"], ["tiny-mlt"], [0], "fp32")
    (tmp_path / ".sweeps").write_text("in the way")
    here._kind = StoppedAtOnce
    with pytest.raises(Stopped):
        here.run(plan)
    assert len(said) == 1
    assert said[0].startswith("Warning: no record of this sweep: ")
