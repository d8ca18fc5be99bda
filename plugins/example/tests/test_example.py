"""What is special about these six.

What ltbench asks of every algorithm, data set, stage, metric and observer is tested as well: see
``--ltbench`` in pyproject.toml.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from ltbench_example.diary import Diary
from ltbench_example.domain_gap import domain_gap
from ltbench_example.stripes import TRAIN, Stripes

from ltbench.testing import (
    build_algorithm,
    random_batch,
    random_batch_for,
    random_predictions,
    train_info,
)


def test_the_brier_score_of_even_odds_is_known():
    model = build_algorithm("brier", train_info())
    batch = random_batch(model.train_info)
    classes = model.train_info.num_classes
    risks = model.risks(torch.zeros(len(batch), classes), batch)
    assert torch.allclose(risks, torch.full_like(risks, 1 - 1 / classes))


def test_views_that_are_answered_alike_cost_nothing():
    model = build_algorithm("agreement", train_info()).eval()  # batch normalisation by itself
    batch = random_batch_for(model)  # with as many views as the algorithm asks for
    alike = replace(batch, views=(batch.x, batch.x))
    risk = model.risks(model.predict(batch.x), batch).mean()
    assert torch.isclose(model.loss(alike)["total"], risk)
    assert model.loss(batch)["total"] > risk


def test_stripes_has_the_images_that_it_says():
    stripes = Stripes("stripes", Stripes.HParams(), Path())
    split = stripes.split()
    assert split.counts("train").tolist() == [list(row) for row in TRAIN]
    assert stripes.decoder(split)(0).shape == (12, 12, 1)


# ``ltbench_run`` is a fixture of ltbench's: it runs a method on a tiny data set.
def test_a_temperature_changes_confidences_and_no_answer(ltbench_run):
    before, after = ltbench_run("brier").predictions, ltbench_run("brier+temperature").predictions
    assert np.array_equal(before["prediction"], after["prediction"])
    assert not np.array_equal(before["confidence"], after["confidence"])


def test_the_gap_is_between_the_best_and_the_worst_domain():
    found = random_predictions()
    accuracies = [part.correct.mean() for part in found.by_domain().values()]
    assert domain_gap(found) == {"domain_gap": max(accuracies) - min(accuracies)}
    assert domain_gap(found.where(found.d == 0)) == {"domain_gap": None}


def test_the_diary_has_a_line_for_each_run(tmp_path):
    run = SimpleNamespace(label="brier", dataset=SimpleNamespace(name="stripes"), seed=3)
    diary = Diary(Diary.HParams())
    diary.ltbench_run_finished(run, tmp_path / "seed-3", {"test": {"accuracy": 0.5}})
    diary.ltbench_run_finished(run, tmp_path / "seed-3", {"error": "a pity"})
    assert (tmp_path / "diary.txt").read_text().splitlines() == [
        "brier on stripes, seed 3: accuracy 0.500",
        "brier on stripes, seed 3: a pity",
    ]
