"""What a result says of where the seconds of its run went."""

from __future__ import annotations

import json
import time

import pytest
from torch import Tensor

from ltbench.plugins.stopwatch import PARTS
from ltbench.report.run_page import Documents, as_text
from ltbench.results.index import read_runs
from ltbench.training.run import execute


@pytest.mark.parametrize("algo", ["erm", "boda", "fish", "erm+crt"])
def test_parts_make_up_the_run(make_job, algo: str) -> None:
    timings = execute(make_job(algo), lambda _: None, lambda: False)["timings"]
    spent = timings["spent"]
    assert spent.keys() <= PARTS.keys()
    assert {"input", "forward", "own", "evaluation", "checkpoint", "waiting"} <= spent.keys()
    assert algo == "fish" or {"backward", "optimizer"} <= spent.keys()
    assert 0.5 * timings["total_s"] < sum(spent.values()) < timings["total_s"] + 0.01


def test_the_test_is_no_part_of_the_seconds(make_job, monkeypatch) -> None:
    from ltbench.plugins.algorithm import Algorithm

    features = Algorithm.features

    def slow(self: Algorithm, x: Tensor) -> Tensor:
        with self.stopwatch.part("forward"):
            time.sleep(0 if self.training else 0.05)
        return features(self, x)

    monkeypatch.setattr(Algorithm, "features", slow)
    timings = execute(make_job(), lambda _: None, lambda: False)["timings"]
    assert sum(timings["spent"].values()) < timings["total_s"] + 0.01


def test_a_run_that_goes_on_counts_on(make_job) -> None:
    job, steps = make_job(), []

    def after_three() -> bool:
        steps.append(1)
        return len(steps) == 3

    assert execute(job, lambda _: None, after_three)["status"] == "interrupted"
    result = execute(job, lambda _: None, lambda: False)
    assert sum(result["timings"]["spent"].values()) < result["timings"]["total_s"] + 0.01
    (state,) = read_runs(job.folder)
    spent = {"forward": 3.0, "backward": 6.0, "own": 1.0, "evil\x1b": 1e9, "optimizer": "much"}
    result["timings"]["spent"] = spent
    page = as_text(state, Documents({}, result, {}), "folder")
    shares = "Spent on: forward 30%, backward 60%, own work 10%"
    assert shares in " ".join(page.split())
    assert json.dumps(spent)
