"""Batches on an emulated GPU: copies on a stream of their own, and rows in one transfer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltbench.data import device_images as module
from ltbench.data.device_images import DeviceImages, resident_limit
from ltbench.data.sampling import make_sampler
from ltbench.data.store import open_store

CUDA = torch.device("cuda")


class Event:
    """Copies that are under way."""

    def __init__(self, copies):
        self.copies = copies


class Stream:
    """A stream on which nothing is copied before somebody waits for it."""

    def __init__(self, device=None):
        self.under_way, self.waited = [], 0

    def record_event(self):
        event, self.under_way = Event(self.under_way), []
        return event

    def wait_event(self, event):
        self.waited += 1
        for target, source in event.copies:
            target.copy_(source)

    def __enter__(self):
        STREAMS.append(self)

    def __exit__(self, *_):
        STREAMS.pop()


STREAMS: list[Stream] = []


@pytest.fixture
def gpu(monkeypatch):
    """A GPU whose tensors lie on the CPU, and whose copies come late."""
    step, to, empty = Stream(), torch.Tensor.to, torch.empty
    used, pinned = [], []

    def moved(tensor, device=None, *args, **kwargs):
        if not (isinstance(device, torch.device) and device.type == "cuda"):
            return to(tensor, device, *args, **kwargs)
        made = torch.full_like(tensor, 77)
        if STREAMS:
            assert kwargs.get("non_blocking")
            assert id(tensor) in pinned
            STREAMS[-1].under_way.append((made, tensor))
        else:
            made.copy_(tensor)
        return made

    def made(*args, pin_memory=False, **kwargs):
        found = empty(*args, **kwargs)
        if pin_memory:
            pinned.append(id(found))
        return found

    monkeypatch.setattr(torch.Tensor, "to", moved)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda t, stream: used.append(stream))
    monkeypatch.setattr(torch, "empty", made)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: step)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 8 << 30))
    return step, used


def test_large_data_sets_are_copied_on_a_stream_of_their_own(gpu, make_noise):
    step, used = gpu
    noise = make_noise()
    store = open_store(noise, noise.split())
    found = DeviceImages(store, CUDA)
    assert not found.resident
    sampler, seen = make_sampler("uniform", store.split, 3, 0), 0
    for number, (images, rows) in enumerate(found.stream(sampler, 2, 9), 2):
        assert (images.numpy() == store.images[rows.numpy()]).all()
        assert (rows.numpy() == sampler(number)).all()
        seen += 1
    assert seen == 7
    assert step.waited == 7, "the step's stream waits for each copy; the host never does"
    assert used == [step] * 7, "the memory of a batch is not used again before the step is done"


def test_one_transfer_tells_the_rows_of_many_batches(gpu, make_noise, monkeypatch):
    noise = make_noise()
    store = open_store(noise, noise.split())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 << 30, 8 << 30))
    found, sent = DeviceImages(store, CUDA), []
    assert found.resident
    send = found._sent
    monkeypatch.setattr(found, "_sent", lambda index: sent.append(len(index)) or send(index))
    sampler = make_sampler("uniform", store.split, 3, 0)
    per_step = len(sampler(0))
    for images, rows in found.stream(sampler, 0, 50):
        assert (images.numpy() == store.images[rows.numpy()]).all()
    assert sent == [50 * per_step]
    monkeypatch.setattr(module, "ROWS_AHEAD", 20 * per_step)
    assert len(list(found.stream(sampler, 0, 50))) == 50
    assert sent[1:] == [20 * per_step, 20 * per_step, 10 * per_step]
    assert list(found.batches([])) == []
    assert len(list(found.batches([np.array([1, 2]), np.array([3])]))) == 2


def test_what_is_kept_on_a_card_is_a_share_of_its_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (70 << 30, 80 << 30))
    assert resident_limit(CUDA) == 20 << 30
    assert resident_limit(CUDA, 4) == 5 << 30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 << 30, 24 << 30))
    assert resident_limit(CUDA) == (3 << 30) // 2
    assert resident_limit(torch.device("cpu"), 8) == 4 << 30
