"""Runs that the first format's version wrote are read for good, and their tables stay the same.

``runs-format-1.tar.xz`` holds 28 finished runs of version 0.1.0 and four that are not, without
checkpoints and features: the folder's index, the records of its sweeps and of tuning among them.
The expected documents are what that version printed of it:
``ltbench leaderboard RUNS --format csv`` and ``json``, ``ltbench stats RUNS --resamples 20``. All
scores, means, half-widths and differences are as it printed them. Corrected since, with reasons
in CHANGELOG.md: p-values and intervals of differences (test images, unequal seeds, equal seeds of
methods that share stage 1, with a column of the CSV that names them), analyses of variance and
ranks without methods of two seeds, intervals over test images, the p of Shapiro and Wilk, and two
options of one data set, which are not two data sets.
Added since: the analysis of variance in the CSV, and ``claimed`` beside it in the JSON.
"""

from __future__ import annotations

import csv
import json
import math
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ltbench.cli.main import cli
from ltbench.cli.run import run as run_command
from ltbench.cli.tune import tune as tune_command
from ltbench.plugins.facts import registry_facts
from ltbench.report.trials import Trials
from ltbench.results.frame import load_runs
from ltbench.results.protocol import Protocol, protocol_settings
from ltbench.results.states import read_states
from ltbench.session.protocols import own_protocols

HERE = Path(__file__).parent
# What the protocol digits-mini was in that version; it is named digits-mini-full today.
PROTOCOL = ["--protocol", "digits-mini", "--backbone", "digits-cnn", "--batch-size", "32",
            "--schedule", "constant", "--warmup", "0", "--eval-every", "25"]  # fmt: skip
DATA = ["--dataset", "digits-mini-mlt", *PROTOCOL, "--steps", "6", "--precision", "fp32"]
SETTING = [*DATA, "--lr", "1e-3"]
BRL = "brl[alpha=1,beta=0.1,balance=weights,distance=moments]"  # as brl was in that version


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    with tarfile.open(HERE / "runs-format-1.tar.xz") as archive:
        archive.extractall(tmp_path / "runs", filter="data")
    return tmp_path / "runs"


def printed(*words: str) -> str:
    for name in ("leaderboard", "stats"):
        __import__(f"ltbench.cli.{name}", fromlist=["_"]).ltbench_commands(cli)
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 0, found.output
    return found.stdout


def near(old: float, new: float) -> bool:
    """Say whether two numbers are the same up to what integrating numerically leaves open.

    Intervals and p-values come from integrals and searches, whose last digits differ between
    processors with AVX-512 and without: 6.3e-6 relative was seen.
    """
    return math.isclose(old, new, rel_tol=1e-5, abs_tol=1e-12)


def missing(old: Any, new: Any, where: str = "") -> list[str]:
    """Return where the new document lacks or changes what stands in the old one."""
    if isinstance(old, dict) and isinstance(new, dict):
        lost = [f"{where}.{key}" for key in old.keys() - new.keys()]
        same = [(f"{where}.{key}", old[key], new[key]) for key in old.keys() & new.keys()]
        return lost + [place for name, a, b in same for place in missing(a, b, name)]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [place for i, (a, b) in pairs for place in missing(a, b, f"{where}[{i}]")]
    if isinstance(old, float) and isinstance(new, int | float):
        return [] if near(old, new) else [where]
    return [] if old == new else [where]


def prose(where: str) -> bool:
    """Say whether a place holds sentences for people, which may be written better."""
    return "notes" in where or where.endswith((".sentence", ".title", ".cells"))


def value(cell: str) -> str | float:
    """Return the number that a cell of a CSV holds, or its text."""
    try:
        return float(cell)
    except ValueError:
        return cell


def test_the_csv_is_the_same(runs: Path) -> None:
    old = list(csv.reader((HERE / "leaderboard.csv").read_text().splitlines()))
    new = list(csv.reader(printed("leaderboard", str(runs), "--format", "csv").splitlines()))
    assert (
        missing([list(map(value, row)) for row in old], [list(map(value, row)) for row in new])
        == []
    )


@pytest.mark.parametrize("command", ["leaderboard", "stats"])
def test_the_json_holds_all_that_it_held(runs: Path, command: str) -> None:
    words = ["--resamples", "20"] if command == "stats" else []
    old = json.loads((HERE / f"{command}.json").read_text())
    new = json.loads(printed(command, str(runs), "--format", "json", *words))
    assert [place for place in missing(old, new) if not prose(place)] == []


def test_shot_accuracies_are_means_over_pairs_and_what_was_written_is_pooled(runs: Path) -> None:
    """All pairs have 50 test images there, so that both are the number that was written."""
    found = load_runs(runs)
    done = found.where((found.table["status"] == "done").to_numpy())
    for path, (_, scores) in zip(done.table["path"], done.scores.iterrows(), strict=True):
        written = json.loads(Path(path, "result.json").read_text())["test"]
        for shot in ("many", "medium", "few", "zero"):
            assert f"accuracy_{shot}_pooled" not in written
            assert scores[f"accuracy_{shot}"] == written[f"accuracy_{shot}"]
            assert scores[f"accuracy_{shot}_pooled"] == written[f"accuracy_{shot}"]


def test_every_run_stands_as_it_stood(runs: Path) -> None:
    overview = read_states(runs)
    counts = {"done": 28, "waiting": 1, "broken-off": 2, "diverged": 1}
    statuses = [run.status for run in overview.runs]
    assert {status: statuses.count(status) for status in set(statuses)} == counts
    assert not overview.active
    assert "coral (tuned: 3 trials)" in {run.label for run in overview.runs}
    methods = {run.method for run in overview.runs if run.tuned or run.status == "waiting"}
    assert methods >= {"coral", "ldam"}
    assert len(read_states(runs / ".tuning").runs) == 6


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--algo", "erm,bsoftmax,coral[weight=[0.5,2]],erm+crt", *SETTING, "--seeds", "3"], 15),
        (["--algo", f"coral,{BRL}", "--hparams", "best", *SETTING,
          "--seeds", "2"], 4),
        (["--algo", "erm", *DATA, "--lr", "1000", "--seeds", "1"], 1),
    ],
)  # fmt: skip
def test_the_same_command_finds_them_done(runs: Path, words: list[str], count: int) -> None:
    """What makes a run the run it is has not changed, so nothing is trained again."""
    found = CliRunner().invoke(run_command, [*words, "--out", str(runs), "--dry-run", "--json"])
    assert found.exit_code == 0, found.output
    assert [run["state"] for run in json.loads(found.stdout)] == ["done"] * count


def test_the_protocol_of_that_version_has_another_name_today() -> None:
    protocols = own_protocols(registry_facts("digits-mini-mlt"))
    options = dict(zip(PROTOCOL[2::2], PROTOCOL[3::2], strict=True)) | {"--lr": "1e-3"}
    full = Protocol(**{k: v for k, v in protocols["digits-mini-full"].items() if k != "backbone"})
    for one in protocol_settings().values():
        if one.option in options:
            assert getattr(full, one.name) == one.kind(options[one.option])
    assert protocols["digits-mini-full"]["backbone"] == options["--backbone"]
    assert full.steps == 300


@pytest.mark.parametrize("search", [[], ["--search", "random"], ["--search", "hparams"]])
def test_the_same_command_finds_what_it_tuned(runs: Path, search: list[str]) -> None:
    """Studies of that version searched hyper-parameters alone, which was not written down."""
    words = ["--algo", f"coral,{BRL}", *SETTING, "--trials", "3", *search]
    found = CliRunner().invoke(tune_command, [*words, "--out", str(runs), "--dry-run"])
    assert found.exit_code == 0, found.output
    assert found.stdout.count("tuned: 3 trials") == 2
    assert found.stdout.count("\n0 runs") == 2
    goes_on = "goes on with its study of hparams alone; --search hparams,weight_decay begins"
    assert found.stderr.count(goes_on) == (0 if "hparams" in search else 2)
    other = CliRunner().invoke(
        tune_command,
        [*words, "--search", "weight_decay", "--out", str(runs), "--dry-run", "--json"],
    )
    assert [run["state"] for run in json.loads(other.stdout)] == ["waiting"] * 6


def test_its_trials_can_be_drawn(runs: Path) -> None:
    trials = Trials((runs,)).frame
    assert len(trials) == 6
    assert set(trials["method"]) == {"coral", "brl[alpha=1,beta=0.1]"}
    assert set(trials["axes"]) == {"hparams"}
    table = load_runs(runs).table
    assert set(trials["protocol_hash"]) == set(table["protocol_hash"][table["tuned"].astype(bool)])
    assert trials["value"].notna().all()
    assert trials["test_macro_f1_average"].notna().all()
