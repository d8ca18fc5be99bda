"""The command ``ltbench stats``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.stats import stats
from ltbench.errors import UsageError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("runs")
    for algo in ("erm", "boda"):
        for seed in range(3):
            write_run(root, algo=algo, seed=seed, per_class=2)
    return str(root)


def call(*arguments: str) -> str:
    result = CliRunner().invoke(stats, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_prints_all_tables(runs: str) -> None:
    stdout = call(runs, "--resamples", "20", "--power", "2.5")
    for title in ("Means", "Analysis of variance", "Assumptions", "All pairs", "Against erm",
                  "Over test images", "Seeds for 2.5 points"):  # fmt: skip
        assert title in stdout


def test_bootstrap_can_be_left_out_and_power_takes_a_metrics_own_unit(runs: str) -> None:
    titles = [
        section["title"]
        for section in json.loads(
            call(runs, "--resamples", "0", "--format", "json", "--metrics", "loss,accuracy_worst",
                 "--power", "0.1")
        )
    ]  # fmt: skip
    assert not any(title.startswith("Over test images") for title in titles)
    assert any(title.startswith("Seeds for 0.100 points of pooled loss") for title in titles)


def test_writes_a_file(runs: str, tmp_path: Path) -> None:
    call(runs, "--resamples", "0", "-o", str(tmp_path / "all.md"))
    assert (tmp_path / "all.md").read_text().startswith("### digits-mini-mlt")


def test_no_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There are no runs"):
        call(str(tmp_path))
