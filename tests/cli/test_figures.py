"""The command ``ltbench figures``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.figures import KINDS, figures
from ltbench.errors import UsageError
from ltbench.report.figures.drawing import KINDS as DRAWN


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("runs")
    for algo in ("erm", "boda"):
        write_run(root, algo=algo, per_class=2)
    return str(root)


def test_the_command_offers_every_kind() -> None:
    assert set(KINDS) == set(DRAWN)
    help_ = CliRunner().invoke(figures, ["--help"]).output
    assert all(kind in help_ for kind in KINDS)


def test_writes_the_figure_and_its_numbers(runs: str, tmp_path: Path) -> None:
    output = tmp_path / "new" / "map.svg"
    arguments = ["transferability", runs, "--algo", "boda", "--seed", "0", "-o", str(output)]
    result = CliRunner().invoke(figures, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert output.read_text().startswith("<?xml")
    assert output.with_suffix(".csv").read_text().startswith("domain,class,train,x,y")
    assert str(output) in result.stderr


def test_a_file_is_named_after_the_kind_by_default(
    runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(figures, ["violin", runs, "--score", "accuracy"], catch_exceptions=False)
    assert (tmp_path / "violin.png").exists()
    assert "accuracy_worst" in (tmp_path / "violin.csv").read_text()


def test_errors(runs: str) -> None:
    assert CliRunner().invoke(figures, ["pie", runs]).exit_code == 2
    with pytest.raises(UsageError, match="--algo among"):
        CliRunner().invoke(figures, ["transferability", runs], catch_exceptions=False)
