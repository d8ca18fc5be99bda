"""The normalisers of von Mises–Fisher distributions, against arithmetic of many digits."""

from __future__ import annotations

import math
from functools import cache

import mpmath
import numpy as np
import pytest
import torch
from ltbench_longtail.von_mises_fisher import concentration, log_normaliser_ratio
from scipy.special import ive

DIMENSIONS = [2, 3, 4, 7, 32, 128, 1024]
KAPPAS = [0.0, 1e-3, 0.5, 3.0, 17.0, 100.0, 1e3, 3e4, 1e5]
NEAR = [-10.0, -0.2, 0.0, 1e-3, 4.0, 10.0, 1000.0]
"""μ·v/τ, of images and classes."""


def ratio(kappa: float, near: float, dimensions: int, dtype: torch.dtype) -> tuple[float, float]:
    """Return the function with its derivative by the change, as a loss has them."""
    length = max(abs(near), 10.0)
    square = torch.tensor(kappa**2, dtype=dtype)
    change = torch.tensor(2 * kappa * near + length**2, dtype=dtype, requires_grad=True)
    value = log_normaliser_ratio(square, change, dimensions)
    (slope,) = torch.autograd.grad(value, change)
    return value.item(), slope.item()


@cache
def expected(kappa: float, near: float, dimensions: int) -> tuple[float, float]:
    length = max(abs(near), 10.0)
    with mpmath.workdps(40):
        order = mpmath.mpf(dimensions) / 2 - 1
        other = mpmath.sqrt(mpmath.mpf(kappa) ** 2 + 2 * mpmath.mpf(kappa) * near + length**2)

        def log_g(x: mpmath.mpf, order: mpmath.mpf = order) -> mpmath.mpf:
            if not x:
                return -order * mpmath.log(2) - mpmath.loggamma(order + 1)
            bessel = mpmath.besseli(order, x, maxterms=10**7)
            return mpmath.log(bessel) - order * mpmath.log(x)

        slope = mpmath.exp(log_g(other, order + 1) - log_g(other)) / 2
        return float(log_g(other) - log_g(mpmath.mpf(kappa))), float(slope)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dimensions", DIMENSIONS)
def test_it_is_the_logarithm_of_a_ratio_of_bessel_functions(
    dimensions: int, dtype: torch.dtype
) -> None:
    exact = dtype == torch.float64
    for kappa in KAPPAS:
        for near in NEAR:
            value, slope = expected(kappa, near, dimensions)
            found = ratio(kappa, near, dimensions, dtype)
            assert found[0] == pytest.approx(value, rel=1e-5, abs=1e-6 if exact else 2e-5)
            assert found[1] == pytest.approx(slope, rel=1e-6 if exact else 1e-5)


@pytest.mark.parametrize("dimensions", [2, 16, 128])
def test_it_agrees_with_scipy_where_scipy_can(dimensions: int) -> None:
    kappa, other = np.geomspace(5, 500, 20), np.geomspace(300, 7, 20)
    order = dimensions / 2 - 1
    logs = [np.log(ive(order, x)) + x - order * np.log(x) for x in (kappa, other)]
    squares = torch.tensor(kappa**2)
    found = log_normaliser_ratio(squares, torch.tensor(other**2) - squares, dimensions)
    np.testing.assert_allclose(found.numpy(), logs[1] - logs[0], atol=1e-6)


@pytest.mark.parametrize(("kappa", "other"), [(0.1, 2.0), (2.0, 0.1), (500.0, 510.0)])
def test_it_is_elementary_in_three_dimensions(kappa: float, other: float) -> None:
    # C_3 = κ / (4π·sinh κ)
    logs = [math.log(x) - x - math.log(-math.expm1(-2 * x) / 2) for x in (kappa, other)]
    squares = torch.tensor(kappa**2, dtype=torch.float64)
    found = log_normaliser_ratio(squares, other**2 - squares, 3).item()
    assert found == pytest.approx(logs[0] - logs[1], abs=1e-6)


def test_its_gradient_is_that_of_differences() -> None:
    squares = torch.tensor([0.3, 4.0, 900.0], dtype=torch.float64)
    changes = torch.tensor([[2.0, -3.0, 7.0], [0.1, 9.0, -500.0]], dtype=torch.float64)
    changes.requires_grad_()
    for p in (2, 128):
        assert torch.autograd.gradcheck(lambda c, p=p: log_normaliser_ratio(squares, c, p), changes)


@pytest.mark.parametrize("dimensions", [8, 128, 1024])
@pytest.mark.parametrize("length", [0.01, 0.3, 0.7, 0.95, 0.999])
def test_concentrations_have_the_mean_that_was_seen(dimensions: int, length: float) -> None:
    kappa = concentration(torch.tensor(length, dtype=torch.float64), dimensions)
    # The mean of the distribution has the length A_p(κ), the derivative of −log C_p.
    change = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(log_normaliser_ratio(kappa**2, change, dimensions), change)
    assert 2 * kappa.item() * slope.item() == pytest.approx(length, rel=0.01)


def test_concentrations_by_the_formulas_and_their_limits() -> None:
    lengths = torch.tensor([0.0, 0.5, 1.0, 1.0000001])
    assert concentration(lengths, 4).tolist() == pytest.approx([0, 0.5 * 3.75 / 0.75, 1e5, 1e5])
    plain = concentration(lengths, 4, corrected=False, most=50.0)
    assert plain.tolist() == pytest.approx([0, 0.5 * 4 / 0.75, 50, 50])
