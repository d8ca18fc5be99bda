"""A first stage is trained once; whatever takes it over is, to the bit, what would train it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ltbench.results.claim import acquire
from ltbench.results.folder import RunFolder
from ltbench.results.process import Process
from ltbench.session.plan import Request, plan_runs
from ltbench.testing.small_run import check_same, plan_small, read_outcome, run_small
from ltbench.training import first_stage
from ltbench.training.first_stage import shared_folder, with_first_stages
from ltbench.training.job import Job
from ltbench.training.run import execute

METHODS = ("erm", "erm+crt", "erm+tau-norm")
STEPS = 5


class Runs:
    """Runs on the small data set in one folder, and what happened in them."""

    def __init__(self, out: Path) -> None:
        self.out, self.steps, self.notices, self.events = out, 0, [], []

    def jobs(self, *names: str, **changes) -> list[Job]:
        specs = map(plan_small, names)
        jobs = [Job(spec, spec.folder(self.out), Path(), **changes) for spec in specs]
        return with_first_stages(jobs, self.out)

    def go(self, job: Job, stop_at: int = 0) -> dict:
        """Carry out a run; the steps that it takes count."""
        taken = 0

        def should_stop() -> bool:
            nonlocal taken
            taken += 1
            self.steps += 1
            return taken == stop_at

        return execute(job, self._take, should_stop)

    def _take(self, event) -> None:
        self.events.append(event)
        if event["event"] == "notice":
            self.notices.append(event["sentence"])

    def stages(self) -> list[Path]:
        return sorted((self.out / ".stages").rglob("*.pt"))


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path / "runs")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The outcomes of runs each of which trained its own first stage."""
    folder = tmp_path_factory.mktemp("alone")
    return {name: run_small(name, folder / name) for name in METHODS}


def check(runs: Runs, job: Job, alone) -> None:
    check_same(read_outcome(job.spec, job.folder), alone[job.spec.algo], job.spec.algo)


@pytest.mark.parametrize("order", [METHODS, METHODS[::-1]])
def test_whoever_comes_first_trains_it_and_all_are_as_if_alone(runs, alone, order):
    jobs = runs.jobs(*order)
    results = [runs.go(job) for job in jobs]
    assert runs.steps == 2 * STEPS, "one first stage, and that of crt"
    for job in jobs:
        check(runs, job, alone)
        assert not list(job.folder.rglob("claim*"))
    first, *others = results
    assert "taken_over" not in first["timings"]
    source = str(jobs[0].spec.folder(Path()))
    for result in others:
        timings = result["timings"]
        assert timings["taken_over"]["run"] == source
        assert 0 < timings["taken_over"]["seconds"] <= timings["total_s"]
    # A done run of the stage alone has it; else there is one file, and nothing besides.
    assert len(runs.stages()) == (0 if order[0] == "erm" else 1)
    assert (runs.out / ".stages").exists() == (order[0] != "erm")


def test_who_watches_is_told_of_every_evaluation(runs):
    first, second = runs.jobs("erm", "erm+crt")
    runs.go(first)
    own = [event for event in runs.events if event["event"] == "evaluated"]
    runs.events.clear()
    runs.go(second)
    told = [event for event in runs.events if event["event"] == "evaluated"]
    assert told[: len(own)] == own
    log = RunFolder(second.folder).log.read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [event["step"] for event in told]


def test_a_run_that_shares_with_nobody_leaves_nothing(runs):
    (job,) = runs.jobs("erm")
    assert job.first_stage is None
    runs.go(job)
    assert not (runs.out / ".stages").exists()


def test_a_run_that_was_stopped_in_the_stage_or_after_it_goes_on(runs, alone):
    crt, tau = runs.jobs("erm+crt", "erm+tau-norm")
    assert runs.go(crt, stop_at=3)["status"] == "interrupted"
    assert not list(runs.out.rglob("claim*"))
    assert runs.go(crt)["test"] == alone["erm+crt"].test  # goes on from its own checkpoint
    assert runs.steps == 2 * STEPS
    runs.go(tau)
    check(runs, tau, alone)
    other = Runs(runs.out.parent / "other")
    first, second = other.jobs("erm", "erm+crt")
    other.go(first)
    assert other.go(second, stop_at=2)["status"] == "interrupted"
    result = other.go(second)
    assert other.steps == 2 * STEPS
    assert result["timings"]["taken_over"]["run"].startswith("small-mlt/erm/")
    check(other, second, alone)


def test_a_run_stopped_in_its_own_first_stage_takes_it_over_when_it_is_there(runs, alone):
    crt, erm = runs.jobs("erm+crt", "erm")
    assert runs.go(crt, stop_at=3)["status"] == "interrupted"
    runs.go(erm)
    assert "taken_over" in runs.go(crt)["timings"]
    check(runs, crt, alone)


def test_while_another_process_trains_it_a_run_says_so_and_keeps_nothing(runs, alone):
    crt, erm = runs.jobs("erm+crt", "erm")
    crt.first_stage.mkdir(parents=True)
    with acquire(crt.first_stage):
        for job in (crt, erm):
            outcome = runs.go(job)
            assert outcome["status"] == "claimed"
            assert "process" in outcome["owner"]
            assert not list(job.folder.rglob("claim*")), "whoever waits must hold nothing"
    assert runs.steps == 0
    # A run of the stage alone that knows of nobody holds a claim on itself alone.
    erm.folder.mkdir(parents=True, exist_ok=True)
    with acquire(erm.folder):
        assert runs.go(crt)["status"] == "claimed"
    runs.go(crt)
    check(runs, crt, alone)


DYING = """
import os, sys
from pathlib import Path
from ltbench.results.claim import acquire
acquire(Path(sys.argv[1]))
os.kill(os.getpid(), 9)
"""


def test_a_process_that_was_killed_while_it_trained_it_is_not_waited_for(runs, alone):
    (crt,) = runs.jobs("erm+crt")
    crt.first_stage.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", DYING, str(crt.first_stage)], check=False)
    assert list(crt.first_stage.glob("claim*"))
    runs.go(crt)
    check(runs, crt, alone)
    assert [path.name for path in crt.first_stage.iterdir()] == [runs.stages()[0].name]


def test_a_run_of_it_alone_that_was_found_abandoned_is_not_waited_for(runs, alone):
    crt, erm = runs.jobs("erm+crt", "erm")
    erm.folder.mkdir(parents=True)
    far = Process("far", "far boot 1", 7, "1")
    text = json.dumps({"token": "old", **asdict(far), "written": 0})
    (erm.folder / "claim").write_text(text)
    assert runs.go(crt)["status"] == "claimed", "this process has not watched it"
    assert runs.go(replace(crt, abandoned_runs=("older",)))["status"] == "claimed"
    assert "test" in runs.go(replace(crt, abandoned_runs=("old",)))
    check(runs, crt, alone)


def flip(path: Path, at: int = -200) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_damaged_file_is_trained_again_and_mended(runs, alone):
    crt, tau, erm = runs.jobs("erm+crt", "erm+tau-norm", "erm")
    runs.go(crt)
    (stage,) = runs.stages()
    flip(stage, len(stage.read_bytes()) // 2)
    steps = runs.steps
    assert "taken_over" not in runs.go(tau)["timings"]
    assert runs.steps == steps + STEPS
    assert "not believed" in runs.notices[-1]
    assert str(stage) in runs.notices[-1]
    check(runs, tau, alone)
    assert "taken_over" in runs.go(erm)["timings"], "what is there is sound again"
    check(runs, erm, alone)


@pytest.mark.parametrize("what", ["best", "log", "cut", "gone", "older"])
def test_of_a_run_whose_files_are_not_what_was_written_nothing_is_taken(runs, alone, what):
    erm, crt, tau = runs.jobs("erm", "erm+crt", "erm+tau-norm")
    runs.go(erm)
    folder = RunFolder(erm.folder)
    if what == "best":
        flip(folder.best, folder.best.stat().st_size // 2)
    elif what == "log":
        folder.log.write_text(folder.log.read_text().replace("1", "2", 1))
    elif what == "cut":
        folder.log.write_bytes(folder.log.read_bytes()[:-1])
    elif what == "gone":
        folder.best.unlink()
    else:  # of a version that did not say what the log was
        result = json.loads(folder.result.read_text())
        del result["log_sha256"]
        folder.result.write_text(json.dumps(result))
    assert "taken_over" not in runs.go(crt)["timings"]
    assert bool(runs.notices) == (what != "gone"), "what was removed on purpose is no damage"
    check(runs, crt, alone)
    assert runs.go(tau)["timings"]["taken_over"]["run"].startswith("small-mlt/erm+crt/")
    check(runs, tau, alone)


def test_what_was_computed_otherwise_is_not_taken(runs, monkeypatch):
    erm, crt = runs.jobs("erm", "erm+crt")
    runs.go(erm)
    (crt2,) = runs.jobs("erm+crt", threads=2)
    first = first_stage.FirstStage(crt, 1, runs.notices.append)
    with first:
        assert first.trained is not None
    with first_stage.FirstStage(crt2, 2, runs.notices.append) as other:
        assert other.trained is None
    monkeypatch.setattr(first_stage, "own_code", lambda spec: "another")
    with first_stage.FirstStage(crt, 1, runs.notices.append) as edited:
        assert edited.trained is None
    assert not runs.notices


def test_a_stage_that_fails_or_diverges_fails_the_run_in_it(runs, make_job, tmp_path):
    jobs = [make_job(name, folder=name, lr=1e3, steps=60) for name in ("erm", "erm+crt")]
    jobs = [replace(job, folder=job.spec.folder(tmp_path)) for job in jobs]
    erm, crt = with_first_stages(jobs, tmp_path)
    for job in (erm, crt):
        failure = runs.go(job)
        assert failure["status"] == "diverged"
        assert failure["stage"] == "erm"
        assert "mean loss of erm" in failure["error"]
    assert not list(tmp_path.rglob("claim*"))


def identity(method: str, seed: int = 0, protocol: str | None = None, **options) -> Path:
    request = Request([method], ["tiny-mlt"], [seed], "fp32", Path(), options, protocol=protocol)
    return shared_folder(plan_runs(request).specs[0], Path())


def test_what_a_first_stage_is_known_by(tmp_path):
    own = identity("erm")
    same = ["erm+crt", "erm+crt[steps=2]", "erm+lws", "erm+tau-norm+crt", "crt"]
    assert {identity(method) for method in same} == {own}
    others = [
        identity("focal+crt"),
        identity("focal[gamma=3]+crt"),
        identity("erm+crt", seed=1),
        identity("erm+crt", lr=0.5),
        identity("erm+crt", steps=7),
        identity("erm+crt", select="last"),
    ]
    assert len({own, *others}) == 1 + len(others)


def test_what_a_protocol_sets_of_stages_is_no_part_of_it_and_of_the_algorithm_is(tmp_path):
    def protocol(name: str, methods: str = "") -> str:
        path = tmp_path / name
        path.write_text(f'like = "tiny"\n{methods}')
        return str(path)

    one = protocol("one.toml")
    stages = protocol("two.toml", "[methods.crt]\nlr = 0.5\n")
    algorithm = protocol("three.toml", "[methods.focal]\ngamma = 3.0\n")
    assert identity("focal+crt", protocol=stages) == identity("focal", protocol=one)
    assert identity("focal+crt", protocol=algorithm) != identity("focal+crt", protocol=one)
