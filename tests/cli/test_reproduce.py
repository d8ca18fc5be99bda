"""The command ``ltbench reproduce``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ltbench.session import reproductions
from ltbench.session.reproductions import Reproduction, Source

SOURCE = Source("a paper", "Somebody, 2025", ("It was trained elsewhere.",))
RUN = {"algo": "erm,bsoftmax", "dataset": "digits-mlt", "seeds": 5}
MINI = {**RUN, "dataset": "digits-mini-mlt", "seeds": 1, "steps": 2, "precision": "fp32"}


@pytest.fixture
def call(command_line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def _call(*words: str) -> Result:
        return CliRunner().invoke(command_line, ["reproduce", *words])

    return _call


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one table, of two runs of two steps."""
    ends = ("leaderboard {runs} --dataset {dataset} --metrics accuracy_average",)
    one = Reproduction("its-table1", "Two methods", SOURCE, "its", RUN, MINI, ends, (), "", "", RUN)
    monkeypatch.setattr(reproductions, "reproductions", lambda: [one])


def test_the_list_has_names_and_numbers_of_runs(call):
    lines = {line.split()[0]: line.split() for line in call("--list").stdout.splitlines() if line}
    assert lines["brl-fig7"][-2:] == ["140", "11"]
    assert lines["brl-table9"][-2:] == ["630", "16"]
    assert lines["brl-table2"][-2:] == ["0", "0"]


@pytest.mark.usefixtures("small")
def test_it_trains_shows_and_says_what_differs_and_goes_on(call, tmp_path):
    first = call("its-table1", "--mini", "--jobs", "1")
    assert first.exit_code == 0, first.output
    assert "$ ltbench run --algo erm,bsoftmax --dataset digits-mini-mlt --seeds 1" in first.stdout
    assert "$ ltbench leaderboard reproduced/its-mini" in first.stdout
    assert "- steps: 2 in place of the protocol's own." in first.stdout
    assert "- It was trained elsewhere." in first.stdout
    results = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("result.json")}
    assert len(results) == 2
    again = call("its-table1", "--mini", "--jobs", "1")
    assert again.exit_code == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("result.json")} == results


@pytest.mark.usefixtures("small")
def test_a_dry_run_prints_the_commands_and_trains_nothing(call, tmp_path):
    told = call("its-table1", "--mini", "--dry-run", "--seeds", "3", "--out", "a b")
    assert told.exit_code == 0, told.output
    assert "6 runs, 0 of them done" in told.stdout
    assert "then: ltbench leaderboard 'a b/its-mini'" in told.stdout
    assert not list(tmp_path.rglob("spec.json"))


@pytest.mark.usefixtures("small")
def test_without_its_data_it_says_how_to_get_them(call, tmp_path):
    told = call("its-table1", "--data-dir", str(tmp_path / "none"))
    assert told.exit_code == 2
    assert "ltbench data prepare digits-mlt" in told.output


@pytest.mark.usefixtures("small")
def test_what_is_left_is_shown_when_a_run_fails(call, monkeypatch):
    monkeypatch.setitem(MINI, "algo", "erm")
    assert call("its-table1", "--mini", "--jobs", "1").exit_code == 0

    def lost(ctx, words):
        if words[0] == "run":
            raise SystemExit(1)
        calls.append(words[0])

    calls: list[str] = []
    monkeypatch.setattr("ltbench.cli.reproduce._call", lost)
    told = call("its-table1", "--mini")
    assert told.exit_code == 1
    assert calls == ["leaderboard"]
    assert "What differs" in told.stdout


def test_what_needs_no_runs_is_drawn_from_the_counts(call, tmp_path):
    told = call("thesis-fig3.3", "--mini")
    assert told.exit_code == 0, told.output
    assert (tmp_path / "reproduced" / "thesis-fig3.3-mini.png").is_file()
    told = call("brl-table2", "--mini")
    assert "optdigits" in told.stdout


def test_an_illustration_is_said_to_be_one(call):
    told = call("thesis-fig2.1", "--mini")
    assert told.exit_code == 0
    assert "Nothing to reproduce" in told.stdout


def test_mistakes_are_one_sentence(call):
    assert "--list" in call().output
    unknown = call("brl-fig77")
    assert unknown.exit_code == 2
    assert "brl-fig7" in unknown.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("brl-table2 --mini --seeds 3 --device cpu", "--seeds, --device: nothing is trained for"),
        ("brl-table2 --list", "--list names all"),
    ],
)
def test_what_has_no_meaning_is_refused(call, words, said):
    told = call(*words.split())
    assert told.exit_code == 2
    assert said in " ".join(told.output.split())
