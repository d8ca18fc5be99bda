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
"""From here on the expansion below, of three terms, is exact to 1e-6."""


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
    """Return log C_p(κ) − log C_p(λ) for λ² = κ² + change, with its gradient by the changes.

    It is finite and smooth for concentrations of any size, 0 included, and no digits are lost where
    both are large and the difference is small; so float32 will do.

    Args:
        squares: κ², ≥ 0, which get no gradient.
        changes: λ² − κ², of a shape that κ² can be broadcast to.
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
        own, other = _Expansion(squares, top), _Expansion(changed, top)
        value, step_up = other.less(own, changes), other.step_up()
        if above:
            own_step = own.step_up()
            for k in range(above):
                own_step = 1 / (2 * (top - k) + squares * own_step)
                step_up = 1 / (2 * (top - k) + changed * step_up)
                value = value + (own_step / step_up).log()
        ctx.save_for_backward(step_up / 2)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        (slope,) = ctx.saved_tensors
        return None, gradient * slope, None


class _Expansion:
    """log g_ν(x) for a large order ν: r − ν·log(ν + r) − log(r)/2 + log(1 + series) + a constant.

    r is √(x² + ν²), and the series Σ u_k(t)/ν^k with t = ν/r (Abramowitz and Stegun, "Handbook of
    mathematical functions", 1964, 9.7.7 and 9.3.9), here for k = 1, 2, 3.

    Args:
        squares: x².
        order: ν.
    """

    def __init__(self, squares: Tensor, order: float) -> None:
        self.squares, self.order = squares, order
        self.root = (squares + order**2).sqrt()
        v = self.root.reciprocal()
        s = (order * v).square()  # t²; u_k(t)/ν^k is v^k times a polynomial of it
        u1 = 3 / 24 - 5 / 24 * s
        u2 = 81 / 1152 + s * (-462 / 1152 + 385 / 1152 * s)
        u3 = 30375 / 414720 + s * (-369603 / 414720 + s * (765765 / 414720 - 425425 / 414720 * s))
        self.series = (v * (u1 + v * (u2 + v * u3))).log1p()

    def less(self, other: _Expansion, changes: Tensor) -> Tensor:
        """Return log g_ν(x) less that of another x, by what its square is more than the other's."""
        rise = changes / (self.root + other.root)
        return self._difference(other, rise, rise / (other.root + self.order))

    def step_up(self) -> Tensor:
        """Return g_{ν+1}(x)/g_ν(x)."""
        above = _Expansion(self.squares, self.order + 1)
        rise = (2 * self.order + 1) / (above.root + self.root)
        logarithm = above._difference(self, rise, (1 + rise) / (self.root + self.order))
        return logarithm.exp() / (above.root + above.order)

    def _difference(self, other: _Expansion, rise: Tensor, share: Tensor) -> Tensor:
        """Return the difference but for the logarithm of ν + r where ν is one more.

        Args:
            other: what is taken away.
            rise: of r.
            share: of ν + r that it rises by.
        """
        logarithms = other.order * share.log1p() + (rise / other.root).log1p() / 2
        return rise - logarithms + self.series - other.series
