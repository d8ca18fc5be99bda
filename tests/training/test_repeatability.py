"""How torch computes during a run, and that the process is left as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from ltbench.executors.process_settings import differences, read_settings
from ltbench.results.folder import RunFolder
from ltbench.results.protocol import Protocol
from ltbench.training.repeatability import WORKSPACE, repeatable
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)

STATES = {
    "as torch begins": "",
    "by the older way": "torch.set_float32_matmul_precision('high')",
    "by the newer way": "torch.backends.fp32_precision = 'tf32'",
    "by both": "torch.backends.cudnn.conv.fp32_precision = 'ieee'",
    "a part of it": "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
}
LOOK = """
import torch
from ltbench.executors.process_settings import differences, read_settings
from ltbench.training.repeatability import repeatable
{state}
b = torch.backends
for device in ("cpu", "cuda"):
    for deterministic in (False, True):
        before = read_settings()
        with repeatable(torch.device(device), 1, deterministic):
            of = (b.cuda.matmul, b.cudnn.conv, b.cudnn.rnn) if device == "cuda" else (
                b.mkldnn.matmul, b.mkldnn.conv, b.mkldnn.rnn)
            print(*[part.fp32_precision in ("ieee", "none") for part in of])
            print(torch.are_deterministic_algorithms_enabled() == deterministic)
            print(device == "cpu" or (b.cudnn.deterministic and not b.cudnn.benchmark))
        print(differences(before, read_settings()) == [])
"""


@pytest.mark.parametrize("state", STATES)
def test_float32_is_float32_whatever_the_process_was_set_to(state):
    """In a process of its own, as some of torch's settings cannot be put back."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(state=STATES[state])],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(done.stdout.split()) == {"True"}, done.stdout


def test_what_a_plugin_set_meanwhile_stays_for_the_process_to_be_noticed_by():
    before = read_settings()
    threads = torch.get_num_threads()
    with repeatable(torch.device("cpu"), threads + 1):
        torch.set_num_threads(threads + 2)
    try:
        assert differences(before, read_settings()) == ["the number of threads"]
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("known", [None, ":16:8", ":0:0"])
def test_the_workspace_of_cublas_is_fixed_where_it_is_asked_for(monkeypatch, known):
    if known is None:
        monkeypatch.delenv(WORKSPACE, raising=False)
    else:
        monkeypatch.setenv(WORKSPACE, known)
    with repeatable(torch.device("cuda"), 1, deterministic=True):
        assert os.environ[WORKSPACE] == (":16:8" if known == ":16:8" else ":4096:8")
    with repeatable(torch.device("cuda"), 1):
        assert os.environ.get(WORKSPACE) == known
    assert os.environ.get(WORKSPACE) == known


def test_results_record_it(make_job):
    plain = execute(make_job(folder="plain"), *QUIET)
    strict = execute(make_job(folder="strict", deterministic=True), *QUIET)
    found = [result["environment"]["repeatability"] for result in (plain, strict)]
    assert [one["deterministic_algorithms"] for one in found] == [False, True]
    assert [one["tf32"] for one in found] == [False, False]


def test_it_leaves_no_trace_in_the_identity_when_off(make_job):
    assert "deterministic" not in Protocol().as_dict()
    plain, strict = make_job().spec, make_job(deterministic=True).spec
    assert plain.hash != strict.hash
    assert plain.hash == make_job(deterministic=False).spec.hash
    assert strict.identity()["protocol"]["deterministic"] is True


def test_on_a_cpu_the_bits_are_the_same(make_job):
    jobs = make_job("boda", folder="a"), make_job("boda", folder="b", deterministic=True)
    kept = [{k: execute(job, *QUIET)[k] for k in ("test", "val", "confusion")} for job in jobs]
    assert kept[0] == kept[1]


def test_an_operation_that_has_no_such_implementation_is_named(make_job, monkeypatch):
    def loss(self, batch):
        logits = self.predict(batch.x)
        return logits.mean() + torch.zeros(4).put_(torch.tensor([1]), torch.ones(1)).sum()

    monkeypatch.setattr("ltbench.plugins.algorithm.Algorithm.loss", loss)
    job = make_job(deterministic=True)
    failure = execute(job, *QUIET)
    assert failure["error"] == (
        "'put_', which the run needs, has no implementation on cpu that gives the same bits each "
        "time: leave out --deterministic, or choose another method or backbone"
    )
    assert json.loads(RunFolder(job.folder).error.read_text())["error"] == failure["error"]
    assert not torch.are_deterministic_algorithms_enabled()
