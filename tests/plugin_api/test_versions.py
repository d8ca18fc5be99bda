"""Plugins that were built for other hooks say so in one sentence."""

from __future__ import annotations

from types import SimpleNamespace

import pluggy
import pytest

from ltbench import hookimpl
from ltbench.plugins.hookspecs import VERSION
from ltbench.plugins.manager import Plugins


@hookimpl
def ltbench_algorithms(register):
    register("mine", "a:B")


def problems(**module: object) -> list[str]:
    plugins = Plugins()
    plugins.add("it", SimpleNamespace(**module), "its-dist", "3.1")
    registered = "mine" in plugins["algorithms"]
    assert registered == (not plugins.problems()), "nothing of a refused plugin is kept"
    return plugins.problems()


def test_one_for_this_version_or_for_none_in_particular_is_taken():
    assert not problems(ltbench_algorithms=ltbench_algorithms)
    assert not problems(ltbench_algorithms=ltbench_algorithms, __ltbench_hooks__=VERSION)


@pytest.mark.parametrize(
    ("stated", "advice"), [(VERSION + 1, "upgrade ltbench"), (0, "upgrade its-dist")]
)
def test_another_version_is_refused_naming_both(stated, advice):
    (said,) = problems(ltbench_algorithms=ltbench_algorithms, __ltbench_hooks__=stated)
    assert said.startswith("plugin 'it' of its-dist 3.1 failed: it was built for version ")
    assert f"for version {stated} of ltbench's hooks" in said
    assert f"has version {VERSION}: {advice}" in said
    assert "\n" not in said


def test_a_hook_that_there_is_not_is_named():
    @hookimpl
    def ltbench_samplers(register):
        pass

    (said,) = problems(ltbench_algorithms=ltbench_algorithms, ltbench_samplers=ltbench_samplers)
    assert "there is no hook 'ltbench_samplers'" in said
    assert f"has version {VERSION} of the hooks" in said


def test_a_hook_that_may_be_missing_is_no_fault():
    @pluggy.HookimplMarker("ltbench")(optionalhook=True)
    def ltbench_samplers(register):
        pass

    assert not problems(ltbench_algorithms=ltbench_algorithms, ltbench_samplers=ltbench_samplers)


def test_arguments_that_a_hook_has_not_are_named():
    @hookimpl
    def ltbench_run_finished(run, model):
        pass

    (said,) = problems(
        ltbench_algorithms=ltbench_algorithms, ltbench_run_finished=ltbench_run_finished
    )
    assert "its hook does not fit: ltbench_run_finished(run, model) Argument(s) {'model'}" in said
    assert "\n" not in said


def test_an_observer_that_does_not_fit_is_reported_and_the_sweep_goes_on():
    @hookimpl
    def ltbench_run_finished(run, model):
        pass

    plugins = Plugins()
    observer = SimpleNamespace(ltbench_run_finished=ltbench_run_finished)
    with plugins.observing("watch", observer, "its-dist", "3.1"):
        plugins.call("ltbench_run_finished", run=1, folder=2, result=3)
    assert "plugin 'watch' of its-dist 3.1 failed" in plugins.problems()[0]
