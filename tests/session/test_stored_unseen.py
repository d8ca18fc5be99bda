"""What is told from the stored answers of a run whose test domain was kept from training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from combined_runs import train

from ltbench.report.per_class import per_class
from ltbench.report.stored_metrics import metrics_of_stored


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen")
    (found,) = train(folder / "runs", folder, dataset="tiny-mlt[unseen=dark]", seeds=[0])
    return found


def test_metrics_of_shots_are_those_of_the_run(run):
    known = json.loads((run / "result.json").read_text())["test"]
    names = [name for name in known if "many" in name or "few" in name or "medium" in name]
    found = metrics_of_stored(run, names)
    assert {name: found[name] for name in names} == pytest.approx(
        {name: known[name] for name in names}, nan_ok=True
    )
    assert any(known[name] is not None for name in names)


def test_classes_have_the_training_images_of_the_training_domains(run):
    counts = json.loads((run / "spec.json").read_text())["data"]["counts"]["train"]
    of_classes = [sum(column) for column in zip(*counts, strict=True)]
    for domains in ((), ("each",)):
        frame = per_class(run, "erm", domains=domains).frame()
        assert frame["train"].tolist() == of_classes
        assert not {"zero", "1 zero"} & set(frame["shot"])
