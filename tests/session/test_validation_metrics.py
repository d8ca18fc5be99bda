"""Which metrics a validation will have, asked before anything is trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltbench.errors import UsageError
from ltbench.plugins.measure import Measure
from ltbench.plugins.registry import Entry
from ltbench.results.run import RunSpec
from ltbench.session import validation_metrics
from ltbench.session.session import Session
from ltbench.session.validation_metrics import check_given


@pytest.fixture
def spec(tmp_path) -> RunSpec:
    session = Session(tmp_path / "runs", device="cpu", jobs=1, quiet=True, say=lambda _: None)
    return session.plan(["erm"], ["digits-mini-mlt"], [0], "fp32", steps=2).specs[0]


def with_counts(spec: RunSpec, **counts: int) -> RunSpec:
    """Return the run with as many images of every pair in some parts."""
    shape = np.shape(spec.data["counts"]["train"])
    own = {part: np.full(shape, number).tolist() for part, number in counts.items()}
    return replace(spec, data={**spec.data, "counts": {**spec.data["counts"], **own}})


def test_shots_of_which_no_validation_image_is_are_refused(spec):
    many = with_counts(spec, train=1000, val=1)
    check_given("accuracy_few", spec)
    check_given("accuracy_many", many)
    with pytest.raises(UsageError, match="no 'accuracy_few' on the validation images of 'digits"):
        check_given("accuracy_few", many)


def test_shots_of_domains_that_do_not_train_are_told_as_the_run_tells_them(spec):
    many = with_counts(spec, train=1000, val=1)
    few = with_counts(spec, train=1).data["counts"]["train"]
    told = replace(many, data={**many.data, "shot_counts": few})
    check_given("accuracy_few", told)
    with pytest.raises(UsageError, match="no 'accuracy_many'"):
        check_given("accuracy_many", told)


def test_metrics_of_plugins_see_answers_and_may_give_nothing_for_these(spec, monkeypatch):
    def odd(p):
        assert np.allclose(p.probabilities.sum(axis=1), 1)
        assert set(p.correct.tolist()) == {True, False}
        assert set(zip(p.d.tolist(), p.y.tolist(), strict=True)) == set(
            zip(*np.nonzero(spec.data["counts"]["val"]), strict=True)
        )
        return {"odd": 0.5, "odd_average": None}

    def wants_more(p):
        raise ValueError("fewer than a thousand images")

    entries = [
        Entry("metric", "odd", odd, "", "theirs", "1", {"odd": Measure("lower")}),
        Entry("metric", "gap", wants_more, "", "theirs", "1", {"gap": Measure("lower")}),
    ]
    monkeypatch.setattr(validation_metrics, "get_plugins", lambda: {"metrics": entries})
    for given in ("odd", "odd_average", "gap_whatever"):
        check_given(given, spec)
    with pytest.raises(UsageError, match=r"no metric 'odd_wrost'; did you mean"):
        check_given("odd_wrost", spec)
