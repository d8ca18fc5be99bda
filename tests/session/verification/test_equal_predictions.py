"""When equal predictions, all that rows keep of answers, are those of one model."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from test_copies import subject

from ltbench.session.verification import copies
from ltbench.session.verification.copies import check_copies
from ltbench.session.verification.finding import Findings

IMAGES = 90


def answering(run, folder, prediction, seed, score):
    """Return a run whose files are predictions alone, with a score."""
    folder.mkdir()
    classes = np.arange(IMAGES) % 3
    np.savez(folder / "predictions.npz", domain=classes * 0, prediction=prediction,
             **{"class": classes})  # fmt: skip
    test = {**run.record.test, "accuracy": score}
    return replace(run, record=replace(run.record, path=str(folder), seed=seed, test=test))


def findings(runs, tmp_path, prediction, scores=(0.25, 0.25)):
    erm = subject(runs, "erm", 0)
    pair = [
        answering(erm, tmp_path / str(seed), np.asarray(prediction), seed, score)
        for seed, score in enumerate(scores)
    ]
    found = Findings()
    check_copies(pair, found)
    return [one.kind for one in found.listed()]


@pytest.fixture(params=[400, 1], ids=["in pairs", "by digest"])
def _most(request, monkeypatch):
    monkeypatch.setattr(copies, "_MOST_ALIKE", request.param)


@pytest.mark.usefixtures("_most")
@pytest.mark.parametrize(
    ("prediction", "scores", "kinds"),
    [
        ([1] * IMAGES, (0.25, 0.25), []),  # two that have learnt nothing
        ([1] * (IMAGES - 3) + [2, 0, 0], (0.25, 0.26), []),  # or nearly
        ([1] * (IMAGES - 3) + [2, 0, 0], (0.25, 0.25), ["wrong"]),
        (np.arange(IMAGES) % 3, (0.25, 0.26), []),  # two may be right everywhere
        (np.arange(1, IMAGES + 1) % 3, (0.25, 0.26), ["wrong"]),  # not wrong alike
    ],
)
def test_two_seeds_that_predict_alike(runs, tmp_path, prediction, scores, kinds):
    assert findings(runs, tmp_path, prediction, scores) == kinds
