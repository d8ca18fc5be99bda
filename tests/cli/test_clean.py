"""``ltbench clean``."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from synthetic_runs import write_run

from ltbench.cli.clean import clean
from ltbench.errors import LtbenchError, UsageError
from ltbench.results import cleaning
from ltbench.results.claim import acquire
from ltbench.results.folder import LOGITS
from ltbench.results.states import read_states

sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
from standing import abandon, holder, plan

DEAD = 2**22 + 5


def call(*arguments: object, answer: str = "") -> Result:
    words = list(map(str, arguments))
    result = CliRunner().invoke(clean, words, input=answer, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def left(root: Path) -> dict[str, str]:
    return {f"{run.algo} {run.seed}": run.status for run in read_states(root).runs}


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.name[0] != "."}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    write_run(root, arrays=False)
    write_run(root, algo="boda", seed=0, error="failed")
    write_run(root, algo="boda", seed=1, error="diverged")
    begun = write_run(root, algo="brl", finished=False)
    (begun / "checkpoint").mkdir()
    (begun / "checkpoint" / "latest.pt").write_bytes(bytes(2_500_000))
    abandon(begun)
    return root


def test_it_lists_asks_and_removes_what_did_not_end_well(runs):
    result = call(runs, answer="y\n")
    assert "1 failed run, 0.0 MB" in result.stdout
    assert "1 broken off run, 2.5 MB" in result.stdout
    assert "In all 2.5 MB." in result.stdout
    assert "Remove it? [y/N]" in result.stdout
    assert "Removed 3, 2.5 MB." in result.stdout
    assert left(runs) == {"erm 0": "done"}
    assert not list(runs.rglob("boda*")), "empty folders go too"


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_without_a_yes_nothing_is_removed(runs, answer):
    before = files(runs)
    assert "Nothing was removed." in call(runs, answer=answer).stdout
    assert files(runs) == before
    result = CliRunner().invoke(clean, [str(runs)], input="")
    assert result.exit_code == 1
    assert files(runs) == before


def test_a_dry_run_removes_nothing(runs):
    before = files(runs)
    assert "Removed" not in call(runs, "--dry-run", "--yes").stdout
    assert files(runs) == before


def test_filters_leave_the_rest(runs):
    call(runs, "--status", "diverged", "--yes")
    assert left(runs) == {"erm 0": "done", "boda 0": "failed", "brl 0": "broken-off"}
    call(runs, "--algo", "brl", "--yes")
    assert left(runs) == {"erm 0": "done", "boda 0": "failed"}
    with pytest.raises(UsageError, match="--dataset nowhere"):
        call(runs, "--dataset", "nowhere")
    with pytest.raises(UsageError, match="'done' is none of"):
        call(runs, "--status", "done")


def test_done_runs_go_only_when_told(runs):
    call(runs, "--yes")
    assert left(runs) == {"erm 0": "done"}
    call(runs, "--done", "--yes")
    assert left(runs) == {}


def test_checkpoints_of_done_runs_go_only_when_told(runs):
    best = next(runs.rglob("erm/*/seed-0")) / "checkpoint" / "best.pt"
    best.parent.mkdir()
    best.write_bytes(bytes(1_000_000))
    call(runs, "--yes")
    assert best.exists()
    assert "1 checkpoint, 1.0 MB" in call(runs, "--checkpoints", "--yes").stdout
    assert not best.parent.exists()
    assert left(runs) == {"erm 0": "done"}


def test_temporary_files_and_stale_claims_go(runs):
    done = next(runs.rglob("erm/*/seed-0"))
    (done / ".predictions.npz.x1y2.tmp").write_bytes(b"half")
    (done / "checkpoint").mkdir()
    (done / "checkpoint" / ".best.pt.x1y2.tmp").write_bytes(b"half")
    abandon(done)
    before = files(done)
    result = call(runs, "--yes")
    assert "1 temporary file" in result.stdout
    assert "1 stale claim" in result.stdout
    assert not list(done.rglob(".*.tmp"))
    assert files(done) == before - {"claim"}


def test_a_running_run_is_not_touched(runs):
    folder = next(runs.rglob("boda/*/seed-0"))
    process = holder(folder)
    try:
        before = files(folder)
        call(runs, "--done", "--checkpoints", "--yes")
        assert files(folder) == before
        assert left(runs) == {"boda 0": "running"}
    finally:
        process.kill()
        process.wait()


def test_a_run_that_starts_after_the_look_is_not_touched(runs, monkeypatch):
    folder = next(runs.rglob("boda/*/seed-0"))
    started = []
    find = cleaning.find_drafts

    def find_and_start(root):
        started.append(holder(folder))
        return find(root)

    monkeypatch.setattr(cleaning, "find_drafts", find_and_start)
    with pytest.raises(LtbenchError, match="1 of 3 could not be removed"):
        call(runs, "--yes")
    started[0].kill()
    started[0].wait()
    assert left(runs) == {"erm 0": "done", "boda 0": "failed"}


def test_a_run_that_was_done_meanwhile_stays(runs, monkeypatch):
    folder = next(runs.rglob("boda/*/seed-0"))
    find = cleaning.find_drafts

    def find_and_finish(root):
        done = next(runs.rglob("erm/*/seed-0")) / "result.json"
        (folder / "result.json").write_bytes(done.read_bytes())
        return find(root)

    monkeypatch.setattr(cleaning, "find_drafts", find_and_finish)
    with pytest.raises(LtbenchError, match="1 of 3 could not be removed"):
        call(runs, "--yes")
    assert (folder / "result.json").exists()
    assert (folder / "spec.json").exists()


def test_links_are_not_followed(runs, tmp_path):
    treasure = tmp_path / "treasure"
    elsewhere = write_run(treasure, algo="boda", error="failed")
    (treasure / "gold").write_text("gold")
    failed = next(runs.rglob("boda/*/seed-0"))
    (failed / "link").symlink_to(treasure, target_is_directory=True)
    (failed / "checkpoint").symlink_to(treasure, target_is_directory=True)
    (runs / "linked").symlink_to(treasure, target_is_directory=True)
    other = failed.with_name("seed-7")
    other.symlink_to(elsewhere, target_is_directory=True)
    done = next(runs.rglob("erm/*/seed-0"))
    (done / "checkpoint").symlink_to(treasure, target_is_directory=True)
    (done / ".x.tmp").symlink_to(treasure / "gold")
    before = files(treasure)
    call(runs, "--checkpoints", "--yes")
    assert (done / "checkpoint").is_symlink()
    call(runs, "--done", "--yes")
    assert files(treasure) == before
    assert not failed.exists()


def test_what_is_no_run_is_not_touched(runs, tmp_path):
    foreign = runs / "jasmine"
    foreign.mkdir()
    (foreign / "spec.json").write_text("{}")
    moved = runs / "mine"
    next(runs.rglob("boda/*/seed-0")).rename(moved)  # a run by content, but not by name
    call(runs, "--done", "--yes")
    assert files(runs) == {"jasmine", "jasmine/spec.json", "mine", "mine/spec.json",
                           "mine/log.jsonl", "mine/error.json"}  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds no runs"):
        call(empty, "--done", "--yes")
    with pytest.raises(UsageError, match="there is no folder"):
        call(tmp_path / "nowhere")


def test_an_unreadable_run_is_listed_as_such_with_the_reason_and_removed(runs):
    torn = next(runs.rglob("erm/*/seed-0"))
    (torn / "result.json").write_text('{"test":')
    moved = runs / "mine"
    shutil.copytree(torn, moved)
    (torn / "notes.txt").write_text("of the run's folder")
    listed = call(runs, "--status", "unreadable", "--dry-run").stdout
    assert "1 unreadable run, 0.0 MB" in listed
    assert "result.json is not JSON" in listed
    assert "mine" not in listed
    call(runs, "--status", "failed,diverged", "--yes")
    assert torn.exists()
    call(runs, "--algo", "brl", "--yes")  # whose it is nobody knows
    assert torn.exists()
    (found,) = json.loads(call(runs, "--json", "--yes").stdout)["found"]
    assert (found["kind"], found["path"]) == ("unreadable run", str(torn))
    assert "result.json is not JSON" in found["detail"]
    assert not torn.exists()
    assert not torn.parent.exists()
    assert moved.exists()


def test_an_unreadable_run_that_is_held_or_was_mended_stays(runs, monkeypatch):
    torn = next(runs.rglob("erm/*/seed-0"))
    whole = (torn / "result.json").read_bytes()
    (torn / "result.json").write_bytes(whole[:100])
    with acquire(torn):
        assert "unreadable run" not in call(runs, "--status", "unreadable", "--dry-run").stdout
    find = cleaning.find_drafts

    def find_and_mend(root):
        (torn / "result.json").write_bytes(whole)
        return find(root)

    monkeypatch.setattr(cleaning, "find_drafts", find_and_mend)
    with pytest.raises(LtbenchError, match="1 of 2 could not be removed"):
        call(runs, "--status", "unreadable", "--yes")
    assert (torn / "result.json").read_bytes() == whole


def test_one_run_can_be_named(runs):
    call(next(runs.rglob("boda/*/seed-0")), "--yes")
    assert left(runs) == {"erm 0": "done", "boda 1": "diverged", "brl 0": "broken-off"}


def test_what_is_removed_is_not_said_to_wait(runs):
    begun = next(runs.rglob("brl/*/seed-0"))
    name = str(begun.relative_to(runs))
    record = plan(runs, [name], pid=DEAD, host=platform.node())
    call(runs, "--yes")
    assert not record.exists()
    assert left(runs) == {"erm 0": "done"}


def test_what_was_not_begun_is_forgotten_only_when_told(runs):
    record = plan(runs, ["d/erm/abc/seed-0"], pid=DEAD, host=platform.node())
    call(runs, "--yes")
    assert record.exists()
    call(runs, "--plans", "--yes")
    assert not record.exists()
    alive = plan(runs, ["d/erm/abc/seed-0"], pid=os.getpid(), host=platform.node())
    call(runs, "--plans", "--yes")
    assert alive.exists()


@pytest.mark.parametrize("option", ["--tuning", "--plans"])
@pytest.mark.parametrize("which", [("--algo", "boda"), ("--dataset", "digits-mini-mlt")])
def test_what_is_of_all_methods_is_not_removed_for_some(runs, option, which):
    write_run(runs / ".tuning", algo="brl", arrays=False)
    plan(runs, ["d/erm/abc/seed-0"], pid=DEAD, host=platform.node())
    before = files(runs)
    with pytest.raises(UsageError, match=f"^{option} is about all methods and data sets: leave"):
        call(runs, option, *which, "--yes")
    assert files(runs) == before


def test_tuning_goes_only_when_told_and_not_while_at_work(runs):
    trial = write_run(runs / ".tuning", algo="brl", arrays=False)
    begun = write_run(runs / ".tuning", algo="brl", seed=1, finished=False)
    call(runs, "--done", "--yes")
    assert trial.exists()
    process = holder(begun)
    try:
        call(runs, "--tuning", "--yes")
        assert trial.exists()
    finally:
        process.kill()
        process.wait()
    assert "1 tuning folder" in call(runs, "--tuning", "--yes").stdout
    assert not (runs / ".tuning").exists()


def test_json_says_what_became_of_everything(runs):
    with pytest.raises(UsageError, match="--json cannot ask"):
        call(runs, "--json")
    planned = json.loads(call(runs, "--json", "--dry-run").stdout)["found"]
    assert {entry["removed"] for entry in planned} == {False}
    found = json.loads(call(runs, "--json", "--yes").stdout)["found"]
    assert {entry["detail"] for entry in found} == {"failed", "diverged", "broken-off"}
    assert {entry["removed"] for entry in found} == {True}


def test_two_at_once_leave_nothing_behind(runs):
    for seed in range(20):
        write_run(runs, algo="many", seed=seed, error="failed")
    problems: list[BaseException] = []

    def work() -> None:
        try:
            clean.main([str(runs), "--yes"], standalone_mode=False)
        except LtbenchError:
            pass  # the other one had it first
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    call(runs, "--yes")
    assert left(runs) == {"erm 0": "done"}


@pytest.fixture
def stage(runs: Path) -> Path:
    """A first stage that runs of the same data set share, with what a dead process left there."""
    folder = runs / ".stages" / "digits-mini-mlt" / "0123456789ab" / "seed-0"
    folder.mkdir(parents=True)
    (folder / "abc.pt").write_bytes(bytes(1_500_000))
    (folder / ".abc.pt.123.tmp").write_bytes(bytes(700_000))
    return folder


def test_first_stages_go_with_checkpoints_only_and_what_was_left_there_always(runs, stage):
    assert "1 temporary file, 0.7 MB" in call(runs, "--yes").stdout
    assert [path.name for path in stage.iterdir()] == ["abc.pt"]
    assert "first stage" not in call(runs, "--checkpoints", "--algo", "erm", "--dry-run").stdout
    result = call(runs, "--checkpoints", "--yes")
    assert "1 first stage, 1.5 MB" in result.stdout
    assert not (runs / ".stages").exists()


def test_a_first_stage_that_is_trained_now_stays(runs, stage):
    with acquire(stage):
        assert "first stage" not in call(runs, "--checkpoints", "--dry-run").stdout
    assert (stage / "abc.pt").exists()
    abandon(stage)
    result = call(runs, "--yes")
    assert "1 stale claim" in result.stdout
    assert [path.name for path in stage.iterdir()] == ["abc.pt"]


def test_no_link_is_followed_to_first_stages(runs, stage, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (runs / ".stages").rename(elsewhere)
    (runs / ".stages").symlink_to(elsewhere)
    call(runs, "--checkpoints", "--yes")
    assert list(elsewhere.rglob("abc.pt"))


def test_logits_of_done_runs_and_of_trials_go_only_when_told(tmp_path):
    root = tmp_path / "runs"
    done, other = write_run(root), write_run(root, algo="boda")
    trial = write_run(root / ".tuning", algo="boda", seed=1)
    begun = write_run(root, algo="brl", finished=False)
    (begun / LOGITS).write_bytes(b"half")
    call(root, "--yes", "--status", "failed")
    assert (done / LOGITS).exists()
    listed = call(root, "--logits", "--dry-run", "--status", "failed").stdout
    assert "3 logits files" in listed
    assert (done / LOGITS).exists()
    call(root, "--logits", "--yes", "--algo", "erm", "--status", "failed")
    assert [p.exists() for p in (done / LOGITS, other / LOGITS)] == [False, True]
    call(root, "--logits", "--yes", "--status", "failed")
    assert not any((folder / LOGITS).exists() for folder in (done, other, trial))
    assert (begun / LOGITS).exists(), "whoever goes on writes it anew"
    assert (done / "predictions.npz").exists()
    assert left(root) == {"erm 0": "done", "boda 0": "done", "brl 0": left(root)["brl 0"]}


def test_logits_of_a_run_that_somebody_works_on_stay(tmp_path):
    folder = write_run(tmp_path)
    process = holder(folder)
    try:
        call(tmp_path, "--logits", "--yes")
        assert (folder / LOGITS).exists()
    finally:
        process.kill()
        process.wait()
