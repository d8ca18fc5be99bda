"""Runs whose shot accuracies were over images are read with means over pairs, as those of now."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ltbench.cli.show import show
from ltbench.results.documents import read_data_facts
from ltbench.results.frame import load_runs
from ltbench.results.untrusted import read_log, read_result
from ltbench.testing.synthetic_runs import write_run

SHOTS = ("many", "medium", "few", "zero")


def edited(path: Path, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return document


def as_it_was(folder: Path) -> dict[str, Any]:
    """Rewrite a run as earlier versions wrote it: pooled, without the rule; unequal test sizes."""

    def result(document: dict[str, Any]) -> None:
        for matrix in document["confusion"].values():  # class c keeps a share of its errors
            for c, row in enumerate(matrix):
                row[:] = [n if k == c else n * (1 + 3 * c) for k, n in enumerate(row)]
        test = document["test"]
        for shot in SHOTS:
            test[f"accuracy_{shot}"] = test.pop(f"accuracy_{shot}_pooled")
        for values in document["domains"].values():
            values["accuracy_few"] = 0.25

    def spec(document: dict[str, Any]) -> None:
        document["data"]["shots"] = {k: document["data"]["shots"][k] for k in ("many", "few")}

    edited(folder / "spec.json", spec)
    return edited(folder / "result.json", result)


def by_hand(
    folder: Path, buckets: Callable[[np.ndarray], dict[str, np.ndarray]]
) -> dict[str, float]:
    """Return the mean over pairs and the share of images of each shot."""
    data = json.loads((folder / "spec.json").read_text())["data"]
    confusion = json.loads((folder / "result.json").read_text())["confusion"]
    matrices = np.array([confusion[name] for name in data["domains"]], dtype=float)
    right, images = matrices.diagonal(axis1=1, axis2=2), matrices.sum(2)
    found = {}
    for name, mask in buckets(np.array(data["counts"]["train"])).items():
        found[f"accuracy_{name}"] = (right[mask] / images[mask]).mean()
        found[f"accuracy_{name}_pooled"] = right[mask].sum() / images[mask].sum()
    return found


def of_digits(n: np.ndarray) -> dict[str, np.ndarray]:
    return {"many": n > 60, "medium": (n <= 60) & (n > 15), "few": (n <= 15) & (n > 0),
            "zero": n == 0}  # fmt: skip


def test_one_column_holds_one_definition(tmp_path: Path) -> None:
    """The runs of both versions stand in one table: each has the mean over pairs."""
    old, new = (write_run(tmp_path, seed=seed, arrays=False) for seed in (0, 1))
    as_it_was(old)
    for _ in range(2):  # from the files, then from the index
        runs = load_runs(tmp_path)
        scores = runs.scores.set_index(runs.table["seed"])
        for name, value in by_hand(old, of_digits).items():
            assert scores.loc[0, name] == pytest.approx(value, abs=1e-12)
        for name, value in by_hand(new, of_digits).items():
            assert scores.loc[1, name] == pytest.approx(value, abs=1e-12)
    wanted = by_hand(old, of_digits)
    assert abs(wanted["accuracy_few"] - wanted["accuracy_few_pooled"]) > 0.01
    assert read_result(old)["test"]["accuracy_few"] == pytest.approx(wanted["accuracy_few"])  # type: ignore[index]
    shown = json.loads(CliRunner().invoke(show, [str(old), "--json"]).stdout)["result"]
    assert shown["test"]["accuracy_few"] == pytest.approx(wanted["accuracy_few"])
    # Of a domain alone it was over images as well.
    assert shown["domains"]["mnist"]["accuracy_few"] != 0.25


def hostile(document: dict[str, Any], value: Any) -> None:
    if value is None:
        del document["confusion"]
    else:
        document["confusion"]["mnist"] = value


@pytest.mark.parametrize(
    "value",
    [None, [], "x", 3, [[1] * 10] * 9, [["1"] * 10] * 10, [[-1] * 10] * 10, [[2**70] * 10] * 10,
     [[True] * 10] * 10, [[0.5] * 10] * 10, {}],
)  # fmt: skip
def test_without_matrices_only_the_pooled_ones_are_known(tmp_path: Path, value: Any) -> None:
    folder = write_run(tmp_path, arrays=False)
    before = as_it_was(folder)["test"]
    edited(folder / "result.json", lambda document: hostile(document, value))
    scores = load_runs(tmp_path).scores
    for shot in SHOTS:
        assert scores[f"accuracy_{shot}_pooled"].tolist() == [before[f"accuracy_{shot}"]]
        assert f"accuracy_{shot}" not in scores or scores[f"accuracy_{shot}"].isna().all()
    assert scores["accuracy_average"].tolist() == [before["accuracy_average"]]


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["data"].pop("counts"), lambda spec: spec["data"].update(shots=[1]),
        lambda spec: spec["data"].update(shots={"many": "x"}), lambda spec: spec.update(data=7),
        lambda spec: spec["data"].update(domains=5), lambda spec: spec["data"].update(classes={}),
        lambda spec: spec["data"]["counts"].update(train=[[1]]),
        lambda spec: spec["identity"]["dataset"].update(name="../cifar100-lt"),
    ],
)  # fmt: skip
def test_whatever_the_specification_holds_the_run_is_read(tmp_path: Path, change: Any) -> None:
    folder = write_run(tmp_path, arrays=False)
    as_it_was(folder)
    edited(folder / "spec.json", change)
    runs = load_runs(tmp_path)
    assert runs.table["status"].tolist() == ["done"]
    assert "accuracy_few_pooled" in runs.scores


def of_cifar(n: np.ndarray) -> dict[str, np.ndarray]:
    return {"medium": (n <= 100) & (n >= 20), "few": n < 20}


@pytest.mark.parametrize(
    ("dataset", "words"),
    [("cifar100-lt", "many > 100, few < 20"), ("moths", "many > 100, few ≤ 20"),
     ("pacs-mlt", "many > 100, few ≤ 20")],
)  # fmt: skip
def test_the_limits_are_those_of_the_registry(tmp_path: Path, dataset: str, words: str) -> None:
    """Runs with a class of exactly 20 images, of the time when all rules were inclusive."""
    from ltbench.api import ShotRule

    train = np.array([[200, 100, 50, 20, 5, 5]])
    folder = write_run(
        tmp_path, dataset=dataset, domains=("all",), classes=6, train=train, shots=(100, 20),
        arrays=False,
    )  # fmt: skip
    as_it_was(folder)
    edited(folder / "result.json", lambda document: document.update(
        test_sets={"tail": {"accuracy_few": 0.5, "accuracy": 0.5}}))  # fmt: skip
    assert ShotRule.from_dict(read_data_facts(folder)["shots"]).words == words
    tail = read_result(folder)["test_sets"]["tail"]  # type: ignore[index]
    if dataset == "cifar100-lt":
        scores = load_runs(tmp_path).scores
        for name, value in by_hand(folder, of_cifar).items():
            assert scores[name].tolist() == [pytest.approx(value)]
        assert tail == {"accuracy": 0.5}  # nobody knows what the rule of now would give
    else:
        assert tail == {"accuracy": 0.5, "accuracy_few_pooled": 0.5}


def test_old_validation_scores_say_what_they_are_over(tmp_path: Path) -> None:
    folder = write_run(tmp_path, arrays=False)
    lines = [{"stage": "erm", "step": 1, "val": {"accuracy_few": 0.5, "accuracy": 0.6}},
             {"stage": "erm", "step": 2, "val": {"accuracy_few": 0.4, "accuracy_few_pooled": 0.5}},
             {"stage": "erm", "step": 3, "val": 7}, {"stage": "erm", "step": 4}]  # fmt: skip
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    first, *others = read_log(folder)
    assert first["val"] == {"accuracy_few_pooled": 0.5, "accuracy": 0.6}
    assert others == lines[1:]
