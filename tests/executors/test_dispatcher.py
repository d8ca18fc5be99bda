"""The one state machine of all executors, with an executor that carries nothing out."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltbench.errors import Stopped, UsageError
from ltbench.executors import dispatcher as module
from ltbench.executors.base import Executor
from ltbench.executors.signals import INTERRUPTS
from ltbench.executors.slots import Slots
from ltbench.plugins.hparams import HParams
from ltbench.results import claim as claims
from ltbench.results.claim import STALE_S, acquire
from ltbench.results.folder import RunFolder
from ltbench.results.process import Process
from ltbench.training.job import Job

DONE = {"event": "finished", "result": {"test": {}}}
LOST = {"event": "lost", "what": "its worker died", "cause": "signal 9"}
EVENTS = {
    "started": {"event": "started"},
    "step": {"event": "step", "stage": "erm", "step": 1},
    "evaluated": {"event": "evaluated", "step": 1},
    "done": DONE,
    "failed": {"event": "finished", "result": {"status": "failed", "error": "told to"}},
    "interrupted": {"event": "finished", "result": {"status": "interrupted"}},
    "claimed": {"event": "finished", "result": {"status": "claimed"}},
    "died": LOST,
    "node": {"event": "lost", "what": "its node was lost", "attempts": 4},
    "hung": {"event": "lost", "what": "hung", "attempts": 1},
}
LAST = {name for name, event in EVENTS.items() if event["event"] in ("finished", "lost")}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    monkeypatch.setattr(module, "POLL_S", 0.0)


def make_jobs(folder, count: int) -> list[Job]:
    specs = [
        SimpleNamespace(
            label=f"run{i}", seed=i, apart="", dataset=SimpleNamespace(name="d"), dataset_name="d",
            algorithm=SimpleNamespace(name="a", title="a"),
        )
        for i in range(count)
    ]  # fmt: skip
    return [Job(s, Path(folder) / s.label, Path(folder), cost=s.seed) for s in specs]


class Fake(Executor):
    """Says of each job what a script says, and checks that it is asked for nothing senseless.

    Args:
        script: returns the next event's name for a job, or an empty one.
        room: jobs at a time.
        adopted: how many are in progress from an earlier command.
    """

    def __init__(self, script, room=2, adopted=0):
        super().__init__(Slots(("cpu",)), HParams())
        self.script, self.room, self.adopted = script, room, adopted
        self.current: list[Job] = []
        self.over: list[Job] = []
        self.calls: list[str] = []
        self.submits: Counter[str] = Counter()
        self.said: list[str] = []
        self.say = self.said.append
        self.happened = Counter()  # events by run and name
        self.observed: list[tuple[str, str]] = []
        self.results: dict[str, dict] = {}
        self.killed: list[str] = []

    def call(self, name):
        self.calls.append(name)

    def open(self, jobs):
        assert [job.cost for job in jobs] == sorted((job.cost for job in jobs), reverse=True)
        self.current = list(jobs[: self.adopted])
        self.call("open")
        return list(self.current)

    def capacity(self):
        self.call("capacity")
        return self.room - len(self.current)

    def submit(self, jobs):
        assert held()
        assert 0 < len(jobs) <= self.room - len(self.current)
        assert not {job.folder for job in jobs} & {job.folder for job in self.current}
        assert "stop" not in self.calls
        self.current += jobs
        self.submits.update(job.spec.label for job in jobs)
        self.call("submit")

    def poll(self, seconds):
        assert self.current, "there is nothing to wait for"
        self.call("poll")
        for job in list(self.current):
            name = self.script(self, job)
            if not name:
                continue
            if name in LAST:
                self.current.remove(job)
                self.over.append(job)
            self.happened[job.spec.label, name] += 1
            yield job, EVENTS[name]
        for job in self.over[:1]:  # too late
            if job not in self.current:
                yield job, EVENTS["step"]
                yield job, DONE

    def stop(self):
        assert held()
        self.call("stop")

    def close(self):
        assert held()
        assert "close" not in self.calls
        self.killed = [job.spec.label for job in self.current]
        self.call("close")

    def observe(self, job, event):
        self.observed.append((job.spec.label, event["event"]))
        if event["event"] == "finished":
            self.results[job.spec.label] = dict(event["result"])
        self.call("observe")

    def of(self, job):
        return [event for label, event in self.observed if label == job.spec.label]


def held():
    return set(INTERRUPTS) <= signal.pthread_sigmask(signal.SIG_BLOCK, [])


def goes(jobs, fake):
    """Run a sweep; return whether it came to its end."""
    before = [signal.getsignal(number) for number in INTERRUPTS]
    try:
        fake.run(jobs, fake.observe)
        ended = True
    except Stopped:
        ended = False
    assert not held()
    assert [signal.getsignal(number) for number in INTERRUPTS] == before
    assert fake.calls[0] == "open"
    assert fake.calls[-1] == "close"
    for job in jobs:
        events = fake.of(job)
        assert events.count("started") == (1 if events else 0)
        assert events[:1] in ([], ["started"])
        assert events.count("finished") <= 1
        assert "finished" not in events[:-1], "nothing comes after the end"
    return ended


def all_finished(jobs, fake):
    return all(fake.of(job)[-1:] == ["finished"] for job in jobs)


def check_attempts(job, fake):
    """A run fails when it was lost as often as may be for one reason, and not before."""
    label, result = job.spec.label, fake.results[job.spec.label]
    lost = {
        "its worker died": (fake.happened[label, "died"], 2),
        "its node was lost": (fake.happened[label, "node"], 4),
        "hung": (fake.happened[label, "hung"], 1),
        "it was told to stop": (fake.happened[label, "interrupted"], 2),
    }
    too_often = [what for what, (times, most) in lost.items() if times >= most]
    assert all(times <= most for times, most in lost.values())
    if too_often:
        assert result["error"].startswith(too_often[0])
        assert json.loads(RunFolder(job.folder).error.read_text())["error"] == result["error"]
    else:
        assert result in ({"test": {}}, EVENTS["failed"]["result"])
    again = sum(times for times, _ in lost.values()) + fake.happened[label, "claimed"]
    last = fake.happened[label, "done"] + fake.happened[label, "failed"]
    assert fake.submits[label] <= again + last


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 5),
    room=st.integers(1, 4),
    adopted=st.integers(0, 2),
)
def test_whatever_happens_each_job_is_started_once_and_finished_once(seed, count, room, adopted):
    names, draw = ["", *EVENTS], random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        jobs = make_jobs(folder, count)
        fake = Fake(lambda fake, job: draw.choice(names), room, min(adopted, room))
        assert goes(jobs, fake)
        assert all_finished(jobs, fake)
        assert "stop" not in fake.calls
        assert not fake.killed
        for job in jobs:
            check_attempts(job, fake)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 5),
    room=st.integers(1, 4),
    at=st.lists(st.integers(1, 40), max_size=4),
)
def test_interrupted_anywhere_nothing_is_lost_or_told_twice(seed, count, room, at):
    with tempfile.TemporaryDirectory() as folder:
        check_interrupted(make_jobs(folder, count), Interrupted(at, random.Random(seed), room))


def test_each_pair_of_instants_at_which_two_interrupts_can_come(tmp_path):
    """Every call that the dispatcher makes is such an instant, in a sweep where much happens."""
    quiet = Interrupted([], random.Random(1), 2)
    assert goes(make_jobs(tmp_path / "quiet", 3), quiet)
    calls = range(1, len(quiet.calls) + 1)
    assert len(calls) > 15
    for at in itertools.chain([(k,) for k in calls], itertools.combinations(calls, 2)):
        jobs = make_jobs(tmp_path / "-".join(map(str, at)), 3)
        check_interrupted(jobs, Interrupted(at, random.Random(1), 2))


class Interrupted(Fake):
    """Gets a signal at some of the calls that the dispatcher makes.

    Once it is asked to stop, what is in progress ends soon, in one way or another.
    """

    def __init__(self, at, draw, room):
        super().__init__(self.next, room)
        self.at, self.draw, self.came = at, draw, 0

    def next(self, fake, job):
        ends = ["", "done", "interrupted", "interrupted", "died", "claimed"]
        return self.draw.choice(ends if "stop" in self.calls else ["", *EVENTS])

    def call(self, name):
        super().call(name)
        for _ in range(list(self.at).count(len(self.calls))):
            self.came += 1
            signal.raise_signal(self.draw.choice(INTERRUPTS))


def check_interrupted(jobs, fake):
    ended = goes(jobs, fake)
    after_stop = fake.calls[fake.calls.index("stop") :] if "stop" in fake.calls else []
    assert "submit" not in after_stop
    if ended:
        assert all_finished(jobs, fake)
        assert not after_stop
    elif fake.came == 1:
        assert after_stop, "the first interrupt has those in progress write checkpoints"
        assert not fake.killed
    for job in jobs:
        if fake.of(job) and job.spec.label not in fake.killed and fake.came < 2:
            assert fake.of(job)[-1] == "finished"
    if "stop" not in fake.calls and fake.came:
        # It came when all was over, or a second one came at once.
        assert ended or fake.came > 1
    assert len([text for text in fake.said if text.startswith("stopping")]) <= 1


def test_a_run_that_comes_back_as_claimed_is_submitted_again_after_a_while(tmp_path, monkeypatch):
    """Its process may see an owner where the command sees none."""
    monkeypatch.setattr(module, "POLL_S", 0.2)
    monkeypatch.setattr(module, "PATIENCE_S", 0.02)
    first, last = make_jobs(tmp_path, 2)
    submitted = []

    def script(fake, job):
        if job.spec.label == first.spec.label:
            return "done"
        submitted.append(time.monotonic())
        return "claimed" if len(submitted) < 3 else "done"

    fake = Fake(script, room=1)
    assert goes([first, last], fake)
    assert all(later - one >= 0.2 for one, later in itertools.pairwise(submitted))
    assert fake.submits == {last.spec.label: 3, first.spec.label: 1}
    order = [label for label, event in fake.observed if event == "finished"]
    assert order == [first.spec.label, last.spec.label], "others do not wait for it"
    assert fake.calls.count("capacity") < 60, "nor does the command look all the time"


def test_the_first_interrupt_is_told_of_in_one_sentence(tmp_path):
    jobs, sent = make_jobs(tmp_path, 3), []

    def script(fake, job):
        if "stop" in fake.calls:
            return "interrupted"
        if len(fake.observed) > 2 and not sent:
            sent.append(signal.SIGTERM)
            signal.raise_signal(sent[0])
        return "step"

    fake = Fake(script)
    assert not goes(jobs, fake)
    assert fake.said == ["stopping: 2 runs write their checkpoint; Ctrl-C again stops at once"]
    assert fake.results == {label: {"status": "interrupted"} for label in ("run2", "run1")}


def test_in_a_thread_of_its_own_it_works_without_interrupts(tmp_path):
    jobs = make_jobs(tmp_path, 2)
    fake = Fake(lambda fake, job: "done")
    thread = threading.Thread(target=fake.run, args=(jobs, fake.observe))
    thread.start()
    thread.join(20)
    assert all_finished(jobs, fake)


def test_a_shell_that_has_ctrl_c_ignored_is_obeyed(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        jobs = make_jobs(tmp_path, 1)

        def script(fake, job):
            signal.raise_signal(signal.SIGINT)
            return "done"

        assert goes(jobs, Fake(script))
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("where", ["open", "submit", "poll", "observe"])
def test_an_error_is_not_hidden_and_the_executor_is_closed(tmp_path, where):
    fake = Fake(lambda fake, job: "done")

    def call(name):
        fake.calls.append(name)
        if name == where:
            raise UsageError("there is no cluster")

    fake.call = call
    with pytest.raises(UsageError, match="there is no cluster"):
        goes(make_jobs(tmp_path, 2), fake)
    assert fake.calls[-1] == "close"


def test_a_run_of_another_command_is_waited_for(tmp_path):
    ours, theirs = make_jobs(tmp_path, 2)
    theirs.folder.mkdir()
    claim = acquire(theirs.folder)
    fake = Fake(lambda fake, job: "done")

    def say(text):
        fake.said.append(text)
        RunFolder(theirs.folder).finish({"test": {"accuracy": 1.0}})
        claim.release()

    fake.say = say
    assert goes([ours, theirs], fake)
    (said,) = fake.said
    assert said.startswith(
        f"waiting for 1 run that another command works on: process {os.getpid()}"
    )
    assert fake.submits == {"run0": 1}
    assert fake.results["run1"] == {"test": {"accuracy": 1.0}}


def test_a_run_lost_for_good_on_another_machine_is_not_tried_for_ever(tmp_path, monkeypatch):
    """The claim of a process that was lost elsewhere stands until it was watched long enough."""
    now = itertools.count(step=STALE_S / 5)
    monkeypatch.setattr(claims, "seconds", lambda: float(next(now)))
    (job,) = make_jobs(tmp_path, 1)

    def script(fake, job):
        far = asdict(Process("far", "far boot 1", 7, "1"))
        document = {"token": f"old{fake.submits['run0']}", **far, "written": 0}
        for path in job.folder.glob("claim*"):
            path.unlink()
        job.folder.mkdir(exist_ok=True)
        (job.folder / "claim").write_text(json.dumps(document))
        return "died"

    fake = Fake(script)
    assert goes([job], fake)
    assert fake.submits["run0"] == 2
    assert fake.results["run0"]["error"] == "its worker died twice (signal 9)"
