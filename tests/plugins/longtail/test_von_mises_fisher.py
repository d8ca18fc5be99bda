"""The normaliser of the von Mises–Fisher distribution, against arithmetic of many digits."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from ltbench_longtail.von_mises_fisher import concentration, log_inverse_normaliser
from scipy.special import ive

DIMENSIONS = [2, 3, 4, 7, 32, 128, 1024]
KAPPAS = [1e-8, 1e-3, 0.5, 3.0, 17.0, 100.0, 1e3, 3e4, 1e5]


def of(kappa: float, dimensions: int) -> tuple[float, float]:
    """Return the function and its derivative by κ."""
    square = torch.tensor(kappa**2, dtype=torch.float64, requires_grad=True)
    value = log_inverse_normaliser(square, dimensions)
    (slope,) = torch.autograd.grad(value, square)
    return value.item(), 2 * kappa * slope.item()


@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("kappa", KAPPAS)
def test_it_is_the_logarithm_of_the_bessel_function(dimensions: int, kappa: float) -> None:
    order = mpmath.mpf(dimensions) / 2 - 1
    with mpmath.workdps(40):
        bessel, above = (mpmath.besseli(order + k, kappa, maxterms=10**7) for k in (0, 1))
        expected = mpmath.log(bessel) - order * mpmath.log(kappa)
        slope = above / bessel
    found = of(kappa, dimensions)
    assert found[0] == pytest.approx(float(expected), rel=1e-10, abs=1e-10)
    assert found[1] == pytest.approx(float(slope), rel=1e-9)


@pytest.mark.parametrize("dimensions", [2, 16, 128])
def test_it_agrees_with_scipy_where_scipy_can(dimensions: int) -> None:
    kappa = np.geomspace(5, 500, 20)
    order = dimensions / 2 - 1
    expected = np.log(ive(order, kappa)) + kappa - order * np.log(kappa)
    found = log_inverse_normaliser(torch.tensor(kappa**2), dimensions).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("kappa", [0.1, 2.0, 50.0, 500.0])
def test_it_is_elementary_in_three_dimensions(kappa: float) -> None:
    # C_3 = κ / (4π·sinh κ), and −log C_3 is (3/2)·log 2π more than the function.
    log_sinh = kappa + math.log(-math.expm1(-2 * kappa) / 2)
    expected = math.log(4 * math.pi / kappa) + log_sinh - 1.5 * math.log(2 * math.pi)
    assert of(kappa, 3)[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("dimensions", DIMENSIONS)
def test_it_is_smooth_at_the_uniform_distribution(dimensions: int) -> None:
    order = dimensions / 2 - 1
    value, slope = of(0.0, dimensions)
    assert value == pytest.approx(-order * math.log(2) - math.lgamma(order + 1), rel=1e-10)
    assert slope == 0
    assert of(1e-9, dimensions)[0] == pytest.approx(value, rel=1e-12)


def test_its_gradient_is_that_of_differences() -> None:
    squares = torch.tensor([0.3, 4.0, 900.0], dtype=torch.float64, requires_grad=True)
    for dimensions in (2, 9, 128):
        assert torch.autograd.gradcheck(
            lambda s, p=dimensions: log_inverse_normaliser(s, p), squares
        )


@pytest.mark.parametrize("dimensions", [8, 128, 1024])
@pytest.mark.parametrize("length", [0.01, 0.3, 0.7, 0.95, 0.999])
def test_concentrations_have_the_mean_that_was_seen(dimensions: int, length: float) -> None:
    kappa = concentration(torch.tensor(length, dtype=torch.float64), dimensions).item()
    # The mean of the distribution has the length A_p(κ) = I_{ν+1}(κ) / I_ν(κ).
    assert of(kappa, dimensions)[1] == pytest.approx(length, rel=0.01)


def test_concentrations_by_the_formulas_and_their_limits() -> None:
    lengths = torch.tensor([0.0, 0.5, 1.0, 1.0000001])
    assert concentration(lengths, 4).tolist() == pytest.approx([0, 0.5 * 3.75 / 0.75, 1e5, 1e5])
    plain = concentration(lengths, 4, corrected=False, most=50.0)
    assert plain.tolist() == pytest.approx([0, 0.5 * 4 / 0.75, 50, 50])
