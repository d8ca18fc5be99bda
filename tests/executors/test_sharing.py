"""How many runs share a GPU by default."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from ltbench.errors import UsageError
from ltbench.executors import sharing
from ltbench.executors.sharing import runs_per_gpu
from ltbench.session.session import Session

DIGITS, LARGE = ("digits-cnn", 3, 28), ("resnet18", 3, 64)


@pytest.fixture
def gpus(monkeypatch):
    def gpus(*sizes, cores=16):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(sizes))
        monkeypatch.setattr(
            torch.cuda,
            "get_device_properties",
            lambda gpu: SimpleNamespace(total_memory=sizes[gpu] << 30),
        )
        monkeypatch.setattr(sharing, "cores", lambda: cores)

    return gpus


def test_small_networks_share_a_gpu(gpus):
    gpus(80)
    assert runs_per_gpu("cuda", [DIGITS]) == 4
    assert runs_per_gpu("cuda", [DIGITS, LARGE]) == 1
    assert runs_per_gpu("cuda", [("digits-cnn", 3, 224)]) == 1
    assert runs_per_gpu("cpu", [DIGITS]) == 1


def test_each_has_a_core_and_its_memory(gpus):
    gpus(80, cores=3)
    assert runs_per_gpu("cuda", [DIGITS]) == 3
    gpus(80, 80, cores=4)
    assert runs_per_gpu("cuda", [DIGITS]) == 2
    assert runs_per_gpu("cuda:1", [DIGITS]) == 4
    gpus(80, 8)
    assert runs_per_gpu("cuda", [DIGITS]) == 2
    assert runs_per_gpu("cuda:0", [DIGITS]) == 4
    gpus(2)
    assert runs_per_gpu("cuda", [DIGITS]) == 1


def test_a_session_shares_unless_it_is_told_otherwise(gpus, tmp_path):
    gpus(80, 80)

    def devices(**options):
        session = Session(tmp_path, data_dir=tmp_path, device="cuda", **options)
        plan = session.plan(["erm"], ["tiny-mlt"], range(20), "fp32")
        slots = session.slots(plan)
        return len(slots.devices), session._sharing(slots)

    assert devices() == (8, 4)
    assert devices(jobs_per_device=1) == (2, 1)
    assert devices(jobs=3) == (3, 2)


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_a_number_of_a_gpu_means_nothing_on_a_cluster(name, tmp_path):
    for device in ("cuda:0", "cuda:1"):
        with pytest.raises(UsageError, match=f"{name} gives each run one .*--device cuda,"):
            Session(tmp_path, executor=f"{name}[gpus=1]", device=device)
    assert Session(tmp_path, executor=f"{name}[gpus=1]", device="cuda").device == "cuda"


def test_a_share_of_a_gpu_is_a_share_of_its_memory(tmp_path):
    session = Session(tmp_path, executor="ray[gpus=0.25]")
    assert session._sharing(SimpleNamespace(devices=("cuda",) * 8)) == 4
