"""How fast a network trains on this machine in each way to compute; nothing is chosen here.

Steps are taken in turns, one of every way, so that what else the machine does meets all of them,
and compared within their turn.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ltbench.executors.processor import cores
from ltbench.models.adaptation.adapted import adapted
from ltbench.models.catalogue import build_backbone
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.backbone_options import checked_options, parse_backbone
from ltbench.plugins.batch import Batch, TrainInfo
from ltbench.plugins.hparams import HParams
from ltbench.results.arithmetic import PLAIN, Arithmetic
from ltbench.results.protocol import Protocol
from ltbench.training.model import placed
from ltbench.training.optimizers import optimizer_maker

STEP_S = 0.2
"""Seconds that a step of the plain way may take; of more, fewer images are measured."""
ENOUGH_S = 1.0
LEAST, MOST = 3, 15
"""Turns that are taken, however slow or fast they are."""
HOPELESS = 1.3
"""Times as slow as the fastest: after its first turns a way is not tried further."""
_FEWEST = 2  # images: batch normalisation needs two
_PROBE = 8


@dataclass(frozen=True)
class Workload:
    """What is measured: steps of a network.

    Attributes:
        backbone: the network's name with its options.
        image_shape: channels, height and width of an image.
        images: in a step.
        classes: that its classifier tells apart.
        protocol: of which the optimiser is taken, and what it says of paths to drop.
    """

    backbone: str
    image_shape: tuple[int, int, int]
    images: int
    classes: int
    protocol: Protocol


@dataclass(frozen=True)
class Speeds:
    """What was measured.

    Attributes:
        seconds: the median of a step, by the way to compute; of ways that were given up, of few.
        ratios: the time of a step over that of the plain one in its turn, the median.
        images: in a step that was measured, at most those of the workload.
        threads: of the processor, that were measured.
    """

    seconds: dict[Arithmetic, float]
    ratios: dict[Arithmetic, float]
    images: int
    threads: int


def measure(work: Workload, ways: Sequence[Arithmetic], device: str, threads: int) -> Speeds:
    """Return how long steps take on this machine.

    On a GPU a process of its own measures, which leaves the device to the runs.

    Args:
        work: what is trained.
        ways: to be compared; the plain one is measured in any case.
        device: ``cpu`` or ``cuda:N``.
        threads: CPU threads to compute with.

    Raises:
        Exception: whatever a backbone raises, and what becomes of a process that ends.
    """
    ways = list(dict.fromkeys([PLAIN, *ways]))
    if device == "cpu":
        return measure_here(work, ways, device, undisturbed(threads))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure_here, work, ways, device, threads).result()


def measure_here(work: Workload, ways: Sequence[Arithmetic], device: str, threads: int) -> Speeds:
    """Do the same in this process, whose settings and generators stay as they are."""
    with _settings(device, threads):
        images = _affordable(work, device)
        steps = {way: _step(work, way, device, images) for way in ways}
        one = device == "cpu" and threads == 1
        clock = time.process_time if one else time.perf_counter
        return Speeds(*_compared(steps, clock), images, threads)


@contextmanager
def _settings(device: str, threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def undisturbed(threads: int) -> int:
    """Return with how many threads to measure: with one where others want the cores as well.

    Threads that wait for one another measure the others' work. One is timed by the processor's
    clock, which stands still while another process has the core.
    """
    return threads if os.getloadavg()[0] + threads <= cores() + 1 else 1


def _affordable(work: Workload, device: str) -> int:
    """Return so many images, of those in a step, that the plain step takes no longer than it may.

    Few are tried first, as a large network may take a minute for each.
    """
    images = min(_FEWEST, work.images)
    while images < work.images:
        step = _step(work, PLAIN, device, images)
        seconds = min(_timed(step, time.perf_counter) for _ in range(2))
        affordable = int(images * STEP_S / max(seconds, 1e-6))
        if affordable > 0.75 * work.images:
            return work.images
        if images >= _PROBE or affordable <= _PROBE:
            return max(images, affordable)
        images = min(_PROBE, work.images)
    return images


def _step(work: Workload, way: Arithmetic, device: str, images: int) -> Callable[[], None]:
    """Return what takes one step: forward, backward, and the optimiser's."""
    torch.manual_seed(0)
    named = parse_backbone(work.backbone)
    backbone = build_backbone(named.name, work.image_shape, False, work.protocol.drop_path)
    options = checked_options(named.options, named.name)
    backbone = adapted(backbone, options, named.name, work.classes)
    info = TrainInfo(
        counts=torch.ones(1, work.classes, dtype=torch.int64),
        domains=("all",),
        classes=tuple(map(str, range(work.classes))),
        many=1,
        few=1,
        steps=1,
        batch_per_domain=images,
        image_shape=work.image_shape,
    )
    where = torch.device(device)
    model = placed(Algorithm(backbone, info, HParams()), where, way.memory_format)
    model.precision = way.precision
    model.optimizers = model.configure_optimizers(optimizer_maker(work.protocol, model))
    model.train()
    x = torch.randn(images, *work.image_shape).to(where)
    y = torch.arange(images).remainder(work.classes).to(where)
    batch = Batch(x, y, torch.zeros_like(y), num_domains=1)

    def step() -> None:
        model.step(batch)
        if where.type == "cuda":
            torch.cuda.synchronize(where)

    return step


def _timed(step: Callable[[], None], clock: Callable[[], float]) -> float:
    began = clock()
    step()
    return clock() - began


Steps = dict[Arithmetic, Callable[[], None]]
Numbers = dict[Arithmetic, float]


def _compared(steps: Steps, clock: Callable[[], float]) -> tuple[Numbers, Numbers]:
    """Return the median seconds of steps, and the median ratios to the plain one of the turn."""
    for step in steps.values():  # kernels are made, and memory is taken
        step()
    times: dict[Arithmetic, list[float]] = {way: [] for way in steps}
    left, began = list(steps), time.perf_counter()
    for turn in range(MOST):
        if turn >= LEAST and time.perf_counter() - began > ENOUGH_S:
            break
        for way in left[turn % len(left) :] + left[: turn % len(left)]:
            times[way].append(_timed(steps[way], clock))
        if turn > 0:  # one step may be slow by chance
            medians = {way: statistics.median(times[way]) for way in left}
            bound = HOPELESS * min(medians.values())
            left = [way for way in left if way == PLAIN or medians[way] <= bound]
    ratios = {
        way: statistics.median(t / plain for t, plain in zip(own, times[PLAIN], strict=False))
        for way, own in times.items()
    }
    return {way: statistics.median(own) for way, own in times.items()}, ratios
