"""The main job on a tiny data set, through the program itself."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

BASE = ("--dataset", "tiny-mlt", "--precision", "fp32", "--jobs", "1")


def start(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ltbench", "run", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def ltbench_run(*args: str) -> tuple[int, str, str]:
    process = start(*args)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def results(folder: Path) -> dict[str, dict]:
    found = {}
    for path in sorted(folder.rglob("result.json")):
        result = json.loads(path.read_text())
        key = str(path.parent.relative_to(folder))
        found[key] = {
            **{name: result[name] for name in ("test", "domains", "val", "selection", "confusion")},
            "predictions": dict(np.load(path.parent / "predictions.npz")),
        }
    return found


def same(a: dict, b: dict) -> bool:
    arrays = all(np.array_equal(a["predictions"][k], b["predictions"][k]) for k in a["predictions"])
    return arrays and all(a[k] == b[k] for k in a if k != "predictions")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str, str]:
    out = tmp_path_factory.mktemp("main") / "runs"
    algos = ("--algo", "erm,bsoftmax", "--algo", "boda+crt")
    code, stdout, stderr = ltbench_run(*algos, *BASE, "--seeds", "2", "--out", str(out))
    assert code == 0, stderr
    return out, stdout, stderr


def test_it_trains_every_run_and_prints_the_table(finished):
    out, stdout, stderr = finished
    assert len(results(out)) == 6
    assert "[6/6]" in stderr, "progress is readable when piped"
    assert "bsoftmax" in stdout
    assert "boda+crt" in stdout
    assert f"ltbench leaderboard {out} -o leaderboard.md" in stdout
    assert f"ltbench report {out} -o report.html" in stdout
    assert f"ltbench stats {out} --power 2  # are 2 seeds enough" in stdout


def test_the_sweep_leaves_a_record_of_all_its_runs(finished):
    record = json.loads(next((finished[0] / ".sweeps").glob("*.json")).read_text())
    runs = {run["folder"]: run for run in record["runs"]}
    assert runs.keys() == results(finished[0]).keys()
    assert {run["label"]: run["steps"] for run in runs.values()} == {
        "erm": 12, "bsoftmax": 12, "boda+crt": 24,
    }  # fmt: skip
    assert "run" in record["command"]
    assert record["slots"] == 1


def test_the_result_has_the_names_that_tables_use(finished):
    result = json.loads(next(finished[0].rglob("erm/*/seed-0/result.json")).read_text())
    wanted = {
        "accuracy_average", "accuracy_worst", "macro_f1_average", "macro_f1_worst",
        "accuracy_many", "accuracy_medium", "accuracy_few", "accuracy_zero", "loss", "ece",
    }  # fmt: skip
    assert wanted <= result["test"].keys()
    assert set(result["domains"]) == {"bright", "dark"}
    assert wanted <= result["domains"]["dark"].keys()
    assert result["domains"]["bright"]["accuracy_zero"] is None
    assert np.array(result["confusion"]["dark"]).shape == (3, 3)


def test_the_folder_holds_what_the_format_says(finished):
    folder = next(finished[0].rglob("erm/*/seed-0"))
    names = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert names == [
        "best.pt", "features.npz", "log.jsonl", "logits.npz", "predictions.npz", "result.json",
        "spec.json",
    ]  # fmt: skip
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 9, 12]


def test_the_same_command_again_repeats_nothing(finished):
    out = finished[0]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("result.json")}
    code, stdout, _ = ltbench_run(
        "--algo", "erm", *BASE, "--seeds", "2", "--out", str(out), "--json"
    )
    assert code == 0
    assert [run["state"] for run in json.loads(stdout)["runs"]] == ["done", "done"]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("result.json")} == before


def test_the_same_seed_gives_the_same_answers_and_another_does_not(finished, tmp_path):
    code, _, stderr = ltbench_run("--algo", "erm", *BASE, "--seeds", "2", "--out", str(tmp_path))
    assert code == 0, stderr
    first, again = results(finished[0]), results(tmp_path)
    assert len(again) == 2
    assert all(same(first[key], again[key]) for key in again)
    zero, one = again.values()
    assert not np.array_equal(zero["predictions"]["confidence"], one["predictions"]["confidence"])


def test_crt_alone_is_erm_and_crt(tmp_path):
    code, stdout, _ = ltbench_run(
        "--algo", "crt", *BASE, "--seeds", "1", "--out", str(tmp_path), "--dry-run", "--json"
    )
    assert code == 0
    assert json.loads(stdout)[0]["label"] == "erm+crt"
    assert not list(tmp_path.iterdir())


def test_failures_are_recorded_and_stop_nobody_else(tmp_path):
    algos = "misbehave[how=[raise,nan,die]],erm"
    code, stdout, _ = ltbench_run("--algo", algos, *BASE, "--seeds", "1", "--out", str(tmp_path))
    assert code == 1
    errors = {
        json.loads(path.with_name("spec.json").read_text())["label"]: json.loads(path.read_text())
        for path in tmp_path.rglob("error.json")
    }
    assert errors["misbehave"]["status"] == "failed"
    assert "told to raise" in errors["misbehave"]["error"]
    assert errors["misbehave[how=nan]"]["status"] == "diverged"
    assert "signal 9" in errors["misbehave[how=die]"]["error"]
    assert len(list(tmp_path.rglob("result.json"))) == 1
    assert "told to raise" in stdout


LONG = ("--algo", "boda+crt,dann", *BASE, "--seeds", "1", "--steps", "40", "--no-leaderboard")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, dict]:
    out = tmp_path_factory.mktemp("quiet")
    code, _, stderr = ltbench_run(*LONG, "--out", str(out))
    assert code == 0, stderr
    return results(out)


@pytest.mark.parametrize("attempt", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_killed_anywhere_it_resumes_to_the_same_bits(undisturbed, tmp_path, attempt):
    killed, kills = tmp_path / "killed", 0
    draw = random.Random(attempt)
    while True:
        process = start(*LONG, "--out", str(killed))
        begun = len(list(killed.rglob("log.jsonl")))
        deadline = time.monotonic() + 200
        while process.poll() is None and time.monotonic() < deadline:
            if list(killed.rglob("latest.pt")) and begun + 1:
                break
            time.sleep(0.05)
        try:
            process.wait(timeout=draw.uniform(0.1, 2.5) if kills < 3 else 200)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:
            break
    assert kills, "the run was over before it could be killed"
    resumed = results(killed)
    assert undisturbed.keys() == resumed.keys()
    assert all(same(undisturbed[key], resumed[key]) for key in resumed)
    assert not [path for path in killed.rglob("*") if path.name.endswith(".tmp")]


def test_ctrl_c_checkpoints_and_says_how_to_go_on(tmp_path):
    algo = ("--algo", "misbehave[how=slow]", *BASE, "--seeds", "1", "--protocol", "long")
    process = start(*algo, "--out", str(tmp_path))
    while process.poll() is None and not list(tmp_path.rglob("latest.pt")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "type the same command to go on" in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.rglob("latest.pt"))
