"""Documents that hold anything at all, and methods that are not here, end no verification."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dishonest import sentences

from ltbench.errors import UsageError
from ltbench.results.folders import read_folders
from ltbench.results.rows import write_rows
from ltbench.session.verification import verify as module
from ltbench.session.verification.rerun import Again
from ltbench.session.verification.verify import verify
from ltbench.testing import write_run


def edited(folder: Path, name: str, place: tuple[str, ...], value: object) -> None:
    """Put a value into a document; what is on the way there is made where it is missing."""
    document = json.loads((folder / name).read_text())
    inside = document
    for key in place[:-1]:
        inside = inside.setdefault(key, {})
    inside[place[-1]] = value
    (folder / name).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("spec.json", ("identity", "dataset", "split"), None),
        ("spec.json", ("identity", "dataset", "images"), [1]),
        ("spec.json", ("identity", "plugins"), ["theirs"]),
        ("spec.json", ("identity", "protocol", "steps"), 10**15),
        ("spec.json", ("data",), {}),
        ("result.json", ("test", "accuracy"), 10**400),
        ("result.json", ("selection", "value"), []),
        ("result.json", ("selection", "stopped"), 3),
    ],
)
def test_a_value_of_another_kind(tmp_path, name, place, value):
    folder = write_run(tmp_path / "runs")
    edited(folder, name, place, value)
    found = verify(tmp_path / "runs", tmp_path)
    assert found.wrong
    assert len(found.runs) == 1


@pytest.mark.parametrize("option", ["root", "Root"])
def test_no_path_that_a_run_names_is_followed(tmp_path, option):
    (tmp_path / "private" / "letters").mkdir(parents=True)
    (tmp_path / "private" / "letters" / "to-ann.png").write_bytes(b"")
    options = {option: str(tmp_path / "private")}
    write_run(tmp_path / "runs", dataset="image-folder", options=options)
    said = sentences(verify(tmp_path / "runs", tmp_path), "unchecked")
    assert "letters" not in said
    assert "data not here" in said
    with pytest.raises(UsageError, match="0 runs can be trained here"):
        verify(tmp_path / "runs", tmp_path, Again(1, None, "cpu", tmp_path))


def test_places_of_rows_are_not_believed_and_those_of_own_runs_are(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "runs")
    asked = []
    monkeypatch.setattr(module, "check_specification", lambda run, _: asked.append(run.asked))
    write_rows(read_folders(tmp_path / "runs"), tmp_path / "rows.jsonl")
    row = json.loads((tmp_path / "rows.jsonl").read_text())
    row["spec"]["places"] = {"root": "/home/ann"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    edited(folder, "spec.json", ("places",), {"root": "/home/me"})
    for source in ("rows.jsonl", "runs"):
        verify(tmp_path / source, tmp_path)
    assert [one.places for one in asked] == [{}, {"root": "/home/me"}]


def test_a_log_that_goes_on_for_ever(tmp_path):
    folder = write_run(tmp_path / "runs")
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"stage": "erm", "step": 1e299}) + "\n")
    assert "log.jsonl is of another protocol" in sentences(verify(tmp_path / "runs", tmp_path))


def test_a_method_that_is_not_installed_is_not_checked_and_hinders_nothing(tmp_path):
    folder = write_run(tmp_path / "runs", algo="theirs", steps=300)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 300
    edited(folder, "spec.json", ("identity", "protocol", "eval_every"), lines[0]["step"])
    found = verify(tmp_path / "runs", tmp_path)
    assert "its plugins were not checked: there is no algorithm" in sentences(found, "unchecked")
    assert "of another protocol" not in sentences(found)
