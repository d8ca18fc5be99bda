"""``ltbench retry``, with real runs on a tiny data set."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ltbench.cli.retry import retry
from ltbench.errors import LtbenchError, UsageError
from ltbench.results.run import RunSpec

ON_TINY = ("--dataset", "tiny-mlt", "--precision", "fp32", "--seeds", "1", "--jobs", "1", "-q",
           "--no-leaderboard")  # fmt: skip


def ltbench(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ltbench", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=240, env=os.environ,
    )  # fmt: skip


def plan(*words: object) -> list[dict[str, Any]]:
    """Return what would be run."""
    arguments = [*map(str, words), "--dry-run", "--json"]
    result = CliRunner().invoke(retry, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def edit(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **changes}))


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """A run that raised, one that diverged, and one that ran out of time."""
    out = tmp_path_factory.mktemp("ended") / "runs"
    algos = "misbehave,misbehave[how=nan]"
    assert ltbench("run", "--algo", algos, *ON_TINY, "--out", out).returncode == 1
    slow = ("--algo", "misbehave[how=slow]", "--steps", 60)
    timed = ltbench("run", *slow, *ON_TINY, "--out", out, "--timeout", "2")
    assert timed.returncode == 1, timed.stderr
    return out


@pytest.fixture
def runs(ended: Path, tmp_path: Path) -> Path:
    shutil.copytree(ended, tmp_path / "runs")
    return tmp_path / "runs"


def folder_of(runs: Path, label: str) -> Path:
    specs = runs.rglob("spec.json")
    return next(path.parent for path in specs if json.loads(path.read_text())["label"] == label)


def test_it_takes_what_failed_or_diverged(runs):
    labels = {"misbehave", "misbehave[how=nan]", "misbehave[how=slow]"}
    assert {run["label"] for run in plan(runs)} == labels
    assert {run["label"] for run in plan(runs, "--status", "diverged")} == {"misbehave[how=nan]"}
    assert [run["label"] for run in plan(runs, "--algo", "misbehave[how=slow]")] == [
        "misbehave[how=slow]"
    ]
    assert len(plan(runs, "--dataset", "tiny-mlt", "--algo", "misbehave")) == 3
    assert [run["label"] for run in plan(folder_of(runs, "misbehave"))] == ["misbehave"]


def test_a_run_that_failed_goes_on_and_ends_as_if_nothing_had_happened(runs, tmp_path):
    folder = folder_of(runs, "misbehave[how=slow]")
    before = (folder / "log.jsonl").read_text()
    assert "--timeout" in json.loads((folder / "error.json").read_text())["error"]
    done = ltbench("retry", runs, "--algo", "misbehave[how=slow]", "--jobs", 1, "-q")
    assert done.returncode == 0, done.stderr
    assert not (folder / "error.json").exists()
    assert (folder / "log.jsonl").read_text().startswith(before), "it went on, and began not anew"
    quiet = tmp_path / "quiet"
    slow = ("--algo", "misbehave[how=slow]", "--steps", 60)
    assert ltbench("run", *slow, *ON_TINY, "--out", quiet).returncode == 0
    same = quiet / folder.relative_to(runs) / "result.json"
    results = [json.loads(path.read_text()) for path in (folder / "result.json", same)]
    for name in ("test", "domains", "val", "selection", "confusion", "hash"):
        assert results[0][name] == results[1][name]


def test_a_run_that_diverged_starts_from_scratch(runs):
    folder = folder_of(runs, "misbehave[how=nan]")
    log = (folder / "log.jsonl").read_text()
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"stage": "left over", "step": 1}\n')
    edit(folder / "error.json", error="an old reason")
    again = ltbench("retry", runs, "--status", "diverged", "--jobs", 1)
    assert again.returncode == 1
    assert "diverged: misbehave[how=nan] seed 0: the mean loss" in again.stdout
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == [json.loads(line)["step"] for line in log.splitlines()]
    assert "the mean loss" in json.loads((folder / "error.json").read_text())["error"]


def test_an_error_stays_until_the_run_starts(runs):
    errors = sorted(runs.rglob("error.json"))
    plan(runs)
    assert sorted(runs.rglob("error.json")) == errors


def test_a_broken_off_run_goes_on_when_told(runs):
    folder = folder_of(runs, "misbehave[how=slow]")
    (folder / "error.json").unlink()
    assert "misbehave[how=slow]" not in {run["label"] for run in plan(runs)}
    assert [run["label"] for run in plan(runs, "--status", "broken-off")] == ["misbehave[how=slow]"]


def test_done_runs_and_empty_folders_have_nothing_to_retry(runs, tmp_path):
    result = CliRunner().invoke(retry, [str(runs), "--status", "broken-off"])
    assert (result.exit_code, result.stdout) == (0, "There is nothing to retry.\n")
    assert "cannot be read" not in result.stderr
    some = next(runs.rglob("spec.json")).parent
    torn = tmp_path / "torn" / "0123456789ab" / "seed-0"
    shutil.copytree(some, torn)
    (torn / "result.json").write_text('{"test":')
    result = CliRunner().invoke(retry, [str(tmp_path / "torn")])
    assert result.stdout == "There is nothing to retry.\n"
    assert f"; `ltbench clean {torn}` removes it" in result.stderr
    with pytest.raises(UsageError, match="there is no folder"):
        plan(tmp_path / "nowhere")


def respecify(folder: Path, **identity: Any) -> Path:
    """Write another identity into a run, at the place that fits it."""
    document = json.loads((folder / "spec.json").read_text())
    document["identity"].update(identity)
    spec = RunSpec.from_dict(document)
    place = spec.folder(folder.parents[3])
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    (place / "spec.json").write_text(json.dumps(spec.as_dict()))
    return place


def test_other_images_than_it_was_planned_with_are_refused(runs):
    folder = folder_of(runs, "misbehave")
    dataset = json.loads((folder / "spec.json").read_text())["identity"]["dataset"]
    place = respecify(folder, dataset={**dataset, "split": "0" * 64})
    with pytest.raises(UsageError, match="images of tiny-mlt are no longer those"):
        plan(place)


def test_other_plugins_than_it_was_planned_with_are_refused(runs):
    place = respecify(folder_of(runs, "misbehave"), plugins={"tiny-mlt": "0.9"})
    with pytest.raises(UsageError, match=r"tiny-mlt was 0\.9 when the run was planned"):
        plan(place)


def test_a_run_that_lies_elsewhere_is_refused(runs):
    folder = folder_of(runs, "misbehave")
    folder.rename(folder.with_name("seed-5"))
    with pytest.raises(UsageError, match="is not where this version of ltbench would put"):
        plan(folder.with_name("seed-5"))


def test_a_specification_with_a_hole_is_refused(runs):
    folder = folder_of(runs, "misbehave")
    document = json.loads((folder / "spec.json").read_text())
    del document["identity"]["precision"]
    (folder / "spec.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="does not hold the specification of a run"):
        plan(folder)


def test_a_plugin_that_is_gone_is_named(runs):
    folder = folder_of(runs, "misbehave")
    place = respecify(folder, algorithm={"name": "gone", "hparams": {}})
    with pytest.raises(LtbenchError, match="'gone'"):
        plan(place)


def test_the_checkpoint_that_runs_started_from_must_be_given(runs, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"some weights")
    sha = "4d4d5d3e6b5b8f5f" * 4
    backbone = {"name": "digits-cnn", "pretrained": False, "weights": sha}
    place = respecify(folder_of(runs, "misbehave"), backbone=backbone)
    with pytest.raises(UsageError, match="give it by --weights"):
        plan(place)
    with pytest.raises(UsageError, match="is not what the run started from"):
        plan(place, "--weights", weights)


def test_the_checkpoint_that_runs_name_is_taken_where_it_is_the_same(runs, tmp_path):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"some weights")
    backbone = {
        "name": "digits-cnn",
        "pretrained": False,
        "weights": hashlib.sha256(b"some weights").hexdigest(),
    }
    place = respecify(folder_of(runs, "misbehave"), backbone=backbone)
    document = json.loads((place / "spec.json").read_text())
    (place / "spec.json").write_text(json.dumps({**document, "weights_file": str(weights)}))
    assert len(plan(place)) == 1
    weights.write_bytes(b"other weights")
    with pytest.raises(UsageError, match="give it by --weights"):
        plan(place)


def test_runs_of_several_folders_are_one_command_each(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "more")
    with pytest.raises(UsageError, match="name one of these folders at a time"):
        plan(runs, tmp_path / "more")
