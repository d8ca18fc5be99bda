"""The scores in the card of an exported model: those of the model, and the row of a board."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from synthetic_runs import write_run

from ltbench.data.image_files import read_image
from ltbench.report.model_card import Exported, model_card

EXPORT = Exported(
    licence="", citation="", why_no_timm="", stored=28, channels=3, side=28, checked=8,
    made_up="", difference=1e-6, temperature=1.0, temperature_images=0, why_no_temperature="none",
)  # fmt: skip


def cells(card: str) -> dict[str, list[str]]:
    scores = card.partition("## Scores")[2].partition("## Data")[0]
    rows = [line.strip("| ").split(" | ") for line in scores.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def test_the_row_of_the_board_stands_beside_the_models_scores(tmp_path):
    folders = [write_run(tmp_path, seed=seed) for seed in range(3)]
    write_run(tmp_path, seed=3, error="failed")
    write_run(tmp_path, seed=0, algo="bsoftmax")
    results = [json.loads((folder / "result.json").read_text()) for folder in folders]
    values = 100 * np.array([result["test"]["accuracy_average"] for result in results])
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    card = model_card(folders[1], EXPORT)
    assert "This model is that of seed 1. The row of a board, erm@digits-mini-mlt, is" in card
    assert "the mean of 3 seeds" in " ".join(card.split())
    own, mean = cells(card)["Domain-average accuracy"]
    assert float(re.findall(r"[\d.]+", own)[0]) == pytest.approx(values[1], abs=0.051)
    found = [float(number) for number in re.findall(r"[\d.]+", mean)]
    assert found == pytest.approx([values.mean(), half], abs=0.051)


def test_scores_of_a_run_that_learnt_on_test_images_are_not_those_of_the_exported_model(tmp_path):
    folder = write_run(tmp_path)
    assert "model-index" in model_card(folder, EXPORT)
    result = json.loads((folder / "result.json").read_text())
    result["before_test"] = {"images": 9, "passes": 1, "learnt": {}}
    (folder / "result.json").write_text(json.dumps(result))
    card = model_card(folder, EXPORT)
    assert "the model before that, which was not tested: its scores are not those below" in card
    assert "model-index" not in card


def test_the_cards_code_reads_images_as_training_does(tmp_path):
    card = model_card(write_run(tmp_path), EXPORT)
    lines = card.partition("```python\n")[2].partition("```")[0].splitlines()
    code = "\n".join(line for line in lines if "onnx" not in line and "session" not in line)
    odd = Image.new("RGBA", (4, 2), (200, 10, 10, 80))
    exif = Image.Exif()
    exif[0x0112] = 6
    odd.save(tmp_path / "image.png", exif=exif)
    names: dict[str, np.ndarray] = {}
    exec(code.replace("image.jpg", str(tmp_path / "image.png")), names)
    assert (names["pixels"][0] == read_image(tmp_path / "image.png", 3)).all()


def test_of_one_seed_there_is_no_row(tmp_path):
    card = model_card(write_run(tmp_path), EXPORT)
    assert "This is one run with one seed" in card
    assert {len(row) for row in cells(card).values()} == {1}


def test_seeds_that_have_more_metrics_or_another_order_take_nothing_from_their_rows(tmp_path):
    folders = [write_run(tmp_path, seed=seed) for seed in range(3)]
    plain = cells(model_card(folders[2], EXPORT))
    document = json.loads((folders[0] / "result.json").read_text())
    test = document["test"]
    document["test"] = {"another": 0.5, **dict(reversed(test.items()))}
    (folders[0] / "result.json").write_text(json.dumps(document))
    assert cells(model_card(folders[2], EXPORT)) == plain
