"""The graph of images gives what the test's own transform gives, for images of any size."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ltbench.data.evaluation_transform import EvaluationTransform  # noqa: E402
from ltbench.data.store import stored_size, stored_square  # noqa: E402
from ltbench.training.onnx_images import images_graph  # noqa: E402

SIZES = [(30, 40), (28, 28), (300, 17), (1, 1), (80, 80), (45, 36), (45, 37), (333, 501), (2, 900)]


@pytest.mark.parametrize(
    ("side", "crop", "interpolation", "channels"),
    [
        (28, None, "bilinear", 1),
        (64, None, "bicubic", 3),
        (64, None, "nearest", 3),
        (64, 0.875, "bilinear", 3),
        (64, 0.9, "bicubic", 1),
        (64, 0.5, "nearest", 3),
    ],
)
def test_it_is_what_the_test_saw(side, crop, interpolation, channels):
    transform = EvaluationTransform(side, crop, interpolation)
    stored = stored_size(SimpleNamespace(size=side))
    facts = SimpleNamespace(channels=channels, mean=(0.4,) * channels, std=(0.2,) * channels)
    model = SimpleNamespace(evaluation=transform, facts=facts, stored=stored)
    session = onnxruntime.InferenceSession(
        images_graph(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    for height, width in SIZES:
        images = rng.integers(0, 256, (2, height, width, channels), dtype=np.uint8)
        squares = torch.stack(
            [torch.tensor(stored_square(image, stored, channels)) for image in images]
        )
        sizes = torch.tensor([[height, width]] * 2)
        wanted = (transform(squares, sizes) - 0.4) / 0.2
        (found,) = session.run(None, {"images": images})
        apart = np.abs(found - wanted.numpy())
        assert apart.max() < 0.021  # one grey level, where a sum of the crop lies at a half
        assert (apart > 1e-5).sum() <= 3
