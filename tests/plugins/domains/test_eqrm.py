from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ltbench_baselines.erm import ERM
from ltbench_domains.eqrm import EQRM, kernel_quantile
from scipy import optimize, stats


def quantile_in_scipy(values, level):
    values = np.asarray(values)
    bandwidth = 1.06 * values.std(ddof=1) * len(values) ** -0.2

    def excess(q):
        return stats.norm.cdf((q - values) / bandwidth).mean() - level

    return optimize.brentq(excess, values.min() - 9 * bandwidth, values.max() + 9 * bandwidth)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(0.01, 5), min_size=2, max_size=6, unique=True),
    level=st.floats(0.05, 0.95),
)
def test_the_quantile_of_the_kernel_estimate(values, level):
    if np.ptp(values) < 0.05:
        values = [*values, max(values) + 1]
    ours = kernel_quantile(torch.tensor(values, dtype=torch.float64), level)
    assert float(ours) == pytest.approx(quantile_in_scipy(values, level), rel=1e-5, abs=1e-5)


def test_its_gradient_by_finite_differences():
    values = np.array([0.4, 1.9, 1.1])
    tensor = torch.tensor(values, requires_grad=True)
    kernel_quantile(tensor, 0.75).backward()
    for k in range(3):
        step = np.eye(3)[k] * 1e-5
        slope = quantile_in_scipy(values + step, 0.75) - quantile_in_scipy(values - step, 0.75)
        assert float(tensor.grad[k]) == pytest.approx(slope / 2e-5, rel=1e-3)


def test_the_published_codes_gradient_reaches_inner_domains_through_the_bandwidth_alone():
    """What the documents say of DomainBed's bisection, beside the implicit function's gradient."""
    risks = torch.tensor([0.4, 1.9, 1.1], dtype=torch.float64, requires_grad=True)
    normal = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(0.75, dtype=torch.float64))
    bandwidth = 1.06 * risks.std() * 3**-0.2
    low, high = risks[0] + bandwidth * normal, risks[1] + bandwidth * normal
    share = (quantile_in_scipy(risks.detach(), 0.75) - low) / (high - low)
    (low + share.detach() * (high - low)).backward()
    through_bandwidth = torch.autograd.grad(1.06 * 3**-0.2 * normal * risks.std(), risks)[0]
    assert risks.grad[2] == pytest.approx(float(through_bandwidth[2]))
    ours = risks.detach().clone().requires_grad_()
    kernel_quantile(ours, 0.75).backward()
    assert abs(float(ours.grad[2] - risks.grad[2])) > 0.1


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(4)))
def test_the_order_of_domains_does_not_matter(order):
    values = torch.tensor([0.3, 2.0, 1.0, 0.7], dtype=torch.float64)
    torch.testing.assert_close(
        kernel_quantile(values, 0.75), kernel_quantile(values[list(order)], 0.75)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_risks_give_that_risk_and_a_finite_gradient(dtype):
    values = torch.full((3,), 1.5, dtype=dtype, requires_grad=True)
    quantile = kernel_quantile(values, 0.75)
    quantile.backward()
    assert float(quantile.detach()) == pytest.approx(1.5, abs=1e-3)
    assert torch.isfinite(values.grad).all()


def test_it_is_erm_until_the_burn_in_ends(tiny):
    batch, model = tiny.batch(), tiny.ready(tiny.algorithm(EQRM), step=2499)
    torch.testing.assert_close(model.loss(batch)["total"], tiny.algorithm(ERM).loss(batch))
    model.before_step(2500, tiny.training)
    risks = model.risks(model.predict(batch.x), batch).detach()
    expected = quantile_in_scipy(risks.numpy(), 0.75)
    assert float(model.loss(batch)["total"].detach()) == pytest.approx(expected, abs=1e-5)


def test_the_learning_rate_shrinks_with_the_switch(tiny):
    model = tiny.ready(tiny.algorithm(EQRM), tiny.adam, step=2499)
    assert model.optimizers["main"].param_groups[0]["lr"] == 0.01
    model.before_step(2500, tiny.training)
    assert model.optimizers["main"].param_groups[0]["lr"] == pytest.approx(0.0002)
