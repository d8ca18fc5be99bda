"""What was checked becomes rows, and boards show how far; the commands say it all."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))

from ltbench.cli.submit import submit
from ltbench.cli.verify import verify
from ltbench.errors import UsageError
from ltbench.report.badges import badge_text
from ltbench.report.document import rows_frame
from ltbench.report.leaderboard import load_content, render
from ltbench.report.merging import merge
from ltbench.results.rows import read_rows


def call(command, *words):
    return CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False)


@pytest.fixture
def rows(archive, tmp_path) -> Path:
    result = call(verify, archive, "-o", tmp_path / "rows.jsonl")
    assert result.exit_code == 0, result.output
    return tmp_path / "rows.jsonl"


def test_rows_carry_badge_and_origin_and_no_date(rows):
    found = list(read_rows(rows))
    assert len(found) == 6
    assert {(row["badge"], row["origin"]) for row in found} == {("recomputed", "Ada")}
    assert all(len(row["logits_sha256"]) == 64 and "date" not in row for row in found)


@pytest.mark.parametrize("format", ["terminal", "markdown", "html", "latex"])
def test_a_board_shows_them(rows, runs, format):
    text = " ".join(render(rows, format=format).split())
    assert "recomputed" in text
    assert "metrics computed again from logits" in text
    assert "Handed in by Ada (" in text
    assert "Handed in" not in render(runs, format=format)


def test_programs_find_them_and_own_runs_have_none(rows, runs):
    frame = rows_frame(load_content(rows))
    assert set(frame["badge"]) == {"recomputed"}
    assert set(frame["origin"]) == {"Ada"}
    assert "badge" not in rows_frame(load_content(runs))
    assert "badges" not in render(runs, format="json")
    assert json.loads(render(rows, format="json"))["tables"][0]["rows"][0]["badges"]


def test_own_runs_beside_those_that_were_handed_in(rows, runs, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(next(runs.glob("*/bsoftmax")), own / "tiny-mlt" / "bsoftmax")
    lines = [line for line in rows.read_bytes().splitlines(True) if b'"bsoftmax"' not in line]
    rows.write_bytes(b"".join(lines))
    frame = rows_frame(load_content([own, rows])).set_index("method")
    assert frame.loc["bsoftmax", "badge"] == "own"
    assert frame.loc["erm", "badge"] == "recomputed"


def test_rows_with_an_origin_and_no_badge_are_claimed(rows, runs, tmp_path):
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    for line in lines:
        if line["spec"]["label"] == "erm":
            del line["badge"]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    frame = rows_frame(load_content(rows)).set_index("method")
    assert frame.loc["erm", "badge"] == "claimed"


def test_a_row_of_several_badges():
    from collections import Counter

    assert badge_text(Counter({"recomputed": 4, "re-run": 1})) == "1 re-run, 4 recomputed"


def test_a_submission_may_be_joined_as_claimed(archive, rows):
    lines = [line for line in rows.read_bytes().splitlines(True) if b'"bsoftmax"' in line]
    rows.write_bytes(b"".join(lines))
    found = merge([rows, archive])
    assert len(found.records) == 6
    assert "2 runs lie in" in " ".join(found.said)


def test_rows_without_logits_stay_claimed(rows):
    result = call(verify, rows, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert {run["badge"] for run in document["runs"]} == {"claimed"}
    assert any("no logits were handed in" in f["text"] for f in document["findings"])
    assert document["cannot_be_detected"]


def test_rows_are_not_trained_again_and_it_says_why(rows):
    with pytest.raises(UsageError, match="nothing here has logits, as rows of a board have none"):
        call(verify, rows, "--rerun")


def test_a_file_of_something_else_is_no_folder_that_is_missing(tmp_path):
    (tmp_path / "o.txt").write_text("{}")
    with pytest.raises(UsageError, match="is a file: name a folder that holds runs, or a"):
        call(verify, tmp_path / "o.txt")


def test_an_edited_row_is_found(rows):
    content = [json.loads(line) for line in rows.read_text().splitlines()]
    content[0]["result"]["test"]["macro_f1_average"] += 1e-4
    rows.write_text("".join(json.dumps(row) + "\n" for row in content))
    result = call(verify, rows)
    assert result.exit_code == 1
    assert "other metrics than its answers give: macro_f1_average is" in result.stdout


def test_the_commands_from_runs_to_verdict(runs, tmp_path):
    path = tmp_path / "s.zip"
    result = call(submit, runs, "-o", path, "--by", "Ada", "--algo", "bsoftmax")
    assert result.exit_code == 0, result.output
    assert f"Wrote {path}: 2 runs" in result.stdout
    assert "Left as it is: result.json: the system and the device" in result.stderr
    result = call(verify, path)
    assert result.exit_code == 0, result.output
    assert "Handed in by Ada: 2 runs" in result.stdout
    assert "bsoftmax on tiny-mlt seed 1  recomputed" in result.stdout
    assert "Nothing is wrong with 2 of 2 runs. What cannot be detected:" in result.stdout
    assert "Training on test images" in result.stdout


def test_what_is_wrong_gets_no_row_and_exit_code_1(members, check, tmp_path, archive):
    at = next(m for m in members if "/bsoftmax/" in m and m.endswith("seed-0/result.json"))
    result = json.loads(members[at])
    result["test"]["accuracy"] = 1.0
    members[at] = json.dumps(result).encode()
    assert check(members).wrong
    ran = call(verify, tmp_path / "edited.zip", "-o", tmp_path / "rows.jsonl")
    assert ran.exit_code == 1
    assert "Wrong: bsoftmax on tiny-mlt seed 0: result.json holds other metrics" in ran.stdout
    assert "5 of 6 runs" in ran.stderr
    assert len(list(read_rows(tmp_path / "rows.jsonl"))) == 5


def test_bad_words_are_refused(runs, archive, tmp_path):
    with pytest.raises(UsageError, match="end its name in that"):
        call(verify, archive, "-o", tmp_path / "rows.csv")
    with pytest.raises(UsageError, match="holds the unprintable character"):
        call(submit, runs, "-o", tmp_path / "s.zip", "--by", "A\nB")
    with pytest.raises(UsageError, match="--algo 'eerm' matches no run here"):
        call(submit, runs, "-o", tmp_path / "s.zip", "--algo", "eerm")
