"""Tuning through the program itself: killed, resumed, and its best run with more seeds."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
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
    args = ("tune", "--algo", "erm,focal", *HERE, "--trials", "3", "--search", "hparams",
            "--out", str(out))  # fmt: skip
    code, stdout, stderr = ltbench(*args)
    assert code == 0, stderr
    return out, stdout, stderr


def test_it_prints_the_trials_and_what_to_type_next(tuned):
    out, stdout, stderr = tuned
    assert "erm has no hyper-parameter to tune and is left out" in stderr
    assert "focal on tiny-mlt, tuned: 3 trials" in stdout
    assert "focal (defaults)" in stdout
    assert stdout.count("<- best") == 1
    next_one = (
        f"ltbench run --hparams best --algo focal {' '.join(SETTING[:2])} --search hparams "
        f"{' '.join(SETTING[2:])} --out {out} --seeds 5"
    )
    assert next_one in stdout


def test_what_to_type_next_begins_with_the_plugin_files_that_were_given(tuned, tmp_path):
    out = tuned[0]
    file = tmp_path / "my idea.py"
    file.write_text("")
    begins = f"ltbench --plugin '{file}' "
    args = ("--plugin", str(file), "tune", "--algo", "focal", *HERE, "--trials", "3",
            "--search", "hparams", "--out", str(out))  # fmt: skip
    assert f"  {begins}run --hparams best --algo focal" in attempt(*args).output
    args = ("--plugin", str(file), "run", "--algo", "focal", *HERE, "--hparams", "best",
            "--out", str(tmp_path / "runs"))  # fmt: skip
    assert f"setting: `{begins}tune --algo focal" in attempt(*args).output


def test_the_study_holds_every_trial_with_its_validation_score(tuned):
    study = study_of(tuned[0])
    assert [trial["number"] for trial in study["results"]] == [0, 1, 2]
    for trial in study["results"]:
        result = json.loads((tuned[0] / ".tuning" / trial["folder"] / "result.json").read_text())
        assert trial["value"] == result["selection"]["value"]
    assert study["results"][0]["label"] == "focal"


def test_killed_it_goes_on_and_comes_to_the_same(tuned, tmp_path):
    args = ("tune", "--algo", "focal", *HERE, "--trials", "3", "--search", "hparams",
            "--out", str(tmp_path))  # fmt: skip
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


def test_defaults_and_the_best_are_planned_by_one_command(tuned):
    words = ("run", "--algo", "focal,erm", *HERE, "--seeds", "2", "--out", str(tuned[0]))
    planned = {
        which: [
            (run["hash"], run["seed"])
            for run in json.loads(attempt(*words, "--hparams", which, "--dry-run", "--json").stdout)
        ]
        for which in ("default", "best", "default,best", "best,default", "best,best")
    }
    assert len(planned["default,best"]) == 6, "erm has nothing that was tuned, and runs once"
    assert set(planned["default,best"]) == {*planned["default"], *planned["best"]}
    assert set(planned["best,default"]) == set(planned["default,best"])
    assert planned["best,best"] == planned["best"]


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


def test_every_method_gets_as_many_trials_at_the_same_rates(tmp_path):
    """Plain cross-entropy has nothing of its own to tune, and is not to lose by that."""
    words = ("tune", "--algo", "erm,focal", *SETTING, "--trials", "4", "--out", str(tmp_path))
    runs = json.loads(attempt(*words, "--dry-run", "--json").stdout)
    assert [(run["trials"], run["axes"]) for run in runs] == [
        (4, ["hparams", "lr", "weight_decay"])
    ] * 8
    assert [bool(run["differs"]) for run in runs] == [False, True, True, True] * 2
    planned = attempt(*words, "--dry-run").stdout
    for name in ("erm", "focal"):
        assert f"{name} on tiny-mlt, tuned: 4 trials of hparams, lr, weight_decay\n" in planned
    rates = re.findall(r", (lr \S+, weight_decay \S+) seed", planned)
    assert len(rates) == 6, "trial 0 has the protocol's own"
    assert rates[:3] == rates[3:]
    assert len(set(rates)) == 3


def test_what_is_typed_is_not_searched(tmp_path):
    words = (
        "tune",
        "--algo",
        "erm",
        *SETTING,
        "--trials",
        "2",
        "--dry-run",
        "--out",
        str(tmp_path),
    )
    by_option = attempt(*words, "--lr", "0.1")
    in_brackets = attempt(*words, "--protocol", "[lr=0.1]")
    for done in (by_option, in_brackets):
        assert "not searched, since it was typed: lr\n" in done.stderr
        assert "tuned: 2 trials of hparams, weight_decay\n" in done.stdout
    assert by_option.stdout == in_brackets.stdout
    for fixed in (("--lr", "0.1"), ("--protocol", "[lr=0.1]")):
        done = attempt(*words, *fixed, "--search", "hparams,lr")
        assert done.exit_code == 2
        assert "'lr' is typed and so is not searched" in done.output


def test_a_protocol_file_is_a_protocol_and_fixes_nothing(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('like = "tiny"\nlr = 0.2\n')
    words = ("tune", "--algo", "erm", *SETTING, "--dry-run", "--protocol", str(file))
    done = attempt(*words, "--out", str(tmp_path / "runs"), "--search", "lr")
    assert done.exit_code == 0, done.output
    rates = [float(rate) for rate in re.findall(r", lr (\S+) seed", done.stdout)]
    assert len(rates) == 15
    assert min(rates) < 0.2 < max(rates)
    assert all(0.02 <= rate <= 2 for rate in rates)


def test_the_words_of_before_still_choose_the_sampler(tmp_path):
    words = ("tune", "--algo", "focal", *SETTING, "--dry-run", "--out", str(tmp_path))
    old, new = attempt(*words, "--search", "bayes"), attempt(*words, "--sampler", "bayes")
    assert old.exit_code == 0, old.output
    assert old.stdout == new.stdout
    assert "more trials depend on" in old.stdout
    assert "bayes trials" in old.stdout
    both = attempt(*words, "--search", "bayes", "--sampler", "random")
    assert both.exit_code == 2
    assert "contradict each other" in both.output
    assert attempt(*words, "--search", "random,hparams").exit_code == 0


def test_the_best_protocol_is_run_and_all_stand_in_one_table(tmp_path):
    """The default row, and two whose learning rates were tuned, each with its own."""
    words = ("--algo", "erm,focal", *HERE, "--steps", "8", "--out", str(tmp_path))
    assert ltbench("tune", *words, "--trials", "3", "--seed", "5", "--quiet")[0] == 0
    code, _, stderr = ltbench("run", *words, "--seeds", "2", "--hparams", "best")
    assert code == 0, stderr
    assert ltbench("run", *words, "--seeds", "2", "--quiet", "--no-leaderboard")[0] == 0
    found = ltbench("leaderboard", str(tmp_path), "--format", "json")[1]
    (table,) = json.loads(found)["tables"]
    tuned = {row["algo"]: row for row in table["rows"] if row["tuned"]}
    assert tuned.keys() == {"erm", "focal"}
    assert {row["label"] for row in table["rows"] if not row["tuned"]} == {"erm", "focal"}
    studies = [json.loads(p.read_text()) for p in (tmp_path / ".tuning/.studies").rglob("*.json")]
    for study in studies:
        row = tuned[study["algo"]]
        assert study["axes"] == row["tuned"]["axes"] == ["hparams", "lr", "weight_decay"]
        point = study["results"][study["best"]]["point"]
        best = {k.removeprefix("protocol."): v for k, v in point.items() if "protocol." in k}
        assert row["tuned"]["found"] == best
        for name, value in best.items():
            assert f"{name}={value}" in row["label"]
        for path in tmp_path.glob(f"tiny-mlt/{study['algo']}/*/seed-0/spec.json"):
            protocol = json.loads(path.read_text())["identity"]["protocol"]
            if "tuned" in json.loads(path.read_text())["identity"]:
                assert protocol.items() >= best.items()
    assert any(row["tuned"]["found"] for row in tuned.values()), "choose another seed"
    assert any("Rows had different budgets" in note for note in table["notes"])
    _check_that_the_printed_commands_make_them_again(tmp_path)


def test_of_several_studies_the_one_that_is_named_is_taken(tmp_path):
    words = ("--algo", "focal", *HERE, "--steps", "4", "--out", str(tmp_path))
    for trials, seed in ((2, 0), (3, 0), (3, 7)):
        budget = ("--trials", str(trials), "--seed", str(seed), "--quiet")
        assert ltbench("tune", *words, *budget)[0] == 0
    dry = ("run", *words, "--seeds", "1", "--dry-run", "--json", "--hparams")
    several = attempt(*dry, "best")
    assert several.exit_code == 2
    assert "'best[trials=3,sampler=random,seed=0]' or 'best[trials=3," in several.output
    found = {}
    for which in ("best[trials=2]", "best[seed=7]", "best[trials=3,sampler=random,seed=0]"):
        (run,) = json.loads(attempt(*dry, which).stdout)
        found[which] = run["label"]
    assert [label.count("tuned: 2 trials") for label in found.values()] == [1, 0, 0]
    assert ["at seed 7" in label for label in found.values()] == [False, True, False]
    none = attempt(*dry, "best[trials=9]")
    assert none.exit_code == 2
    assert "no study of focal on tiny-mlt has trials 9: there is best[trials=2" in none.output
    for wrong in ("bets", "best[trials=x]", "best[size=3]", "default[trials=3]"):
        assert attempt(*dry, wrong).exit_code == 2


@pytest.mark.parametrize(
    "others",
    [
        [(8, 2, None)],
        [(4, 0, None), (8, 2, None)],
        [(4, 0, None)],
        [(4, 1, ("hparams",)), (4, 1, ("hparams", "lr"))],
    ],
    ids=["larger", "alike and larger", "alike", "other axes"],
)
def test_what_to_type_next_takes_the_study_that_was_shown(tmp_path, others):
    from ltbench.session.axes import DEFAULT
    from ltbench.session.session import Session
    from ltbench.session.studies import Budget
    from ltbench.session.study_files import open_study

    session = Session(tmp_path, device="cpu", say=lambda _: None)
    for trials, seed, axes in [(4, 1, None), *others]:
        budget = Budget("random", trials, seed, axes or DEFAULT)
        plan = session.plan(["focal"], ["tiny-mlt"], [budget.run_seed], "fp32")
        study = open_study(tmp_path, plan.methods[0], budget, 1)
        study.trials = [
            replace(trial, status="done", value=0.1 * trial.number) for trial in study.propose()
        ]
        study.save()
    words = ("tune", "--algo", "focal", *HERE, "--out", str(tmp_path))
    done = attempt(*words, "--trials", "4", "--seed", "1")
    assert done.exit_code == 0, done.output
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("  ltbench run "))
    planned = attempt(*shlex.split(line)[1:], "--device", "cpu", "--dry-run", "--json")
    assert planned.exit_code == 0, planned.output
    (label,) = {run["label"] for run in json.loads(planned.stdout)}
    assert "tuned: 4 trials of hparams+lr+weight_decay at seed 1" in label


def _check_that_the_printed_commands_make_them_again(out):
    from ltbench.report.leaderboard import load_content
    from ltbench.report.provenance import run_commands

    (board,) = load_content(out).boards
    commands = run_commands(board)
    assert len(commands) == 5
    for command in commands:
        where = ("--device", "cpu", "--jobs", "1", "--out", str(out), "--dry-run", "--json")
        done = attempt(*shlex.split(command)[1:], *where)
        assert done.exit_code == 0, done.output
        runs = json.loads(done.stdout)
        assert {run["state"] for run in runs} <= {"done"}, command
        assert runs or " tune " in command


def test_the_best_of_one_method_does_not_stand_beside_an_untuned_rate(tmp_path):
    words = (*HERE, "--steps", "6", "--out", str(tmp_path))
    assert ltbench("tune", "--algo", "focal", *words, "--trials", "2", "--quiet")[0] == 0
    done = attempt("run", "--algo", "erm,focal", *words, "--hparams", "best", "--dry-run")
    assert done.exit_code == 2
    assert "no study tuned erm on tiny-mlt in this setting: `ltbench tune --algo erm" in done.output
    alone = attempt("run", "--algo", "erm", *words, "--hparams", "best", "--dry-run")
    assert alone.exit_code == 0
    assert "erm on tiny-mlt: as it is, not tuned" in alone.output


def test_a_search_starts_from_the_value_that_it_is_given(tmp_path):
    words = (
        "tune",
        "--algo",
        "erm",
        *SETTING,
        "--dry-run",
        "--out",
        str(tmp_path),
        "--trials",
        "9",
    )
    done = attempt(*words, "--search", "lr=0.5")
    rates = [float(rate) for rate in re.findall(r", lr (\S+) seed", done.stdout)]
    assert len(rates) == 8
    assert all(0.05 <= rate <= 5 for rate in rates)
    typed = attempt(*words, "--search", "lr=0.5", "--lr", "0.1")
    assert typed.exit_code == 2


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
        (("tune", "--search", "hparams", "--algo", "erm"),
         "'erm' has no hyper-parameter left to tune"),
        (("tune", "--search", "hparams", "--algo", "focal[gamma=1]"),
         "has no hyper-parameter left to tune"),
        (("tune", "--algo", "erm", "--lr", "1", "--weight-decay", "0"),
         "'erm' has no hyper-parameter left to tune"),
        (("tune", "--algo", "focla"), "did you mean 'focal'"),
        (("tune", "--algo", "focal", "--select", "last"), "--select f1 or accuracy"),
        (("tune", "--algo", "focal", "--trials", "0"), "--trials"),
        (("run", "--hparams", "best", "--algo", "brl"),
         "no study tuned brl on tiny-mlt in this setting: `ltbench tune --algo brl --dataset "
         "tiny-mlt --precision fp32 --out"),
        (("run", "--hparams", "best", "--algo", "brl[alpha=1]"),
         "`ltbench tune --algo 'brl[alpha=1]' --dataset"),
        (("run", "--hparams", "best", "--algo", "brl[alpha=1]"), "in brackets are fixed"),
        (("run", "--hparams", "best", "--search", "hparams", "--algo", "focal[gamma=1]"),
         "contradict each other"),
        (("run", "--hparams", "best", "--algo", "focal[gamma=1]"), "in brackets are fixed"),
        (("run", "--hparams", "bset", "--algo", "brl"), "--hparams"),
        (("run", "--search", "lr", "--algo", "brl"), "means nothing without it"),
        (("tune", "--search", "wieght_decay", "--algo", "erm"), "did you mean 'weight_decay'"),
        (("tune", "--search", "momentum", "--algo", "erm"), "cannot vary 'momentum'"),
        (("tune", "--search", "lr=fast", "--algo", "erm"), "--search lr=fast is out of place"),
        (("tune", "--search", "lr=0", "--algo", "erm"), "--search lr=0 is out of range"),
        (("tune", "--search", "hparams=1", "--algo", "erm"), "hparams takes no value"),
        (("tune", "--search", "lr,", "--algo", "erm"), "lacks a name or a value"),
    ],
)  # fmt: skip
def test_one_sentence_and_exit_code_2(tmp_path, args, message):
    done = attempt(*args, *SETTING, "--out", str(tmp_path / "runs"))
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "runs").exists()
