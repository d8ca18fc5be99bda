"""Reading run folders: what they hold, and folders that are broken or hostile."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_runs import write_run

from ltbench.errors import DataError, UsageError
from ltbench.results.documents import (
    read_confusion,
    read_data_facts,
    read_features,
    read_predictions,
)
from ltbench.results.frame import load_runs
from ltbench.results.untrusted import clean, numbers, read_log


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = write_run(tmp_path, algo="boda", stages=["crt"], seed=3, hparams={"weight": 0.5})
    runs = load_runs(tmp_path)
    run = runs.table.iloc[0]
    result = json.loads((folder / "result.json").read_text())
    assert run["status"] == "done"
    assert (run["label"], run["algorithm"], run["stages"]) == ("boda+crt", "boda", ("crt",))
    assert (run["seed"], run["hparams"], run["seconds"]) == (3, {"weight": 0.5}, 44.0)
    known = {key: value for key, value in result["test"].items() if value is not None}
    assert runs.scores.iloc[0].dropna().to_dict() == known


def test_states_of_runs(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, error="failed")
    write_run(tmp_path, seed=2, error="diverged")
    write_run(tmp_path, seed=3, finished=False)
    table = load_runs(tmp_path).table.sort_values("seed")
    assert table["status"].tolist() == ["done", "failed", "diverged", "unfinished"]
    assert table["reason"].iloc[1] == "RuntimeError: loss is NaN"


def test_a_run_in_two_folders_counts_once_and_the_finished_copy_counts(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=0, finished=False)
    done = write_run(tmp_path / "b", seed=0)
    write_run(tmp_path / "b", seed=1)
    table = load_runs([tmp_path / "a", tmp_path / "b"]).table
    assert sorted(table["seed"]) == [0, 1]
    assert table.loc[table["seed"] == 0, "path"].item() == str(done)


def test_a_single_run_folder_or_a_part_of_the_tree_will_do(tmp_path: Path) -> None:
    folder = write_run(tmp_path, seed=0)
    assert len(load_runs(folder).table) == 1
    assert len(load_runs(folder.parents[1]).table) == 1
    assert not list(folder.glob(".index*"))


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_no_runs_says_what_to_type(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="ltbench run --algo"):
        load_runs(tmp_path / name)


BROKEN: dict[str, Callable[[Path], object]] = {
    "torn": lambda f: (f / "result.json").write_text('{"format": 1, "te'),
    "binary": lambda f: (f / "spec.json").write_bytes(b"\xff\xfe\x00"),
    "a list": lambda f: (f / "result.json").write_text("[1]"),
    "too deep": lambda f: (f / "spec.json").write_text("[" * 100_000),
    "a huge number": lambda f: (f / "spec.json").write_text('{"format": ' + "9" * 10_000 + "}"),
    "another format": lambda f: edit(f / "spec.json", lambda d: d.update(format=99)),
    "no identity": lambda f: edit(f / "spec.json", lambda d: d.pop("identity")),
    "seed as text": lambda f: edit(f / "spec.json", lambda d: d.update(seed="zero")),
    "stages as text": lambda f: edit(f / "spec.json", lambda d: d["identity"].update(stages="x")),
    "another run's result": lambda f: edit(f / "result.json", lambda d: d.update(hash="0")),
    "no test": lambda f: edit(f / "result.json", lambda d: d.update(test=[0.5])),
    "a folder for a file": lambda f: ((f / "spec.json").unlink(), (f / "spec.json").mkdir()),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_run_is_passed_over_with_a_reason(tmp_path: Path, kind: str) -> None:
    write_run(tmp_path, seed=0)
    BROKEN[kind](write_run(tmp_path, seed=1))
    for _ in range(2):  # the second time from the index
        table = load_runs(tmp_path).table
        assert sorted(table["status"]) == ["done", "unreadable"]
        assert table.loc[table["status"] == "unreadable", "reason"].item()


def test_values_that_are_no_finite_numbers_are_missing(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    text = (folder / "result.json").read_text()
    odd = '{"accuracy_average": NaN, "accuracy_worst": "1", "accuracy_many": true, "loss": 1e999, '
    (folder / "result.json").write_text(
        text.replace('"test": {', '"test": ' + odd + '"extra": 2, ')
    )
    scores = load_runs(tmp_path).scores
    assert scores["extra"].item() == 2
    assert numbers({"a": float("inf"), "b": True, "c": None, "d": 10**400}) == {}


def test_names_reach_no_terminal_as_control_sequences(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    edit(folder / "spec.json", lambda d: d.update(label="er\x1b[31mm\n\u202e" + "x" * 999))
    label = load_runs(tmp_path).table["label"].item()
    assert label.isprintable()
    assert len(label) == 200
    assert clean("plain") == "plain"


def test_links_are_not_followed_and_hidden_folders_not_searched(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", seed=0)
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs", target_is_directory=True)
    write_run(tmp_path / "runs" / ".trash", seed=1)
    assert len(load_runs(tmp_path / "runs").table) == 1


def test_arrays_that_would_run_code_or_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    path = folder / "predictions.npz"
    good = dict(np.load(path))
    for change in (
        {"class": np.array([{}], dtype=object)},
        {"class": good["class"].astype(float)},
        {"prediction": good["prediction"][:-1]},
        {"domain": -good["domain"] - 1},
        {"class": good["class"][None]},
    ):
        np.savez(path, **{**good, **change})
        with pytest.raises(DataError, match=r"predictions\.npz"):
            read_predictions(folder)
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="plain arrays"):
        read_predictions(folder)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("class.npy", b"garbage")
    with pytest.raises(DataError, match=r"predictions\.npz"):
        read_predictions(folder)
    path.unlink()
    with pytest.raises(DataError, match="missing"):
        read_predictions(folder)


def test_facts_confusion_features_and_log(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    facts = read_data_facts(folder)
    assert facts["counts"]["train"].shape == (3, 10)
    confusion = read_confusion(folder, facts["domains"], 10)
    assert (confusion.sum(axis=2) == facts["counts"]["test"]).all()
    arrays = read_features(folder)
    assert arrays["centroids"].shape[:2] == (3, 10)
    with (folder / "log.jsonl").open("a") as log:
        log.write('[1]\n{"stage": "erm", "st')
    assert [entry["step"] for entry in read_log(folder)] == list(range(25, 301, 25))
    with pytest.raises(DataError, match="4 × 4"):
        read_confusion(folder, facts["domains"], 4)
    edit(folder / "spec.json", lambda d: d["data"]["counts"].update(train=[[1, 2]]))
    with pytest.raises(DataError, match="counts"):
        read_data_facts(folder)
