"""What a search draws from: every value within its bounds, legible, and by its own generator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltbench.errors import PluginError
from ltbench.plugins.hparams import HParams, hparam
from ltbench.results.protocol import Protocol, protocol_settings
from ltbench.session.space import Axis, find_axes, protocol_axes


class Some(HParams):
    plain: float = hparam(1.0)
    shared: float = hparam(1.0, low=0.5, high=2.0)
    scale: float = hparam(1.0, low=0.0, search=(1e-3, 1e3), log=True)
    width: int = hparam(8, low=1, search=(4, 64), log=True)
    switch: bool = hparam(True)
    kind: str = hparam("a", choices=("a", "b", "c"))
    text: str = hparam("")


def test_bounds_choices_and_switches_are_searched_and_nothing_else():
    axes = find_axes(Some, "some")
    assert axes == {
        "shared": Axis(0.5, 2.0),
        "scale": Axis(1e-3, 1e3, log=True),
        "width": Axis(4, 64, log=True, whole=True),
        "switch": Axis(choices=(False, True)),
        "kind": Axis(choices=("a", "b", "c")),
    }


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.booleans(), st.booleans(), st.integers(0, 2**32))
def test_draws_lie_within_and_are_accepted(low, width, log, whole, seed):
    low = abs(low) + 1e-6 if log else low
    if whole:
        low, width = math.ceil(low), math.ceil(width)
    axis = Axis(low, low + width, log, whole)
    value = axis.draw(np.random.default_rng(seed))
    assert axis.holds(value)
    assert isinstance(value, int if whole else float)


def test_logarithmic_draws_are_uniform_on_the_logarithm():
    generator = np.random.default_rng(0)
    axis = find_axes(Some, "some")["scale"]
    logs = np.log10([axis.draw(generator) for _ in range(4000)])
    shares = np.histogram(logs, bins=6, range=(-3, 3))[0] / 4000
    assert shares == pytest.approx(1 / 6, abs=0.03)


def test_numbers_have_few_digits():
    generator = np.random.default_rng(0)
    values = [Axis(0.0, 1.0).draw(generator) for _ in range(100)]
    assert max(len(f"{value:.10g}") for value in values) <= 7


def test_an_interval_that_has_no_logarithm_is_the_plugins_fault():
    class Bad(HParams):
        x: float = hparam(1.0, search=(0.0, 1.0), log=True)

    with pytest.raises(PluginError, match="bad searches 'x' from 0 to 1"):
        find_axes(Bad, "bad")


def test_settings_are_searched_around_the_protocols_own_values():
    """SGD's rate of 0.1 and Adam's of 5e-5 share one class."""
    sgd, adam = Protocol(lr=0.1, batch_per_domain=128), Protocol(lr=3e-4, batch_per_domain=1)
    names = ("lr", "weight_decay", "batch_per_domain")
    assert protocol_axes(sgd, names) == {
        "lr": Axis(0.01, 1.0, log=True),
        "weight_decay": Axis(1e-6, 1e-2, log=True),
        "batch_per_domain": Axis(32, 256, log=True, whole=True),
    }
    assert protocol_axes(adam, names)["lr"] == Axis(3e-5, 3e-3, log=True)
    assert protocol_axes(adam, names)["batch_per_domain"] == Axis(1, 2, log=True, whole=True)


def test_only_settings_that_say_where_are_searched_whatever_their_bounds():
    assert protocol_settings()["momentum"].bounds.high == 1.0
    assert set(protocol_axes(Protocol(), protocol_settings())) == {
        name for name, one in protocol_settings().items() if one.search
    }
    assert protocol_axes(Protocol(), ["momentum", "steps", "nothing"]) == {}


@pytest.mark.parametrize("rate", [1e-12, 5e-5, 1e3])
def test_the_ends_stay_within_a_settings_bounds(rate):
    axis = protocol_axes(Protocol(lr=rate), ["lr"])["lr"]
    generator = np.random.default_rng(0)
    for _ in range(50):
        Protocol.from_options({"lr": axis.draw(generator)}, "protocol")
    assert axis.holds(rate)
