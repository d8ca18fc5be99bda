"""A board's rows make the tables of its runs, and nothing else is taken for rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.leaderboard import leaderboard
from ltbench.cli.run import run
from ltbench.errors import DataError, UsageError
from ltbench.results.documents import read_predictions
from ltbench.results.folders import read_folders
from ltbench.results.index import index_file
from ltbench.results.rows import about_row, known_runs, opened, read_rows, write_rows


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed in range(3):
        for algo, skill in (("erm", 0.6), ("bsoftmax", 0.8)):
            write_run(tmp_path / "runs", algo=algo, seed=seed, skill=skill)
    write_run(tmp_path / "runs", seed=3, error="diverged")
    return tmp_path / "runs"


def shown(*words: str | Path) -> str:
    result = CliRunner().invoke(leaderboard, [str(word) for word in words])
    assert result.exit_code == 0, result.exception or result.output
    return result.stdout


@pytest.fixture
def rows(runs: Path, tmp_path: Path) -> Path:
    shown(runs, "-o", tmp_path / "board.jsonl")
    return tmp_path / "board.jsonl"


@pytest.mark.parametrize("format_", ["terminal", "markdown", "csv", "json"])
def test_the_table_of_rows_is_that_of_the_runs(runs, rows, format_):
    # Those that failed have no rows.
    again = shown(rows, "--format", format_, "--resamples", "50")
    done = sorted(folder.parent for folder in runs.glob("**/result.json"))
    assert again == shown(*done, "--format", format_, "--resamples", "50")
    assert "bsoftmax" in again


def test_rows_hold_each_image_and_the_digest_of_the_logits(runs, rows):
    of_run = {(r.hash, r.seed): Path(r.path) for r in read_folders(runs)}
    found = read_folders(rows)
    assert len(found) == 6
    for record in found:
        folder = of_run[record.hash, record.seed]
        there, here = read_predictions(folder), read_predictions(Path(record.path))
        for name in ("class", "domain", "prediction"):
            assert np.array_equal(there[name], here[name])
        assert len(about_row(Path(record.path))["logits_sha256"]) == 64
    assert not index_file(opened(rows)).exists()


@pytest.mark.parametrize("words", [("--format", "csv"), ("--cost",), ("--metrics", "accuracy")])
def test_what_rows_have_not_is_refused(runs, tmp_path, words):
    with pytest.raises(UsageError, match=f"no table: leave out {words[0]}, or name another"):
        CliRunner().invoke(
            leaderboard,
            [str(runs), "-o", str(tmp_path / "b.jsonl"), *words],
            catch_exceptions=False,
        )
    assert not (tmp_path / "b.jsonl").exists()


def test_rows_of_rows_are_the_same_and_join_further_runs(rows, tmp_path):
    write_run(tmp_path / "more", seed=7)
    shown(rows, "-o", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == rows.read_bytes()
    shown(rows, tmp_path / "more", "-o", rows)
    assert len(known_runs(rows)) == 7
    assert set((tmp_path / "again.jsonl").read_text().splitlines()) < set(
        rows.read_text().splitlines()
    )


def test_rows_without_a_day_get_none_when_they_are_written_again(rows, tmp_path):
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    for line in lines:
        del line["date"]
        line |= {"badge": "recomputed", "origin": "Ada"}
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown(rows, "-o", tmp_path / "again.jsonl")
    assert list(read_rows(tmp_path / "again.jsonl")) == lines


def edited(rows: Path, **more: str) -> list[dict[str, object]]:
    """Give each row of a file a day of last year, and what more is said of it."""
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    lines = [{**line, "date": "2025-01-02", **more} for line in lines]
    if more:  # rows of others have no day
        for line in lines:
            del line["date"]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines


def trained_again(runs: Path) -> Path:
    """Let a run have been trained once more, which took another time."""
    path = next(runs.glob("*/erm/*/seed-0/result.json"))
    result = json.loads(path.read_text())
    result["timings"]["total_s"] += 1.5
    path.write_text(json.dumps(result))
    return path.parent


@pytest.mark.parametrize("more", [{}, {"badge": "recomputed", "origin": "Ada"}])
def test_rows_of_runs_that_are_there_once_more_stay_as_they_are(rows, runs, more):
    lines = edited(rows, **more)
    write_run(runs, algo="focal")
    for places in ((rows, runs), (runs, rows)):
        shown(*places, "-o", rows)
        found = list(read_rows(rows))
        assert [line for line in found if line in lines] == lines
        assert len(found) == 7


def test_a_run_that_was_trained_again_has_its_own_row_and_day(rows, runs):
    lines = edited(rows)
    trained_again(runs)
    shown(rows, runs, "-o", rows)
    found = list(read_rows(rows))
    (new,) = (line for line in found if line not in lines)
    assert new["date"] != "2025-01-02"
    assert new["result"]["timings"] != lines[0]["result"]["timings"]
    assert len(found) == len(lines)


def test_a_row_that_was_handed_in_stays_where_results_differ_and_it_says_so(rows, runs, tmp_path):
    lines = edited(rows, badge="recomputed", origin="Ada")
    folder = trained_again(runs)
    found = CliRunner().invoke(leaderboard, [str(rows), str(runs), "-o", str(rows)])
    assert list(read_rows(rows)) == lines
    assert (
        "erm on digits-mini-mlt seed 0: the row that stays was handed in by Ada, and "
        f"{folder} has other results."
    ) in found.stderr
    assert found.stderr.count("the row that stays") == 1


def test_of_two_files_the_row_that_was_handed_in_counts(rows, tmp_path):
    own = tmp_path / "own.jsonl"
    own.write_bytes(rows.read_bytes())
    lines = edited(rows, badge="recomputed", origin="Ada")
    shown(own, rows, "-o", tmp_path / "both.jsonl")
    assert list(read_rows(tmp_path / "both.jsonl")) == lines


def test_where_files_lay_on_a_machine_is_left_out(tmp_path):
    folder = write_run(tmp_path / "runs")
    spec = json.loads((folder / "spec.json").read_text())
    spec |= {"places": {"root": "/home/ann/moths"}, "weights_file": "/home/ann/w.pt"}
    (folder / "spec.json").write_text(json.dumps(spec))
    write_rows(read_folders(tmp_path / "runs"), tmp_path / "b.jsonl")
    assert "/home/ann" not in (tmp_path / "b.jsonl").read_text()


@pytest.mark.parametrize("name", ["spec", "result"])
def test_a_number_that_is_not_finite_gets_no_row(runs, tmp_path, name):
    file = next(runs.rglob("result.json")).with_name(f"{name}.json")
    document = {**json.loads(file.read_text()), "note": 12345.5}
    file.write_text(json.dumps(document).replace("12345.5", "1e999"))
    with pytest.raises(DataError, match=f"{file.parent}: its spec.json or result.json holds a num"):
        write_rows(read_folders(runs), tmp_path / "b.jsonl")
    assert not (tmp_path / "b.jsonl").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-20], "line 6 is torn"),
        (lambda text: text.replace('"format":1,"logits', '"format":2,"logits', 1), "format 2"),
        (lambda text: text + "[1, 2]\n", "line 7 is torn or no JSON object"),
        (lambda text: '{"format":1,"spec":[]}\n' + text, "line 1 lacks 'spec'"),
        (lambda text: text.replace('"predictions":"UEs', '"predictions":"??', 1), "not base64"),
        (lambda text: "", "is empty"),
    ],
)
def test_what_is_no_file_of_rows_is_refused(rows, damage, said):
    text = rows.read_text()
    assert damage(text) != text
    rows.write_text(damage(text))
    with pytest.raises(DataError, match=said):
        read_folders(rows)


def test_an_edited_row_is_read_as_an_edited_run_is(rows):
    # What fits no format is a run that cannot be read, wherever it lies.
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    lines[0]["result"]["seed"] = 99
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [r.status for r in read_folders(rows)].count("unreadable") == 1


def test_a_row_whose_seed_is_none_is_no_known_run(tmp_path):
    rows = [{"format": 1, "spec": {"hash": "a", "seed": s}, "result": {}} for s in ([1], "1", 1)]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert known_runs(tmp_path / "b.jsonl") == {("a", 1)}


def test_runs_whose_rows_stand_in_a_file_are_not_planned_again(tmp_path):
    words = ["--algo", "erm,bsoftmax", "--dataset", "digits-mini-mlt", "--precision", "fp32"]
    words += ["--out", str(tmp_path / "runs"), "--rows", str(tmp_path / "board.jsonl"), "--dry-run"]

    def planned(seeds: str) -> list[dict]:
        result = CliRunner().invoke(run, [*words, "--seeds", seeds, "--json"])
        assert result.exit_code == 0, result.exception or result.output
        said.append(result.stderr)
        return json.loads(result.stdout)

    said: list[str] = []
    before = planned("2")
    assert "there is no file" in said[0]
    assert len(before) == 4
    rows = [
        {"format": 1, "spec": {"hash": one["hash"], "seed": one["seed"]}, "result": {}}
        for one in before
    ]
    (tmp_path / "board.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(list(read_rows(tmp_path / "board.jsonl"))) == 4
    assert [one["seed"] for one in planned("3")] == [2, 2]
    assert planned("2") == []
    trained = [word for word in words if word != "--dry-run"]
    result = CliRunner().invoke(run, [*trained, "--seeds", "2", "--json"])
    assert result.exit_code == 0, result.exception or result.output
    assert json.loads(result.stdout)["runs"] == []
