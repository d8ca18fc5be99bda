"""Tuning through the program itself: killed, resumed, and its best run with more seeds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.cli.tune import tune

for command in (run, tune):
    if command.name not in cli.commands:
        cli.add_command(command)

SETTING = ("--dataset", "tiny-mlt", "--precision", "fp32")
HERE = (*SETTING, "--device", "cpu", "--jobs", "1")


def start(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ltbench", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def ltbench(*args: str) -> tuple[int, str, str]:
    process = start(*args)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def attempt(*args: str):
    return CliRunner().invoke(cli, [*args])


def study_of(out: Path) -> dict:
    return json.loads(next((out / ".tuning" / ".studies").rglob("*.json")).read_text())


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> tuple[Path, str, str]:
    out = tmp_path_factory.mktemp("tuned") / "runs"
    args = ("tune", "--algo", "erm,focal", *HERE, "--trials", "3", "--out", str(out))
    code, stdout, stderr = ltbench(*args)
    assert code == 0, stderr
    return out, stdout, stderr


def test_it_prints_the_trials_and_what_to_type_next(tuned):
    out, stdout, stderr = tuned
    assert "erm has no hyper-parameter to tune and is left out" in stderr
    assert "focal on tiny-mlt, tuned: 3 trials" in stdout
    assert "focal (defaults)" in stdout
    assert stdout.count("<- best") == 1
    assert (
        f"ltbench run --hparams best --algo focal {' '.join(SETTING)} --out {out} --seeds 5"
        in stdout
    )


def test_the_study_holds_every_trial_with_its_validation_score(tuned):
    study = study_of(tuned[0])
    assert [trial["number"] for trial in study["results"]] == [0, 1, 2]
    for trial in study["results"]:
        result = json.loads((tuned[0] / ".tuning" / trial["folder"] / "result.json").read_text())
        assert trial["value"] == result["selection"]["value"]
    assert study["results"][0]["label"] == "focal"


def test_killed_it_goes_on_and_comes_to_the_same(tuned, tmp_path):
    args = ("tune", "--algo", "focal", *HERE, "--trials", "3", "--out", str(tmp_path))
    process = start(*args)
    while process.poll() is None and not list(tmp_path.rglob("result.json")):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert 1 <= len(before) < 3
    code, _, stderr = ltbench(*args)
    assert code == 0, stderr
    assert study_of(tmp_path) == study_of(tuned[0])
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_best_runs_with_more_seeds_and_stands_beside_the_defaults(tuned):
    out = tuned[0]
    args = ("run", "--algo", "focal,erm", *HERE, "--seeds", "2", "--out", str(out))
    code, stdout, stderr = ltbench(*args, "--hparams", "best")
    assert code == 0, stderr
    assert ltbench(*args, "--quiet", "--no-leaderboard")[0] == 0
    board = json.loads(ltbench("leaderboard", str(out), "--format", "json")[1])["tables"]
    assert len(board) == 1
    best = study_of(out)["results"][study_of(out)["best"]]["label"]
    rows = {row["label"]: row for row in board[0]["rows"]}
    assert rows.keys() == {"erm", "focal", f"{best} (tuned: 3 trials)"}
    assert {row["done"] for row in rows.values()} == {2}, "trials are not among them"
    assert rows["erm"]["settings"] == "default"
    assert "(tuned:" in stdout


def test_failed_trials_lose(tmp_path):
    args = ("tune", "--algo", "misbehave", *HERE, "--trials", "4", "--seed", "1")
    code, stdout, _ = ltbench(*args, "--out", str(tmp_path), "--json")
    study = json.loads(stdout)[0]
    statuses = {trial["label"]: trial["status"] for trial in study["results"]}
    assert statuses["misbehave"] == "failed"
    assert set(statuses.values()) > {"failed"}
    if "done" in statuses.values():
        assert code == 0
        assert study["results"][study["best"]]["status"] == "done"
    else:
        assert (code, study["best"]) == (1, None)


def test_a_dry_run_writes_nothing(tmp_path):
    out = tmp_path / "runs"
    done = attempt("tune", "--algo", "brl", *HERE, "--trials", "5", "--out", str(out), "--dry-run")
    assert done.exit_code == 0, done.output
    assert done.output.count("waiting") == 5
    assert not out.exists()


def test_a_bayesian_dry_run_says_what_cannot_be_known(tmp_path):
    done = attempt("tune", "--algo", "brl", *HERE, "--search", "bayes", "--out", str(tmp_path),
                   "--dry-run")  # fmt: skip
    assert done.output.count("waiting") == 1
    assert "15 more trials depend on what these score" in done.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("tune", "--algo", "erm"), "'erm' has no hyper-parameter left to tune"),
        (("tune", "--algo", "focal[gamma=1]"), "has no hyper-parameter left to tune"),
        (("tune", "--algo", "focla"), "did you mean 'focal'"),
        (("tune", "--algo", "focal", "--select", "last"), "--select f1 or accuracy"),
        (("tune", "--algo", "focal", "--trials", "0"), "--trials"),
        (("run", "--hparams", "best", "--algo", "brl"),
         "no study tuned brl on tiny-mlt in this setting: `ltbench tune --algo brl --dataset "
         "tiny-mlt --precision fp32 --out"),
        (("run", "--hparams", "best", "--algo", "brl[alpha=1]"),
         "`ltbench tune --algo 'brl[alpha=1]' --dataset"),
        (("run", "--hparams", "best", "--algo", "brl[alpha=1]"), "in brackets are fixed"),
        (("run", "--hparams", "best", "--algo", "focal[gamma=1]"), "contradict each other"),
        (("run", "--hparams", "bset", "--algo", "brl"), "--hparams"),
    ],
)  # fmt: skip
def test_one_sentence_and_exit_code_2(tmp_path, args, message):
    done = attempt(*args, *SETTING, "--out", str(tmp_path / "runs"))
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "runs").exists()
