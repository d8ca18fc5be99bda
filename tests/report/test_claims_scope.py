"""For what a table's claims hold, and what its verdict and its summary count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import write_run

from ltbench.report.content import Content
from ltbench.report.leaderboard import load_content, render
from ltbench.report.predictions import first_stages
from ltbench.report.verdict import verdict


def two_methods(root: Path, **how: object) -> None:
    for algo in ("erm", "boda"):
        for seed in range(3):
            write_run(root, algo=algo, seed=seed, **how)  # type: ignore[arg-type]


def only(content: Content):  # type: ignore[no-untyped-def]
    (board,) = content.boards
    return board


def test_claims_cover_test_images_where_all_runs_have_predictions(tmp_path: Path) -> None:
    two_methods(tmp_path / "with")
    two_methods(tmp_path / "without", arrays=False)
    both = [only(load_content(tmp_path / name)) for name in ("with", "without")]
    assert [len(board.analysis.over_images) for board in both] == [4, 0]
    known, unknown = (board.analysis.comparisons for board in both)
    np.testing.assert_allclose(known["difference"], unknown["difference"])
    assert (known["high"] - known["low"] > 0).all()
    assert (known["t"].abs() < unknown["t"].abs()).all()
    long = " ".join(render(tmp_path / "with", explain=True).split())
    assert "about other seeds and other test images" in long
    short = " ".join(render(tmp_path / "with").split())
    assert "± covers other seeds; tests cover other seeds and other test images" in short
    assert "for other seeds and test images" in render(tmp_path / "with", format="html")
    mixed = render(tmp_path / "with", metrics=["accuracy_few", "accuracy_worst"])
    some = "test images (of acc few: other seeds on these test images alone)"
    assert some in " ".join(mixed.split())
    text = " ".join(render(tmp_path / "without").split())
    assert "± and tests cover other seeds on these test images alone" in text
    assert "methods that are equal may differ" in text
    text = " ".join(render(tmp_path / "without", explain=True).split())
    assert "about other seeds on these test images alone" in text
    assert "for other seeds on these" in render(tmp_path / "without", format="html")
    assert "may differ on it" in text


def test_predictions_that_do_not_give_the_scores_are_not_believed(tmp_path: Path) -> None:
    two_methods(tmp_path)
    result = next(tmp_path.rglob("result.json"))
    document = json.loads(result.read_text())
    document["test"]["accuracy_average"] += 0.05
    result.write_text(json.dumps(document))
    assert not only(load_content(tmp_path)).analysis.over_images


def test_one_run_without_predictions_leaves_the_test_set_unknown(tmp_path: Path) -> None:
    two_methods(tmp_path)
    next(tmp_path.rglob("predictions.npz")).unlink()
    assert not only(load_content(tmp_path)).analysis.over_images


def test_methods_with_one_first_stage_are_known_to_share_it(tmp_path: Path) -> None:
    write_run(tmp_path, arrays=False)
    write_run(tmp_path, stages=("crt",), arrays=False)
    write_run(
        tmp_path, algo="boda", label="boda[weight=[0.5,1]]+crt", stages=("crt",), arrays=False
    )
    board = only(load_content(tmp_path))
    assert first_stages(board.table)["erm+crt"] == first_stages(board.table)["erm"] == "erm"


@pytest.mark.parametrize("reference", ["erm", "boda"])
def test_the_verdict_tells_what_other_declared_metrics_show(tmp_path: Path, reference: str) -> None:
    for algo in ("erm", "boda"):
        for seed in range(5):
            folder = write_run(tmp_path, algo=algo, seed=seed, arrays=False)
            path = folder / "result.json"
            document = json.loads(path.read_text())
            high = 0.9 if algo == "boda" else 0.5
            document["test"] |= {
                "accuracy_average": 0.7 + 0.01 * (seed + (algo == "boda")) % 3,
                "accuracy_worst": high + 0.001 * seed,
            }
            path.write_text(json.dumps(document))
    board = only(load_content(tmp_path, reference=reference))
    assert not board.analysis.claims("accuracy_average")
    assert board.analysis.claims("accuracy_worst")
    text = " ".join(verdict(board))
    assert "No difference in domain-average accuracy" in text
    way = "better" if reference == "erm" else "worse"
    assert f"Worst-domain accuracy: {way} than {reference}" in text


def test_options_of_one_data_set_count_once_across_data_sets(tmp_path: Path) -> None:
    for algo in ("erm", "boda"):
        for data_seed in range(4):
            write_run(tmp_path, algo=algo, options={"data_seed": data_seed}, arrays=False)
    assert load_content(tmp_path).summary is None
    for algo in ("erm", "boda"):
        write_run(tmp_path, algo=algo, dataset="vlcs-mlt", arrays=False)
        write_run(tmp_path, algo=algo, dataset="pacs-mlt", arrays=False)
    summary = load_content(tmp_path).summary
    assert summary is not None
    assert len(summary.datasets) == 3
    assert len(summary.left_out) == 3
    # One kind of folder with other classes is another data set.
    for algo in ("erm", "boda"):
        for classes in (3, 4):
            write_run(tmp_path, algo=algo, dataset="image-folder", classes=classes, arrays=False,
                      options={"root": f"/photos/{classes}"})  # fmt: skip
    summary = load_content(tmp_path).summary
    assert summary is not None
    assert len(summary.datasets) == 5


def test_cells_near_the_end_of_the_scale_do_not_leave_it(tmp_path: Path) -> None:
    for seed, value in enumerate((0.0, 0.0, 0.07)):
        path = write_run(tmp_path, seed=seed, arrays=False) / "result.json"
        document = json.loads(path.read_text())
        document["test"] |= {"accuracy_zero": value, "accuracy_few": 0.25}
        path.write_text(json.dumps(document))
    cells = only(load_content(tmp_path)).rows[0].cells
    assert (
        0 < cells["accuracy_zero"].low < cells["accuracy_zero"].mean < cells["accuracy_zero"].high
    )
    text = render(tmp_path, metrics=["accuracy_zero", "accuracy_few"])
    assert "2.3 (0–" in text
    assert "25.0 ±" not in text
