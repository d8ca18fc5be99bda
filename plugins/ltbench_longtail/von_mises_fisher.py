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


def log_inverse_normaliser(squares: Tensor, dimensions: int) -> Tensor:
    """Return −log C_p(κ) but for a constant: log(I_ν(κ) / κ^ν) with ν = p/2 − 1, in float64.

    It is finite and smooth for every κ ≥ 0, 0 included, of any size, and so is its derivative,
    which by κ² is I_{ν+1}(κ) / (2κ·I_ν(κ)).

    Args:
        squares: κ², of any shape, ≥ 0.
        dimensions: p, at least 2.
    """
    found: Tensor = _LogInverseNormaliser.apply(  # type: ignore[no-untyped-call]
        squares.double(), dimensions / 2 - 1
    )
    return found


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


class _LogInverseNormaliser(torch.autograd.Function):
    """log(I_ν(x)/x^ν) of x², and half of I_{ν+1}(x)/(x·I_ν(x)) as its derivative."""

    @staticmethod
    def forward(ctx: Any, squares: Tensor, order: float) -> Tensor:
        value, ratio = _bessel(squares, order)
        ctx.save_for_backward(ratio)
        return value

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (ratio,) = ctx.saved_tensors
        return gradient * ratio / 2, None


def _bessel(squares: Tensor, order: float) -> tuple[Tensor, Tensor]:
    """Return log g_ν and g_{ν+1}/g_ν for g_ν(x) = I_ν(x)/x^ν.

    Both are had at an order that is large enough for the expansion, and brought down to ν by
    g_{k−1} = 2k·g_k + x²·g_{k+1}, a sum of positive numbers that loses no digits.
    """
    above = max(0, math.ceil(_LARGE_ORDER - order))
    top = order + above
    value = _log_of_large_order(squares, top)
    ratio = (_log_of_large_order(squares, top + 1) - value).exp()
    for step in range(above):
        ratio = 1 / (2 * (top - step) + squares * ratio)
        value = value - ratio.log()
    return value, ratio


def _log_of_large_order(squares: Tensor, order: float) -> Tensor:
    """Return log(I_ν(x)/x^ν) by the uniform expansion for large ν.

    Abramowitz and Stegun, "Handbook of mathematical functions", 1964, 9.7.7 and 9.3.9.
    """
    root = (squares + order**2).sqrt()
    t = order / root
    s = t.square()
    # u_k(t) / ν^k for k = 1…5, with s = t².
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
    v = 1 / root  # t/ν
    series = v * (u1 + v * (u2 + v * (u3 + v * (u4 + v * u5))))
    return (
        root
        - order * (root + order).log()
        - root.log() / 2
        - math.log(2 * math.pi) / 2
        + series.log1p()
    )
