from __future__ import annotations

import pytest

from ltbench.errors import UsageError
from ltbench.executors import machine


def test_a_sweep_fills_the_cores_and_a_single_run_gets_one_slot(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    assert machine.make_slots("cpu", None, 20).devices == ("cpu",) * 4
    assert machine.make_slots("cpu", None, 1).devices == ("cpu",)
    assert machine.make_slots("cpu", 2, 20).devices == ("cpu",) * 2


def test_gpus_are_shared_out_in_turn(monkeypatch):
    monkeypatch.setattr(machine.torch.cuda, "device_count", lambda: 2)
    assert machine.make_slots("cuda", None, 9).devices == ("cuda:0", "cuda:1")
    assert machine.make_slots("cuda", 3, 9).devices == ("cuda:0", "cuda:1", "cuda:0")
    assert machine.make_slots("cuda:1", 2, 9).devices == ("cuda:1", "cuda:1")


def test_small_models_share_a_device(monkeypatch):
    monkeypatch.setattr(machine.torch.cuda, "device_count", lambda: 2)
    both = ("cuda:0", "cuda:1")
    assert machine.make_slots("cuda", None, 9, per_device=3).devices == both * 3
    assert machine.make_slots("cuda", 3, 9, per_device=3).devices == (*both, "cuda:0")
    assert machine.make_slots("cuda:1", None, 9, per_device=2).devices == ("cuda:1",) * 2
    assert machine.make_slots("cpu", None, 9, per_device=5).devices == ("cpu",) * 5
    assert machine.make_slots("cuda", None, 1, per_device=3).devices == ("cuda:0",)


def test_bf16_is_tried_only_where_it_is_native(monkeypatch):
    monkeypatch.setattr(machine, "_cpu_has_bf16", lambda: False)
    assert machine.precisions("cpu") == ("fp32",)
    monkeypatch.setattr(machine, "_cpu_has_bf16", lambda: True)
    assert machine.precisions("cpu") == ("fp32", "bf16")
    monkeypatch.setattr(machine.torch.cuda, "is_bf16_supported", lambda **_: False)
    assert machine.precisions("cuda:0") == ("fp32",)
    assert machine.precisions("mps") == ("fp32",)
    assert machine.memory_formats("mps") == ("contiguous",)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="--device"):
        machine.choose_device("cuda:99")
