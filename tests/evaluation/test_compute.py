"""Which metrics are computed when, and whose a name is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltbench import hookimpl
from ltbench.errors import PluginError
from ltbench.evaluation import compute
from ltbench.evaluation.compute import (
    compute_domain_metrics,
    compute_metrics,
    want_probabilities,
)
from ltbench.evaluation.measures import declared_measures
from ltbench.plugins.manager import Plugins, get_plugins
from ltbench.testing import random_predictions

AT_EVERY_EVALUATION = {"accuracy", "macro-f1", "shots", "loss", "ece"}


class Theirs:
    """A plugin with one metric."""

    def __init__(self, name: str, gives: str, **how: object) -> None:
        self.name, self.gives, self.how = name, gives, how

    @hookimpl
    def ltbench_metrics(self, register):
        register(self.name, lambda p: {self.gives: 0.25}, better="higher", **self.how)


@pytest.fixture
def install(monkeypatch):
    """Return a function that adds a plugin to those that there are."""

    def install(plugin: Theirs) -> Plugins:
        plugins = Plugins()
        for entry in get_plugins()["metrics"]:
            plugins["metrics"].add(entry)
        plugins.add("theirs", plugin, "their-metrics", "1")
        monkeypatch.setattr(compute, "get_plugins", lambda: plugins)
        monkeypatch.setattr("ltbench.evaluation.measures.get_plugins", lambda: plugins)
        return plugins

    return install


def test_what_takes_long_is_left_to_the_chosen_model():
    entries = get_plugins()["metrics"]
    own = {e.name for e in entries if e.every_evaluation and e.distribution == "ltbench"}
    assert own == AT_EVERY_EVALUATION
    often = compute_metrics(random_predictions(), chosen=False)
    once = compute_metrics(random_predictions())
    assert often.items() < once.items()
    assert not {"macro_auroc", "balanced_accuracy", "brier_score"} & often.keys()
    assert once["macro_auroc"] is not None
    assert list(once)[: len(often)] == list(often)


def test_a_plugin_says_when_its_metric_is_computed(install):
    install(Theirs("mine", "mine", every_evaluation=False))
    assert "mine" not in compute_metrics(random_predictions(), chosen=False)
    assert compute_metrics(random_predictions())["mine"] == 0.25
    install(Theirs("mine", "mine"))
    assert compute_metrics(random_predictions(), chosen=False)["mine"] == 0.25


def test_only_metrics_say_so_and_only_yes_or_no(install):
    plugins = install(Theirs("mine", "mine", every_evaluation="sometimes"))
    assert "every_evaluation=True or =False" in plugins.problems()[0]

    class Stage:
        @hookimpl
        def ltbench_stages(self, register):
            register("late", "their:Late", every_evaluation=False)

    plugins.add("stage", Stage(), "their-stage", "1")
    assert "stage 'late': only a metric says" in plugins.problems()[1]


def test_validation_brings_probabilities_only_where_a_plugins_metric_may_look(install):
    often = compute_metrics(random_predictions(), chosen=False)
    without = replace(random_predictions(), probabilities=None)
    assert compute_metrics(without, chosen=False) == often  # ltbench's own need none
    assert not want_probabilities()
    install(Theirs("mine", "mine", every_evaluation=False))
    assert not want_probabilities()
    install(Theirs("mine", "mine"))
    assert want_probabilities()


@pytest.mark.parametrize("every_evaluation", [True, False])
def test_a_plugin_may_have_had_the_name_of_a_metric_that_came_later(install, every_evaluation):
    before = compute_metrics(random_predictions())
    install(Theirs("their-brier", "brier_score", every_evaluation=every_evaluation))
    found = compute_metrics(random_predictions())
    assert found["brier_score"] == 0.25
    assert {k: v for k, v in found.items() if k != "brier_score"} == {
        k: v for k, v in before.items() if k != "brier_score"
    }


def test_its_declaration_goes_with_it(install):
    install(Theirs("brier-score", "brier_score"))
    assert declared_measures(["brier_score"])["brier_score"]["better"] == "higher"


@pytest.mark.parametrize("every_evaluation", [True, False])
def test_the_name_of_a_metric_of_every_evaluation_is_nobody_elses(install, every_evaluation):
    install(Theirs("theirs", "accuracy_worst", every_evaluation=every_evaluation))
    with pytest.raises(PluginError, match="gives 'accuracy_worst', which another metric gives"):
        compute_metrics(random_predictions())


def test_a_domain_does_not_repeat_its_value_as_average_and_worst():
    p = random_predictions()
    found = compute_domain_metrics(p, ("a", "b", "c"))
    assert list(found) == ["a", "b", "c"]
    for d, name in enumerate(found):
        values, whole = found[name], compute_metrics(p.where(p.d == d))
        assert values.items() <= whole.items()
        assert {"balanced_accuracy", "brier_score", "macro_auroc", "f1_many"} <= values.keys()
        assert whole.keys() - values.keys() == {
            f"{base}_{over}"
            for base in ("balanced_accuracy", "gmean", "hmean", "top5_accuracy", "macro_auroc",
                         "macro_auprc", "brier_score")
            for over in ("average", "worst")
        }  # fmt: skip


def test_all_metrics_share_the_parts_of_the_domains():
    p = random_predictions()
    one, other = p.by_domain(), p.by_domain()
    assert one is not other
    assert all(one[d] is other[d] for d in one)
    single = p.where(p.d == 1)
    assert single.by_domain() == {1: single}
    assert np.array_equal(one[1].probabilities, single.probabilities)
