"""Rows that were made of other runs: shown with their making, and no evidence about methods."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

sys.path.insert(0, str(Path(__file__).parents[1] / "session"))

from combined_runs import write_ingredient

from ltbench.cli.clean import clean
from ltbench.cli.ensemble import ensemble
from ltbench.cli.figures import figures
from ltbench.cli.retry import retry
from ltbench.cli.show import show
from ltbench.cli.status import status
from ltbench.errors import UsageError
from ltbench.report import leaderboard
from ltbench.results.combined import without_choice
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord
from ltbench.session.estimate import Estimator


def call(command, *words: object) -> str:
    result = CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    for dataset in ("digits-mini-mlt", "pacs-mlt", "vlcs-mlt"):
        for algo, skill in (("erm", 0.6), ("bsoftmax", 0.8), ("boda", 0.7)):
            for seed in range(3):
                write_ingredient(root, algo=algo, seed=seed, skill=skill, dataset=dataset,
                                 per_class=20)  # fmt: skip
    return root


def document(runs: Path) -> dict:
    return json.loads(leaderboard.render(runs, format="json"))


def test_tests_and_ranks_are_what_they_were(runs):
    before = document(runs)
    call(ensemble, runs)
    call(ensemble, runs, "--across", "--dataset", "pacs-mlt")
    after = document(runs)
    assert after["across_datasets"] == before["across_datasets"]
    for old, new in zip(before["tables"], after["tables"], strict=True):
        assert new["protocol_hash"] == old["protocol_hash"], "in the same table"
        assert new["omnibus"] == old["omnibus"]
        assert new["cells"] == old["cells"], "n = 3 seeds"
        rows = {row["label"]: row for row in new["rows"]}
        assert [row for row in new["rows"] if not row["combined"]] == old["rows"]
        assert rows["erm (ensemble of 3)"]["combined"]["kind"] == "ensemble"
        assert rows["erm (ensemble of 3)"]["comparisons"] == {}
        assert rows["erm (ensemble of 3)"]["ranks"] is None
        assert len(rows["erm (ensemble of 3)"]["cells"]["macro_f1_average"]["values"]) == 1
        assert set(old["notes"]) <= set(new["notes"])


def test_a_table_says_of_what_they_are_made_and_what_they_cost(runs):
    call(ensemble, runs, "--algo", "erm", "--dataset", "pacs-mlt")
    (table,) = [t for t in document(runs)["tables"] if t["dataset"] == "pacs-mlt"]
    (note,) = [note for note in table["notes"] if note.startswith("erm (ensemble of 3)")]
    assert note == (
        "erm (ensemble of 3): mean of the probabilities of erm at seeds 0, 1 and 2; trained in "
        "2 min in all; a prediction asks 3 networks."
    )
    assert any("no seed of a method" in note for note in table["notes"])
    text = leaderboard.render(runs, datasets=["pacs-mlt"])
    assert "erm (ensemble of 3)" in text
    page = leaderboard.render(runs, datasets=["pacs-mlt"], format="html")
    assert "27 runs" not in page
    assert "9 runs of 3 methods" in page
    assert "ltbench ensemble " in page, "the command that makes it again"


def test_of_nothing_else_there_is_a_table_too(runs, tmp_path):
    call(ensemble, runs, "--algo", "erm", "--out", tmp_path / "out")
    text = leaderboard.render(tmp_path / "out")
    assert "erm (ensemble of 3)" in text


def test_two_of_a_name_are_told_apart(runs):
    call(ensemble, runs, "--algo", "erm", "--seeds", "0,1", "--dataset", "pacs-mlt")
    call(ensemble, runs, "--algo", "erm", "--seeds", "1,2", "--dataset", "pacs-mlt")
    (table,) = [t for t in document(runs)["tables"] if t["dataset"] == "pacs-mlt"]
    labels = [row["label"] for row in table["rows"] if row["combined"]]
    assert len(set(labels)) == 2
    assert all(label.startswith("erm (ensemble of 2) #") for label in labels)


def test_commands_that_look_after_runs_know_them(runs):
    call(ensemble, runs, "--algo", "erm", "--dataset", "pacs-mlt")
    page = call(show, "erm (ensemble of 3)", "--out", runs)
    assert "Made of other runs: mean of the probabilities of erm at seeds 0, 1 and" in page
    assert "On validation images: macro_f1_average" in page
    assert "erm seed 2: pacs-mlt/erm/" in page
    assert "28 of 28 runs done" in call(status, runs)
    assert "nothing to retry" in call(retry, runs)
    found = json.loads(call(clean, runs, "--done", "--algo", "erm (ensemble of 3)", "--yes",
                            "--json"))  # fmt: skip
    assert [row["removed"] for row in found["found"]] == [True]
    assert len(read_runs(runs)) == 27


def test_what_was_left_of_one_is_removed(runs, monkeypatch):
    draft = next(runs.glob("pacs-mlt/erm/*")) / ".seed-0.0123.tmp"
    draft.mkdir()
    (draft / "result.json").write_text("{}")
    assert len(read_runs(runs)) == 27, "nobody takes it for a run"
    assert json.loads(call(clean, runs, "--yes", "--json"))["found"] == []
    monkeypatch.setattr("ltbench.results.cleaning._DRAFT_AGE", -1.0)
    (found,) = json.loads(call(clean, runs, "--yes", "--json"))["found"]
    assert (found["kind"], found["removed"]) == ("temporary folder", True)
    assert not draft.exists()


def test_figures_show_what_was_trained(runs, tmp_path):
    call(ensemble, runs, "--algo", "erm", "--dataset", "pacs-mlt")
    words = ["--dataset", "pacs-mlt", "-o", tmp_path / "f.png"]
    call(figures, "violin", runs, *words)
    assert "ensemble" not in (tmp_path / "f.csv").read_text()
    with pytest.raises(UsageError, match="was made of others"):
        call(figures, "violin", runs, *words, "--algo", "erm (ensemble of 3)")


def test_estimates_know_nothing_of_their_seconds(runs):
    call(ensemble, runs, "--algo", "erm", "--dataset", "pacs-mlt")
    records = read_runs(runs)
    combined = [run for run in records if run.combined]
    assert len(combined) == 1
    assert Estimator(combined, "cpu")._rates == {}


@pytest.mark.parametrize(
    "combined",
    [{"kind": 3}, {"kind": "\x1b[31m", "rule": 5}, {"members": [{"hash": 7, "seed": "x"}]}, {}],
)
def test_a_hostile_document_is_read_field_by_field(tmp_path, combined):
    folder = write_run(tmp_path, seed=0, arrays=False)
    spec = json.loads((folder / "spec.json").read_text())
    spec["identity"]["combined"] = {"members": [{}], **combined}
    (folder / "spec.json").write_text(json.dumps(spec))
    result = json.loads((folder / "result.json").read_text())
    result["combined"] = {"networks": "1e999", "members": [{"method": "\x1b", "run": 3}]}
    (folder / "result.json").write_text(json.dumps(result))
    (record,) = read_runs(tmp_path)
    assert isinstance(record, RunRecord)
    assert record.status == "done"
    assert record.combined["kind"].isprintable()
    assert "\x1b" not in call(show, folder)
    assert "\x1b" not in leaderboard.render(tmp_path)


def test_over_unseen_domains_it_is_one_row_of_their_mean(tmp_path):
    runs = tmp_path / "runs"
    for unseen in ("mnist", "mnist-m", "optdigits"):
        for algo, skill in (("erm", 0.6), ("bsoftmax", 0.8)):
            for seed in range(3):
                write_ingredient(runs, algo=algo, seed=seed, skill=skill, per_class=20,
                                 options={"unseen": [unseen]})  # fmt: skip
    (before,) = document(runs)["tables"]
    call(ensemble, runs)
    (after,) = document(runs)["tables"]
    assert after["omnibus"] == before["omnibus"]
    rows = {row["label"]: row for row in after["rows"]}
    assert [row for row in after["rows"] if not row["combined"]] == before["rows"]
    assert len(rows) == 4
    scores = [run.test["macro_f1_average"] for run in read_runs(runs)
              if run.combined and run.algorithm == "erm"]  # fmt: skip
    mean = rows["erm (ensemble of 3)"]["cells"]["macro_f1_average"]["mean"]
    assert len(scores) == 3
    assert mean == pytest.approx(sum(scores) / 3)
    assert any(
        note.startswith("erm (ensemble of 3), on each unseen domain:") and "6 min in all" in note
        for note in after["notes"]
    )
    assert "18 runs of 2 methods" in leaderboard.render(runs, format="html")


def test_a_soup_is_one_method_whatever_it_took():
    combined = {"kind": "soup"}
    assert without_choice("erm (greedy soup of 3 of 5)", combined) == "erm (greedy soup of 5)"
    assert without_choice("erm (ensemble of 5)", combined) == "erm (ensemble of 5)"
    assert without_choice("a (soup of 3 of 5)", {}) == "a (soup of 3 of 5)"


@pytest.mark.parametrize(
    ("name", "members"),
    [("spec", []), ("spec", 7), ("spec", None), ("spec", ["x"]), ("result", []), ("result", [[]])],
)
def test_what_names_no_members_is_passed_over_and_ends_no_board(tmp_path, name, members):
    for seed in range(2):
        write_run(tmp_path, seed=seed)
    folder = write_run(tmp_path, algo="ensemble", seed=0)
    own = {"kind": "ensemble", "rule": "mean-probabilities", "members": [{"hash": "a", "seed": 0}]}
    documents = {"spec": dict(own), "result": dict(own)}
    documents[name]["members"] = members
    for file, combined in documents.items():
        content = json.loads((folder / f"{file}.json").read_text())
        (content["identity"] if file == "spec" else content)["combined"] = combined
        (folder / f"{file}.json").write_text(json.dumps(content))
    (broken,) = (run for run in read_runs(tmp_path) if run.status == "unreadable")
    assert f"{name}.json: " in broken.reason
    assert "members" in broken.reason
    text = " ".join(leaderboard.render(tmp_path, format="markdown").split())
    assert "Passed over, because it cannot be read" in text
    call(show, folder)
