"""A dangling link, or a file that vanishes while one looks, hides no other run."""

from __future__ import annotations

import os

import pytest

from ltbench.results.index import read_runs
from ltbench.results.states import read_states
from ltbench.testing import write_run


@pytest.mark.parametrize("name", ["spec.json", "result.json", "error.json", "log.jsonl", "claim"])
@pytest.mark.parametrize("where", ["run", "between", "root"])
def test_a_dangling_link_hides_no_other_run(tmp_path, name, where):
    for seed in range(3):
        write_run(tmp_path, seed=seed)
    folders = sorted(path.parent for path in tmp_path.rglob("result.json"))
    folder = {"run": folders[0], "between": folders[0].parent, "root": tmp_path}[where]
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "nowhere")
    expected = {str(path) for path in folders}
    for _ in range(2):  # afresh, and from the index
        found = {record.path: record for record in read_runs(tmp_path)}
        assert found.keys() >= expected
        sound = [str(path) for path in folders if path != folder]
        assert {found[path].status for path in sound} == {"done"}
    assert {run.path for run in read_states(tmp_path).runs} >= expected


def test_a_file_that_vanishes_meanwhile_hides_no_other_run(tmp_path, monkeypatch):
    for seed in range(3):
        write_run(tmp_path, seed=seed)
    gone = sorted(path for path in tmp_path.rglob("result.json"))[1]
    scandir = os.scandir

    def vanishing(folder):
        entries = scandir(folder)
        if os.fspath(folder) == os.fspath(gone.parent):
            there = list(entries)
            gone.unlink()
            entries.close()
            return Entries(there)
        return entries

    class Entries(list):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("ltbench.results.index.os.scandir", vanishing)
    states = [record.status for record in read_runs(tmp_path)]
    assert states.count("done") == 2
    assert len(states) == 3
