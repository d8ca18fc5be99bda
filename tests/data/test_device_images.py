from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from ltbench.data import device_images as module
from ltbench.data.device_images import DeviceImages
from ltbench.data.normalisation import Normalisation
from ltbench.data.sampling import make_sampler
from ltbench.data.store import ImageStore, open_store

CPU = torch.device("cpu")


@pytest.fixture
def store(make_noise) -> ImageStore:
    noise = make_noise()
    return open_store(noise, noise.split())


def steps(found: DeviceImages, store: ImageStore) -> list[tuple[torch.Tensor, torch.Tensor]]:
    sampler = make_sampler("uniform", store.split, 3, 0)
    return list(found.stream(sampler, 2, 9))


def test_small_and_large_data_sets_give_the_same_batches(store, monkeypatch) -> None:
    small = DeviceImages(store, CPU)
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    large = DeviceImages(store, CPU)
    assert (small.resident, large.resident) == (True, False)
    for (a, rows), (b, same) in zip(steps(small, store), steps(large, store), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(rows, same)
        assert (a.numpy() == store.images[rows.numpy()]).all()


def slow(call: Callable[..., object], seconds: float) -> Callable[..., object]:
    def slowed(*arguments: object) -> object:
        time.sleep(seconds)
        return call(*arguments)

    return slowed


def test_reading_overlaps_with_computing(store, monkeypatch) -> None:
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    found = DeviceImages(store, CPU)
    monkeypatch.setattr(found, "gather", slow(found.gather, 0.1))
    began = time.monotonic()
    for _ in found.batches([np.array([i]) for i in range(12)]):
        time.sleep(0.1)
    assert time.monotonic() - began < 0.75 * 12 * 0.2


def test_breaking_off_ends_the_reader(store, monkeypatch) -> None:
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    found = DeviceImages(store, CPU)
    batches = found.batches([np.array([i]) for i in range(12)])
    next(batches)
    batches.close()
    assert len(list(found.batches([]))) == 0


def test_errors_of_the_reader_arrive(store, monkeypatch) -> None:
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    with pytest.raises(IndexError):
        list(DeviceImages(store, CPU).batches([np.array([99])]))


def test_normalisation(make_noise) -> None:
    normalise = Normalisation(make_noise().facts, CPU)
    assert torch.equal(
        normalise(torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 3).expand(1, 3, 3, 3)),
        torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 3).expand(1, 3, 3, 3),
    )
