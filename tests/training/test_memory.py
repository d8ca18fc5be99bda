"""Memory: what a run took at most, what it gives back, and advice where it was too small."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ltbench.evaluation.batch_size import is_out_of_memory
from ltbench.training import context as context_module
from ltbench.training import memory
from ltbench.training.context import _on_device, _open_store
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)
CPU = torch.device("cpu")


def test_the_peak_of_a_run_is_its_own(make_job):
    big = torch.ones(600_000_000, dtype=torch.uint8)
    before = memory.peak_memory_mb(CPU)
    del big
    result = execute(make_job(), *QUIET)
    assert result["peak_memory_mb"] < before - 200


def test_on_a_gpu_the_peak_begins_anew_and_memory_is_given_back(make_job, monkeypatch):
    called = []
    for name in ("reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *a, name=name: called.append((name, *a)))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 5e6)
    device = torch.device("cuda:1")
    memory.reset_peak_memory(device)
    assert called == [("reset_peak_memory_stats", device)]
    assert memory.peak_memory_mb(device) == 5.0
    with pytest.raises(KeyError), memory.memory_given_back("cuda:1"):
        raise KeyError
    assert called[1:] == [("empty_cache",)]


def test_a_lost_device_gives_nothing_back_and_says_nothing(monkeypatch):
    def lost():
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lost)
    memory.free_memory(torch.device("cuda"))


def test_every_run_gives_its_memory_back(make_job, monkeypatch):
    freed = []
    monkeypatch.setattr(memory, "free_memory", freed.append)
    execute(make_job(folder="a"), *QUIET)
    assert execute(make_job("misbehave[at=2]", folder="b"), *QUIET)["status"] == "failed"
    assert freed == [CPU, CPU]


def test_one_data_set_at_a_time_is_on_a_device(tmp_path, monkeypatch):
    made = []

    class Images:
        def __init__(self, store, device, repair, sharing):
            made.append((id(store), sharing))

    last, freed = {}, []
    monkeypatch.setattr(context_module, "DeviceImages", Images)
    monkeypatch.setattr(context_module, "free_memory", lambda device: freed.append(len(last)))
    monkeypatch.setattr(context_module, "_last", last)
    dataset, store, _ = _open_store("tiny-mlt", (), tmp_path, None)
    first = _on_device(dataset, store, CPU, 1)
    assert _on_device(dataset, store, CPU, 1) is first
    assert _on_device(dataset, replace(store), CPU, 2) is not first
    assert len(last) == 1
    assert freed == [0, 0], "the one before is given up before the next is moved there"
    assert [sharing for _, sharing in made] == [1, 2]


MEMORY_ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError("CUDA error: out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


@pytest.mark.parametrize("error", MEMORY_ERRORS, ids=lambda e: type(e).__name__)
def test_out_of_memory_is_known(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes"), ValueError("out of memory"), KeyError()])
def test_other_errors_are_not_out_of_memory(error):
    assert not is_out_of_memory(error)


def test_out_of_memory_says_batch_and_memory_and_what_to_try(make_job, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1.5e9, 25e9))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 9e9)
    job = replace(make_job(batch_per_domain=24), device="cuda:1", sharing=3)
    assert memory.out_of_memory(job) == (
        "out of memory on cuda:1 with batches of 24 images a domain: 23.5 of 25.0 GB in use, and "
        "this run had up to 9.0; try a smaller batch (--batch-size 12 --accumulate 2), fewer runs "
        "at a time (--jobs-per-device 2) or --precision bf16"
    )


def test_what_cannot_be_tried_is_not_said(make_job, other_precision):
    job = other_precision(make_job("mldg", batch_per_domain=24), "bf16")
    assert memory.out_of_memory(job).endswith("; try a smaller batch (--batch-size 12)")
    job = other_precision(make_job(batch_per_domain=1, accumulate=4), "bf16")
    said = memory.out_of_memory(job)
    assert said.endswith("; try a smaller backbone or --image-size")
    assert "batches of 1 images a domain, 4 of them a step" in said


def test_the_advice_is_the_runs_error(make_job, monkeypatch):
    def step(self, batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("ltbench.plugins.algorithm.Algorithm.step", step)
    failure = execute(make_job(), *QUIET)
    assert failure["error"].startswith("out of memory on cpu with batches of ")
    assert "--accumulate 2" in failure["error"]
    assert "Tried to allocate 2.00 GiB" in failure["traceback"]
