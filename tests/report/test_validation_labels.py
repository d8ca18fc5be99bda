"""What results and reports say of runs that were trained on validation images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_runs import write_run

from ltbench.errors import UsageError
from ltbench.report.document import rows_frame
from ltbench.report.leaderboard import load_content, render
from ltbench.report.validation_labels import validation_lines
from ltbench.session.plan import Request, plan_runs
from ltbench.session.tuning import check_judged
from ltbench.testing.small_data import NAME, register_small_data
from ltbench.testing.small_run import run_small


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed in range(2):
        write_run(tmp_path, algo="erm", seed=seed, arrays=False)
        path = write_run(tmp_path, algo="bsoftmax", seed=seed, arrays=False) / "result.json"
        result = json.loads(path.read_text())
        path.write_text(json.dumps({**result, "trained_on_validation": ["dfr"]}))
    return tmp_path


def test_a_board_says_which_methods_were(runs: Path) -> None:
    note = "Trained on the validation images too: bsoftmax. Their validation scores, by which "
    text = " ".join(render(runs).split())
    assert note in text
    assert "The others had the training images alone." in text
    for format in ("markdown", "json", "html", "latex"):
        assert "Trained on the validation images too: bsoftmax" in render(runs, format=format)
    frame = rows_frame(load_content(runs))
    assert dict(zip(frame["method"], frame["trained_on_validation"], strict=True)) == {
        "erm": False,
        "bsoftmax": True,
    }


def test_a_board_without_any_says_nothing(runs: Path) -> None:
    assert "Trained on" not in render(runs, algos=["erm"])
    assert "trained_on_validation" not in rows_frame(load_content(runs, algos=["erm"]))


def test_the_result_of_a_run_says_so(tmp_path: Path) -> None:
    run_small("erm+dfr[draws=1,c=1]", tmp_path / "dfr")
    result = json.loads((tmp_path / "dfr" / "result.json").read_text())
    assert result["trained_on_validation"] == ["dfr"]
    run_small("erm+tau-norm", tmp_path / "tau")
    assert "trained_on_validation" not in json.loads((tmp_path / "tau" / "result.json").read_text())


def test_the_page_of_a_run_says_so() -> None:
    (line,) = validation_lines({"trained_on_validation": ["dfr", 3]})
    assert line.startswith("Trained on the validation images: dfr, so that")
    assert validation_lines({}) == validation_lines({"trained_on_validation": "dfr"}) == []


def test_tuning_by_such_scores_is_refused() -> None:
    register_small_data()
    request = Request(["erm+dfr", "erm+tau-norm"], [NAME], [0], "fp32", Path())
    fitted, chosen = plan_runs(request).methods
    with pytest.raises(UsageError, match="'dfr' is trained on the validation images, by which"):
        check_judged(fitted)
    check_judged(chosen)


@pytest.mark.parametrize("stage", ["dfr", "tau-norm", "wise-ft", "mlls"])
def test_without_validation_images_it_is_refused_before_training(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ltbench.plugins.resolve import resolve
    from ltbench.session.parts import check_validation

    register_small_data()
    spec = plan_runs(Request(["erm"], [NAME], [0], "fp32", Path())).specs[0]
    spec.data["counts"]["val"] = [[0, 0], [0, 0]]
    cls, hparams = resolve("stages", stage, {})
    with pytest.raises(UsageError, match=f"'{stage}' (is trained on|chooses by) validation images"):
        check_validation(spec, stage, cls, hparams)
    for free in ("wise-ft", "mlls"):
        options = {"wise-ft": {"alpha": 0.5}, "mlls": {"source": "training"}}[free]
        check_validation(spec, free, *resolve("stages", free, options))
