"""Processes that die oddly, stand still or leave others behind: nothing waits for them for ever."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from local_sweep import Sweep

from ltbench.executors import overdue as overdue_module
from ltbench.executors import silence as silence_module
from ltbench.executors.channel import Channel, pair
from ltbench.executors.leftovers import VARIABLE
from ltbench.executors.overdue import Overdue
from ltbench.executors.silence import Silence
from ltbench.executors.worker import _cause
from ltbench.results.claim import find_owner
from ltbench.results.folder import RunFolder


def ordered(jobs):
    return [replace(job, cost=100.0 - place) for place, job in enumerate(jobs)]


def marked_processes(folder):
    """Return the processes that a worker of this test left behind."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if VARIABLE in process.environ() and process.cwd() == str(folder):
                found.append(process)
    return found


def test_each_strange_end_has_its_own_cause_and_the_other_runs_go_on(neighbour, make_jobs):
    ends = {
        "exit_text": "SystemExit: no licence for this method (in neighbour.py",
        "interrupt": "KeyboardInterrupt: pressed (in neighbour.py",
        "no_text": "RuntimeError without a text (in neighbour.py",
        "broken_text": "BrokenText, whose text cannot be had as its __str__ fails (in neighbour.py",
        "exit_code": "its worker died twice (exit code 3)",
        "segfault": "its worker died twice (signal 11, segmentation fault)",
    }
    runs = make_jobs(*(f"neighbour[does={does}]" for does in ends), "erm")
    sweep = Sweep()
    sweep.run(ordered(runs))
    errors = {does: sweep.results[f"neighbour[does={does}] 0"]["error"] for does in ends}
    assert {does: errors[does] for does, text in ends.items() if text not in errors[does]} == {}
    assert not [text for text in (*errors.values(), *sweep.said) if "memory" in text]
    assert "test" in sweep.results["erm 0"]
    for job in runs[:-1]:
        assert json.loads(RunFolder(job.folder).error.read_text())["status"] == "failed"


def test_a_run_that_cuts_its_connection_is_not_waited_for(neighbour, make_jobs):
    jobs = ordered(make_jobs("neighbour[does=descriptors]", "erm", steps=300, eval_every=100))
    sweep = Sweep()
    sweep.run(jobs)
    cut = "its worker closed its connection to the command"
    assert cut in sweep.said[0]
    assert not [text for text in sweep.said if "memory" in text]
    result = sweep.results["neighbour[does=descriptors] 0"]
    assert "test" in result or cut in result["error"]
    assert "test" in sweep.results["erm 0"]


def test_only_what_was_killed_may_have_run_out_of_memory():
    assert "memory" in _cause(-signal.SIGKILL)["advice"]
    for code in (0, 1, 139, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -64):
        assert "memory" not in json.dumps(_cause(code))


def test_a_dead_worker_is_noticed_though_its_child_holds_the_pipe(
    neighbour, make_jobs, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    jobs = ordered(make_jobs("neighbour[does=fork_and_die]", "erm"))
    began = time.monotonic()
    sweep = Sweep()
    sweep.run(jobs)
    assert "died twice (signal 9)" in sweep.results["neighbour[does=fork_and_die] 0"]["error"]
    assert "test" in sweep.results["erm 0"]
    assert time.monotonic() - began < 120
    assert marked_processes(tmp_path) == [], "what it forked is gone with it"


def test_a_child_that_goes_on_with_the_training_changes_nothing(neighbour, make_jobs):
    (forks,) = make_jobs("neighbour[does=fork_and_go_on]")
    sweep = Sweep()
    sweep.run([forks])
    assert "test" in sweep.results["neighbour[does=fork_and_go_on] 0"]
    assert not list(forks.folder.glob("claim*"))
    names = [path.name for path in forks.folder.rglob("*") if path.name.endswith(".tmp")]
    assert names == []


def test_a_worker_that_is_stopped_for_good_is_killed_with_a_sentence(
    neighbour, make_jobs, monkeypatch
):
    monkeypatch.setattr(silence_module, "STILL_S", 2.0)
    jobs = ordered(make_jobs("neighbour[does=stop]", "erm"))
    sweep = Sweep()
    sweep.run(jobs)
    error = sweep.results["neighbour[does=stop] 0"]["error"]
    assert error.startswith("its worker stood still twice (process ")
    assert "was stopped and did not go on for 2 s" in error
    assert "test" in sweep.results["erm 0"]


def test_a_silent_worker_is_told_of_and_a_lingering_thread_does_not_hold_the_end(
    neighbour, make_jobs, monkeypatch
):
    monkeypatch.setattr(silence_module, "SILENT_S", 3.0)
    jobs = ordered(make_jobs("neighbour[does=thread]", "misbehave[how=hang]"))
    jobs[1] = replace(jobs[1], timeout=9.0)
    monkeypatch.setattr("ltbench.executors.worker.GRACE_S", 3.0)
    sweep = Sweep()
    sweep.run(jobs)
    assert "test" in sweep.results["neighbour[does=thread] 0"]
    assert "hung" in sweep.results["misbehave[how=hang] 0"]["error"]
    told = [text for text in sweep.said if "no sign of progress for 3 s from process" in text]
    assert any(text.startswith("misbehave[how=hang] on tiny-mlt seed 0: ") for text in told)
    assert any("sleeps or waits" in text for text in told)


COMMAND = ("--dataset", "tiny-mlt", "--precision", "fp32", "--no-leaderboard", "--jobs", "1")


@pytest.mark.parametrize("does", ["thread", "stop", "fork_and_go_on"])
def test_an_interrupt_ends_the_command_whatever_a_worker_does(neighbour, tmp_path, does):
    """Ctrl-C twice, while a worker has a thread that never ends, stands still, or has a child."""
    words = ["--algo", f"neighbour[does={does},at=1]", "--steps", "100000", *COMMAND]
    command = [sys.executable, "-m", "ltbench", "run", *words, "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (folders := list(tmp_path.rglob("claim"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2.0)
    assert find_owner(folders[0].parent)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)  # also reads to the end of what its children hold
    assert process.returncode == 130, said
    assert "type the same command to go on" in said
    assert "Traceback" not in said


def test_half_a_message_is_not_waited_for():
    channel, theirs = pair()
    other = Channel(theirs)
    other.send({"event": "whole"})
    theirs.sendall(b"\0\0\0\0\0\0\1\0half")
    assert channel.arrived() == [{"event": "whole"}]
    assert channel.arrived() == []
    assert not channel.closed
    theirs.close()
    assert channel.arrived() == []
    assert channel.closed


def test_messages_arrive_whole_and_in_order():
    channel, theirs = pair()
    other = Channel(theirs)
    found = []
    for number in range(300):
        other.send((number, "x" * number))
        found += channel.arrived() if number % 7 == 0 else []
    found += channel.arrived()
    assert [number for number, _ in found] == list(range(300))
    channel.send("back")
    assert other.receive() == "back"
    channel.close()
    with pytest.raises(EOFError):
        other.receive()


def test_nothing_is_written_into_a_file_that_took_the_number_of_the_connection(tmp_path):
    _, theirs = pair()
    other = Channel(theirs)
    one, _ = socket.socketpair()
    os.dup2(one.fileno(), theirs.fileno())
    with pytest.raises(OSError, match="closed the connection"):
        other.send("lost")


def test_nonsense_on_the_connection_closes_it():
    channel, theirs = pair()
    theirs.sendall(b"\xff" * 64)
    assert channel.arrived() == []
    assert channel.closed


def test_time_in_which_nobody_looked_does_not_count(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(silence_module.time, "monotonic", lambda: now[0])
    silence = Silence(os.getpid())
    for _ in range(40):
        now[0] += 1.0
        assert silence.stands_still() == ""
        assert silence.told() is None
    now[0] += 3600.0  # the machine slept
    assert silence.stands_still() == ""
    assert silence.told() is None
    for _ in range(60):
        now[0] += 1.0
        silence.stands_still()
    assert f"process {os.getpid()}" in silence.told()
    assert silence.told() is None, "once"


def test_a_call_that_does_not_come_back_is_told_of(monkeypatch):
    monkeypatch.setattr(overdue_module, "PATIENCE_S", 0.1)
    monkeypatch.setattr(overdue_module, "_LOOK_S", 0.05)
    said = []
    with Overdue(said.append) as overdue:
        with overdue.waiting_for("the executor to start runs"):
            time.sleep(0.6)
        with overdue.waiting_for("the observers"):
            pass
        time.sleep(0.3)
    assert said == ["still waiting for the executor to start runs, 0.1 s so far"]
