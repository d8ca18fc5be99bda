"""The command ``ltbench leaderboard``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.leaderboard import leaderboard
from ltbench.errors import UsageError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("runs")
    for algo in ("erm", "boda"):
        for seed in range(2):
            write_run(root, algo=algo, seed=seed, arrays=False)
    return str(root)


def call(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(leaderboard, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_prints_the_terminal_table_by_default(runs: str) -> None:
    stdout, _ = call(runs)
    assert "method" in stdout
    assert "2/2" in stdout


def test_explain_says_at_length_what_marks_mean(runs: str, tmp_path: Path) -> None:
    words = "Calibrated p-values draw the test's statistic"
    stdout, _ = call(runs)
    assert words not in " ".join(stdout.split())
    stdout, _ = call(runs, "--explain")
    assert words in " ".join(stdout.split())
    call(runs, "--explain", "-o", f"{tmp_path / 'board'}/")
    for name in ("leaderboard.md", "leaderboard.tex", "leaderboard.json"):
        assert words in (tmp_path / "board" / name).read_text(encoding="utf-8")


def test_default_folder_is_runs(runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"'runs'.*ltbench run"):
        call()
    (tmp_path / "runs").symlink_to(runs)
    assert "boda" in call()[0]


def test_metrics_reference_and_filters(runs: str) -> None:
    stdout, _ = call(runs, "--metrics", "macro_f1_worst, accuracy", "--reference", "boda",
                     "--format", "json", "--dataset", "digits-mini-mlt")  # fmt: skip
    table = json.loads(stdout)["tables"][0]
    assert table["metrics"] == ["macro_f1_worst", "accuracy"]
    assert table["reference"] == "boda"
    stdout, _ = call(runs, "--algo", "erm", "--format", "csv")
    assert len(stdout.splitlines()) == 2
    with pytest.raises(UsageError, match="--protocol 'x'"):
        call(runs, "--protocol", "x")


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.md", "### digits"), ("a.csv", "dataset,"), ("a.json", "{"), ("a.tex", "% "),
     ("a.html", "<!doctype"), ("a.txt", "digits-mini-mlt")],
)  # fmt: skip
def test_a_file_is_written_in_the_format_of_its_name(
    runs: str, tmp_path: Path, name: str, start: str
) -> None:
    output = tmp_path / "new" / name
    stdout, stderr = call(runs, "-o", str(output))
    assert output.read_text(encoding="utf-8").startswith(start)
    assert stdout == ""
    assert str(output) in stderr


def test_a_folder_gets_every_format_and_the_rows(runs: str, tmp_path: Path) -> None:
    call(runs, "-o", f"{tmp_path / 'board'}/")
    assert {path.name for path in (tmp_path / "board").iterdir()} == {
        "leaderboard.txt", "leaderboard.md", "leaderboard.csv", "leaderboard.json",
        "leaderboard.tex", "leaderboard.html", "rows.csv",
    }  # fmt: skip
    rows = (tmp_path / "board" / "rows.csv").read_text().splitlines()
    assert rows[0] == "dataset,protocol_hash,label,seed,metric,value"
    assert len(rows) == 1 + 4 * 8
    with pytest.raises(UsageError, match="leave out --format"):
        call(runs, "-o", str(tmp_path), "--format", "csv")


def test_a_file_that_does_not_say_its_format_is_refused(runs: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--format"):
        call(runs, "-o", str(tmp_path / "table.doc"))
    call(runs, "-o", str(tmp_path / "table.doc"), "--format", "csv")
