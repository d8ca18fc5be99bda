"""Rectangles of pixels, one an image."""

from __future__ import annotations

from torch import Tensor, arange


def inside(top: Tensor, bottom: Tensor, left: Tensor, right: Tensor, side: int) -> Tensor:
    """Return which pixels lie in rectangles, (…, 1, side, side) bool.

    Args:
        top, bottom, left, right: of the rectangles, in pixels, the second and fourth outside of
            them; all of one shape (…).
        side: of the images, in pixels.
    """
    line = arange(side, device=top.device)
    rows = (line >= top[..., None]) & (line < bottom[..., None])
    columns = (line >= left[..., None]) & (line < right[..., None])
    return (rows[..., :, None] & columns[..., None, :]).unsqueeze(-3)
