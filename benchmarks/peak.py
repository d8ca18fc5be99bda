"""What the processor can do: multiply-adds a second, as far as torch gets them out of it.

A step of training cannot be faster than its arithmetic at this rate, so the share of it is what is
left to win.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import product

import torch
from torch.nn import functional as F

REPEATS = 7
FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median seconds of a call, after two that are not counted."""
    found = []
    for _ in range(repeats + 2):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found[2:])


def matrix_peak(dtype: torch.dtype, side: int = 2048) -> float:
    """Return multiply-adds a second of a product of two square matrices."""
    a, b = (torch.randn(side, side).to(dtype) for _ in range(2))
    return side**3 / seconds(lambda: a @ b)


def convolution_peak(
    dtype: torch.dtype, layout: torch.memory_format, images: int = 64, side: int = 14
) -> float:
    """Return multiply-adds a second of a 3×3 convolution of 128 to 128 channels, forwards."""
    x = torch.randn(images, 128, side, side).to(dtype).contiguous(memory_format=layout)
    w = torch.randn(128, 128, 3, 3).to(dtype).contiguous(memory_format=layout)
    with torch.no_grad():
        return images * side**2 * 9 * 128**2 / seconds(lambda: F.conv2d(x, w, padding=1))


def peaks() -> list[dict[str, object]]:
    """Return the rates in GMAC/s, of the threads that torch has."""
    rows: list[dict[str, object]] = []
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        rate = matrix_peak(dtype) / 1e9
        rows.append({"work": "matrix product", "format": name, "GMAC/s": rate})
    for dtype, (layout, memory) in product((torch.float32, torch.bfloat16), FORMATS.items()):
        name = f"{str(dtype).removeprefix('torch.')}, {layout}"
        rate = convolution_peak(dtype, memory) / 1e9
        rows.append({"work": "convolution", "format": name, "GMAC/s": rate})
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    for row in peaks():
        print(row)
