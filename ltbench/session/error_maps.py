"""Where a run's network found its answers to test images, laid over what it saw of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ltbench.data.tested_images import TestedImages
from ltbench.report.thumbnails import overlaid
from ltbench.training.evidence import class_evidence
from ltbench.training.trained_model import TrainedModel, load_trained

_TOGETHER = 16  # images, as gradients of all layers are kept for each


def error_maps(
    folder: Path,
    images: TestedImages,
    chosen: Sequence[int],
    answers: NDArray[np.int64],
    *,
    device: str = "cpu",
    data_dir: Path | None = None,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[int, NDArray[np.uint8]], str]:
    """Return maps of test images, (side, side, 3) each, and by which method they were made.

    Args:
        folder: of the run.
        images: the test images.
        chosen: which of them, by their places.
        answers: of all of them; the map shows what spoke for the answer, not for the class.
        device: where the network computes.
        data_dir: the folder of the data sets' files, for runs of older versions.
        told: is told how many images are done, and how many there are.

    Raises:
        UsageError: the run has no network of its own, or its plugins are not here.
    """
    model = load_trained(folder, device, data_dir)
    maps: dict[int, NDArray[np.uint8]] = {}
    method = ""
    for start in range(0, len(chosen), _TOGETHER):
        part = chosen[start : start + _TOGETHER]
        there = {i: pixels for i in part if (pixels := images.pixels(i)) is not None}
        if there:
            found, method = _maps(model, there, answers)
            maps |= found
        told(min(start + _TOGETHER, len(chosen)), len(chosen))
    return maps, method


def _maps(
    model: TrainedModel, pixels: dict[int, NDArray[np.uint8]], answers: NDArray[np.int64]
) -> tuple[dict[int, NDArray[np.uint8]], str]:
    squares = torch.stack([model.square(one) for one in pixels.values()]).to(model.device)
    sizes = torch.tensor([one.shape[:2] for one in pixels.values()], device=model.device)
    seen = model.evaluation(squares, sizes)
    asked = torch.as_tensor(answers[list(pixels)], device=model.device)
    network = model.algorithm
    evidence = class_evidence(network, network.predict, model.normalise(seen), asked)
    shown = (255 * seen.clamp(0, 1)).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    strengths = evidence.maps.cpu().numpy()
    maps = {
        image: overlaid(one, strength)
        for image, one, strength in zip(pixels, shown, strengths, strict=True)
    }
    return maps, evidence.method
