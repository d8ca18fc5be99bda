"""The command ``ltbench report``."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.report import report
from ltbench.errors import UsageError


def test_writes_a_page_that_names_the_command_that_made_it(tmp_path: Path) -> None:
    for algo in ("erm", "boda"):
        write_run(tmp_path / "runs", algo=algo, arrays=False)
    output = tmp_path / "page.html"
    arguments = [str(tmp_path / "runs"), "-o", str(output), "--title", "Two methods",
                 "--metrics", "accuracy_worst", "--algo", "erm", "--algo", "boda"]  # fmt: skip
    result = CliRunner().invoke(report, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    text = output.read_text(encoding="utf-8")
    assert "<h1>Two methods</h1>" in text
    command = shlex.join(["ltbench", "report", str(tmp_path / "runs"), "--metrics"])
    assert command in text
    assert "This run wrote none" not in text
    assert "predictions" in text
    long = "± covers the spread over seeds alone"
    assert long not in text
    CliRunner().invoke(report, [*arguments, "--explain"], catch_exceptions=False)
    text = output.read_text(encoding="utf-8")
    assert long in text
    assert "--algo boda --explain</pre>" in text


def test_no_runs_make_no_page(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There are no runs"):
        CliRunner().invoke(
            report, [str(tmp_path), "-o", str(tmp_path / "x.html")], catch_exceptions=False
        )
    assert not (tmp_path / "x.html").exists()
