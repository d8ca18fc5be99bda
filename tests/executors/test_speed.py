"""Measuring steps: in turns, of as many images as can be afforded, and without a trace."""

from __future__ import annotations

import time

import pytest
import torch

from ltbench.executors import speed
from ltbench.executors.speed import Workload, measure
from ltbench.results.arithmetic import EVERY, PLAIN, Arithmetic
from ltbench.results.protocol import Protocol

FP32_LAST, BF16, BF16_LAST = EVERY[1:]


class Steps:
    """Steps that take what they are told on a clock of their own."""

    def __init__(self, seconds, noise=lambda number: 1.0):
        self.now, self.order, self.noise = 0.0, [], noise
        self.steps = {way: self._step(way, value) for way, value in seconds.items()}

    def _step(self, way, seconds):
        def step():
            self.now += seconds * self.noise(len(self.order))
            self.order.append(way)

        return step

    def compared(self, monkeypatch):
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        return speed._compared(self.steps, lambda: self.now)


def test_every_turn_has_a_step_of_each_way_and_begins_with_another(monkeypatch):
    steps = Steps(dict.fromkeys(EVERY, 0.01))
    steps.compared(monkeypatch)
    turns = [steps.order[i : i + 4] for i in range(4, len(steps.order), 4)]  # after the warm-up
    assert all(set(turn) == set(EVERY) for turn in turns)
    assert [turn[0] for turn in turns[:4]] == list(EVERY)
    assert speed.LEAST <= len(turns) <= speed.MOST


def test_a_machine_that_gets_slower_meanwhile_slows_all_ways_alike(monkeypatch):
    steps = Steps({PLAIN: 0.10, BF16: 0.08}, noise=lambda number: 1.1**number)
    _, ratios = steps.compared(monkeypatch)
    assert ratios[BF16] == pytest.approx(0.8, rel=0.2)
    assert ratios[PLAIN] == 1.0


def test_one_slow_step_does_not_decide(monkeypatch):
    steps = Steps({PLAIN: 0.02, BF16: 0.01}, noise=lambda number: 50.0 if number == 7 else 1.0)
    _, ratios = steps.compared(monkeypatch)
    assert ratios[BF16] == pytest.approx(0.5)


def test_what_is_hopeless_is_not_measured_to_the_end(monkeypatch):
    steps = Steps({PLAIN: 0.1, FP32_LAST: 0.09, BF16: 1.0, BF16_LAST: 0.05})
    seconds, ratios = steps.compared(monkeypatch)
    assert steps.order.count(BF16) == 1 + 2  # the warm-up, and two turns
    assert steps.order.count(PLAIN) > 3, "what all are compared with is never left out"
    assert seconds[BF16] == pytest.approx(1.0)
    assert ratios[BF16] == pytest.approx(10.0)


def test_slow_steps_end_after_few_turns(monkeypatch):
    steps = Steps(dict.fromkeys(EVERY, 10.0))
    steps.compared(monkeypatch)
    assert len(steps.order) == 4 * (1 + speed.LEAST)


def work(images=8):
    return Workload("digits-cnn-narrow", (3, 28, 28), images, 10, Protocol())


def test_a_real_network_is_measured_and_leaves_no_trace():
    torch.manual_seed(3)
    before = torch.get_rng_state(), torch.get_num_threads()
    found = measure(work(), [PLAIN, FP32_LAST], "cpu", 1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    assert found.images == 8
    assert found.seconds.keys() == {PLAIN, FP32_LAST}
    assert 0.2 < found.ratios[FP32_LAST] < 5
    assert all(0 < seconds < 2 for seconds in found.seconds.values())


def test_of_a_slow_step_fewer_images_are_measured(monkeypatch):
    def step(work, way, device, images):
        return lambda: time.sleep(0.01 * images)

    monkeypatch.setattr(speed, "_step", step)
    assert speed._affordable(work(images=1000), "cpu") in range(12, 21)
    monkeypatch.setattr(speed, "_step", lambda *_: lambda: None)
    assert speed._affordable(work(images=1000), "cpu") == 1000
    monkeypatch.setattr(speed, "_step", lambda *a: lambda: time.sleep(0.2))
    assert speed._affordable(work(images=1000), "cpu") == 2


def test_where_others_compute_one_thread_is_measured(monkeypatch):
    monkeypatch.setattr(speed, "cores", lambda: 4)
    monkeypatch.setattr(speed.os, "getloadavg", lambda: (0.4, 0.0, 0.0))
    assert speed.undisturbed(4) == 4
    monkeypatch.setattr(speed.os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    assert speed.undisturbed(4) == 1
    assert speed.undisturbed(2) == 2


def test_kernels_of_a_model_are_in_the_asked_order():
    way = Arithmetic("fp32", "channels-last")
    step = speed._step(work(), way, "cpu", 4)
    model = next(c.cell_contents for c in step.__closure__ if hasattr(c.cell_contents, "backbone"))
    kernels = [p for p in model.parameters() if p.dim() == 4 and p.shape[1] > 1]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
    assert not all(p.is_contiguous() for p in kernels)
    step()
