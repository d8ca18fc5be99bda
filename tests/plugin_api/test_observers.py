"""Observers by name, as ``ltbench run --observer NAME`` uses them."""

from __future__ import annotations

import pytest

from ltbench.api import HParams, Observer, UsageError, hookimpl, hparam
from ltbench.plugins.manager import Plugins
from ltbench.plugins.observer import make_observer


class Counting(Observer):
    """Counts runs."""

    class HParams(HParams):
        """From which number."""

        start: int = hparam(0, low=0)

    def __init__(self, hparams):
        super().__init__(hparams)
        self.count = hparams.start

    @hookimpl
    def ltbench_run_started(self, run):
        """Count."""
        if run == "bad":
            raise RuntimeError("cannot count")
        self.count += 1


class Module:
    """Registers it."""

    @hookimpl
    def ltbench_observers(self, register):
        """Register."""
        register("counting", Counting)


@pytest.fixture
def plugins():
    plugins = Plugins()
    plugins.add("module", Module(), "dist", "7")
    return plugins


def test_an_observer_is_made_with_its_settings_and_watches_while_it_is_asked_to(plugins):
    entry, observer = make_observer(plugins, "counting[start=3]")
    with plugins.observing("counting", observer, entry.distribution, entry.version):
        plugins.call("ltbench_run_started", run="a", folder="b")
    plugins.call("ltbench_run_started", run="a", folder="b")
    assert observer.count == 4


def test_one_that_raises_is_named_with_its_distribution(plugins):
    entry, observer = make_observer(plugins, "counting")
    with plugins.observing("counting", observer, entry.distribution, entry.version):
        plugins.call("ltbench_run_started", run="bad", folder="b")
    assert "'counting' of dist 7" in plugins.problems()[0]


@pytest.mark.parametrize("text", ["cuonting", "counting[strat=1]", "counting[start=-1]"])
def test_wrong_names_and_settings_are_refused(plugins, text):
    with pytest.raises(UsageError):
        make_observer(plugins, text)
