"""Von Mises–Fisher distributions, the normal distributions of directions.

Their density on the unit sphere of p dimensions is C_p(κ)·exp(κ·μᵀx) with

    C_p(κ) = κ^ν / ((2π)^(p/2)·I_ν(κ)),   ν = p/2 − 1

and I_ν the modified Bessel function of the first kind (Mardia and Jupp, "Directional statistics",
Wiley 1999, section 9.3.2).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_LARGE_ORDER = 24.0
"""From here on the expansion below, of five terms, is exact to 1e-11."""


def concentration(
    lengths: Tensor, dimensions: int, *, corrected: bool = True, most: float = 1e5
) -> Tensor:
    """Return the concentrations κ that mean directions of these lengths R tell of.

    κ ≈ R·(p − R²)/(1 − R²) (Banerjee et al., "Clustering on the unit hypersphere using von
    Mises–Fisher distributions", JMLR 6, 2005, eq. 4.4), the maximum of the likelihood to a per
    cent or so.

    Args:
        lengths: of the means of unit vectors, of any shape, in 0…1.
        dimensions: p.
        corrected: off, κ is p·R/(1 − R²), the limit for p ≫ 1.
        most: the largest κ; that of a single vector is infinite.
    """
    square = lengths.square().clamp(max=1.0)
    numerator = lengths * (dimensions - square if corrected else dimensions)
    return (numerator / (1 - square)).clamp(max=most)


def log_normaliser_ratio(squares: Tensor, changes: Tensor, dimensions: int) -> Tensor:
    """Return log C_p(κ) − log C_p(λ) for λ² = κ² + change, with its gradient.

    It is finite and smooth for concentrations of any size, 0 included, and no digits are lost where
    both are large and the difference is small; so float32 will do.

    Args:
        squares: κ², ≥ 0.
        changes: λ² − κ², of a shape that it can be broadcast with.
        dimensions: p, at least 2.
    """
    found: Tensor = _LogNormaliserRatio.apply(squares, changes, dimensions / 2 - 1)
    return found


class _LogNormaliserRatio(torch.autograd.Function):
    """log g_ν(λ) − log g_ν(κ) for g_ν(x) = I_ν(x)/x^ν.

    By x² the derivative of log g_ν is g_{ν+1}/(2·g_ν). The function is had at an order that is
    large enough for the expansion, and brought down to ν by g_{k−1} = 2k·g_k + x²·g_{k+1}, a sum of
    positive numbers.
    """

    @staticmethod
    def forward(ctx: Any, squares: Tensor, changes: Tensor, order: float) -> Tensor:
        above = max(0, math.ceil(_LARGE_ORDER - order))
        top = order + above
        changed = (squares + changes).clamp(min=0)
        value = _difference(squares, changed, changes, top)
        own, other = _step_up(squares, top), _step_up(changed, top)
        for step in range(above):
            own = 1 / (2 * (top - step) + squares * own)
            other = 1 / (2 * (top - step) + changed * other)
            value = value + own.log() - other.log()
        ctx.save_for_backward(own, other)
        ctx.shapes = squares.shape, changes.shape
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        own, other = ctx.saved_tensors
        squares, changes = ctx.shapes
        by_square = (gradient * (other - own) / 2).sum_to_size(squares)
        return by_square, (gradient * other / 2).sum_to_size(changes), None


def _difference(squares: Tensor, changed: Tensor, changes: Tensor, order: float) -> Tensor:
    """Return log g_ν(λ) − log g_ν(κ) for a large order, term by term.

    With r = √(x² + ν²), log g_ν = r − ν·log(ν + r) − log(r)/2 + log(1 + series) and a constant
    (Abramowitz and Stegun, "Handbook of mathematical functions", 1964, 9.7.7).
    """
    root, further = _root(squares, order), _root(changed, order)
    rise = changes / (root + further)
    return (
        rise
        - order * (rise / (root + order)).log1p()
        - (rise / root).log1p() / 2
        + _series(further, order).log1p()
        - _series(root, order).log1p()
    )


def _step_up(squares: Tensor, order: float) -> Tensor:
    """Return g_{ν+1}/g_ν for a large order, by the same terms."""
    root, further = _root(squares, order), _root(squares, order + 1)
    rise = (2 * order + 1) / (root + further)
    logarithm = (
        rise
        - order * ((1 + rise) / (root + order)).log1p()
        - (order + 1 + further).log()
        - (rise / root).log1p() / 2
        + _series(further, order + 1).log1p()
        - _series(root, order).log1p()
    )
    return logarithm.exp()


def _root(squares: Tensor, order: float) -> Tensor:
    return (squares + order**2).sqrt()


def _series(root: Tensor, order: float) -> Tensor:
    """Return Σ u_k(t)/ν^k for k = 1…5 and t = ν/r (Abramowitz and Stegun, 9.3.9).

    With v = 1/r and s = t², u_k(t)/ν^k is v^k times a polynomial in s.
    """
    v = 1 / root
    s = (order * v).square()
    u1 = (3 - 5 * s) / 24
    u2 = (81 + s * (-462 + s * 385)) / 1152
    u3 = (30375 + s * (-369603 + s * (765765 - s * 425425))) / 414720
    u4 = (4465125 + s * (-94121676 + s * (349922430 + s * (-446185740 + s * 185910725)))) / 39813120
    u5 = (
        1519035525
        + s
        * (
            -49286948607
            + s * (284499769554 + s * (-614135872350 + s * (566098157625 - s * 188699385875)))
        )
    ) / 6688604160
    return v * (u1 + v * (u2 + v * (u3 + v * (u4 + v * u5))))
