"""The SLURM executor on a real cluster of one node."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from cluster_sweeps import finish, results, run_here, start, wait_for
from slurm_cluster import cluster, why_not

pytestmark = pytest.mark.needs("slurm", why_not())

SLOW = ("--algo", "misbehave[how=slow]", "--protocol", "long", "--steps", "120", "--seeds", "1")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield {**os.environ, **environment, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("here")
    code, text = run_here(out, *SLOW)
    assert code == 0, text
    return results(out)


def on(cluster, out, *args, options="memory=2,poll=0.5"):
    return start(out, *args, "--executor", f"slurm[{options}]", environment=cluster)


def queue(environment, *fields):
    command = ["squeue", "--noheader", "--array", f"--format={' '.join(fields)}"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [line.split() for line in answer.stdout.splitlines()]


def begin_at_once(environment, number):
    """Spare the test the two minutes for which SLURM lets a requeued job wait."""
    command = ["scontrol", "update", f"JobId={number}", "StartTime=now"]
    subprocess.run(command, env=environment, check=True)


def test_an_array_gives_what_this_machine_gives(slurm, tmp_path):
    args = ("--algo", "erm,misbehave[how=raise]", "--seeds", "2")
    code, text = finish(on(slurm, tmp_path / "slurm", *args))
    assert code == 1, text  # two of the four runs fail, as they are told
    assert "told to raise" in text
    run_here(tmp_path / "here", *args)
    assert results(tmp_path / "slurm") == results(tmp_path / "here")
    assert len(results(tmp_path / "slurm")) == 2
    assert not list((tmp_path / "slurm").rglob("claim*"))


def test_a_preempted_run_is_requeued_and_its_result_is_the_same(slurm, uninterrupted, tmp_path):
    options = "partition=low,memory=2,poll=0.5"
    waits = on(slurm, tmp_path / "slurm", *SLOW, options=options)
    wait_for(lambda: list((tmp_path / "slurm").rglob("latest.pt")))
    urgent = ["sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 3"]
    subprocess.run(urgent, env=slurm, check=True, capture_output=True)
    wait_for(lambda: [job for job in queue(slurm, "%P", "%T") if job == ["high", "RUNNING"]])
    requeued = wait_for(lambda: [job for job in queue(slurm, "%A", "%P", "%T") if "low" in job])
    assert [job[1:] for job in requeued] == [["low", "PENDING"]]
    begin_at_once(slurm, requeued[0][0])
    code, text = finish(waits)
    assert code == 0, text
    assert results(tmp_path / "slurm") == uninterrupted


@pytest.mark.slow  # a preempted run, above, is requeued in the same way
def test_a_run_whose_time_is_up_is_requeued_with_its_checkpoint(slurm, uninterrupted, tmp_path):
    waits = on(slurm, tmp_path / "slurm", *SLOW)
    wait_for(lambda: list((tmp_path / "slurm").rglob("latest.pt")))
    ((number,),) = queue(slurm, "%A")
    # The signal that SLURM sends ahead of the time limit.
    subprocess.run(["scancel", "--signal=USR1", number], env=slurm, check=True)
    wait_for(lambda: [job for job in queue(slurm, "%T") if job == ["PENDING"]])
    assert not results(tmp_path / "slurm")
    begin_at_once(slurm, number)
    code, text = finish(waits)
    assert code == 0, text
    assert results(tmp_path / "slurm") == uninterrupted


# A second interrupt, below, goes the same way as far as the checkpoint.
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_the_jobs_after_a_checkpoint(slurm, uninterrupted, tmp_path, number):
    stopped = on(slurm, tmp_path, *SLOW)
    wait_for(lambda: list(tmp_path.rglob("latest.pt")))
    stopped.send_signal(number)
    code, text = finish(stopped)
    assert code == 130, text
    assert "Ctrl-C again stops at once" in text
    assert "type the same command to go on" in text
    assert not queue(slurm, "%T")
    assert not list(tmp_path.rglob("claim*"))
    code, text = finish(on(slurm, tmp_path, *SLOW))
    assert code == 0, text
    assert results(tmp_path) == uninterrupted


def test_a_second_interrupt_does_not_wait_and_leaves_no_job(slurm, tmp_path):
    seeds = ("--seeds", str(os.cpu_count() + 2))  # so that some of the jobs wait
    stopped = on(slurm, tmp_path, *SLOW[:-2], *seeds)
    wait_for(lambda: list(tmp_path.rglob("latest.pt")))
    stopped.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    stopped.send_signal(signal.SIGINT)
    code, text = finish(stopped)
    assert code == 130, text
    assert "type the same command to go on" in text
    assert "Traceback" not in text
    wait_for(lambda: not queue(slurm, "%T"), 60)


@pytest.mark.slow  # SLURM takes its time to tell of a job that died, twice
def test_a_job_that_dies_is_tried_once_more_and_then_recorded(slurm, tmp_path):
    code, text = finish(on(slurm, tmp_path, "--algo", "misbehave[how=die]", "--seeds", "1"))
    assert code == 1, text
    (error,) = tmp_path.rglob("error.json")
    assert "SLURM job" in json.loads(error.read_text())["error"]


def test_a_later_command_finds_the_jobs_of_one_that_was_killed(slurm, tmp_path):
    first = on(slurm, tmp_path, *SLOW)
    wait_for(lambda: list(tmp_path.rglob("latest.pt")))
    first.kill()
    code, text = finish(on(slurm, tmp_path, *SLOW))
    assert code == 0, text
    assert len(results(tmp_path)) == 1
    assert len({path.name for path in (tmp_path / ".slurm").iterdir() if path.is_dir()}) == 1


# Its jobs would begin in an hour, so that they do not end by themselves before the next command.
KILLS_ITS_COMMAND = """#!/bin/sh
{sbatch} --begin=now+1hour "$@"
kill -9 $PPID
"""


@pytest.mark.parametrize("seeds", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_command_killed_just_after_it_submitted_leaves_no_job_unknown(slurm, tmp_path, seeds):
    wrapped, out = tmp_path / "bin" / "sbatch", tmp_path / "runs"
    wrapped.parent.mkdir()
    wrapped.write_text(KILLS_ITS_COMMAND.format(sbatch=shutil.which("sbatch", path=slurm["PATH"])))
    wrapped.chmod(0o755)
    args = ("--algo", "erm", "--seeds", str(seeds))
    deadly = {**slurm, "PATH": f"{wrapped.parent}:{slurm['PATH']}"}
    code, text = finish(on(deadly, out, *args))
    assert code == -signal.SIGKILL, text
    (name,) = json.loads((out / ".slurm" / "submitted.json").read_text())
    torn = {number for number, of in queue(slurm, "%i", "%j") if of == name}
    assert len(torn) == seeds, "they wait for a file that nobody will write"
    code, text = finish(on(slurm, out, *args))
    assert code == 0, text
    assert len(results(out)) == seeds
    wait_for(lambda: not queue(slurm, "%T"))
    began = {path.name.rpartition("_result")[0] for path in out.rglob("*_result.pkl")}
    assert len(began) == seeds, "every run was carried out once"
    assert not {job_id.rpartition("_")[0] for job_id in began} & torn


@pytest.mark.slow  # a later command, above, finds the jobs in the same way
def test_two_commands_share_the_jobs_of_one(slurm, tmp_path):
    first = on(slurm, tmp_path, *SLOW)
    wait_for(lambda: queue(slurm, "%T"))
    second = on(slurm, tmp_path, *SLOW)
    assert [finish(command)[0] for command in (first, second)] == [0, 0]
    assert len(list((tmp_path / ".slurm").rglob("*_result.pkl"))) == 1


def test_a_partition_that_is_not_there_is_an_error_of_use(slurm, tmp_path):
    args = ("--algo", "erm", "--seeds", "2")
    code, text = finish(on(slurm, tmp_path, *args, options="partition=nope"))
    assert code == 2, text
    assert "invalid partition" in text.lower()
