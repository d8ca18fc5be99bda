"""The commands ``ltbench tables ablation`` and ``ltbench tables backbones``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.tables import tables
from ltbench.errors import UsageError


def call(*arguments: str) -> str:
    result = CliRunner().invoke(tables, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_ablation(tmp_path: Path) -> None:
    for on in (True, False):
        write_run(tmp_path, algo="brl", hparams={"cb": on, "alpha": 0.1 * on}, label=f"brl[{on}]",
                  arrays=False)  # fmt: skip
    assert "Ablation of brl" in call("ablation", str(tmp_path))
    document = json.loads(
        call("ablation", str(tmp_path), "--components", "cb, alpha", "--format", "json")
    )
    assert [row["n"] for row in document[0]["rows"]] == [1, 0, 0, 1]
    with pytest.raises(UsageError, match="no hyper-parameter 'x'"):
        call("ablation", str(tmp_path), "--components", "x")


def test_backbones(tmp_path: Path) -> None:
    for backbone in ("resnet50", "mobilenetv2_100"):
        write_run(tmp_path / "runs", backbone=backbone, per_class=5)
    output = tmp_path / "table.tex"
    call("backbones", str(tmp_path / "runs"), "-o", str(output))
    text = output.read_text()
    assert r"mobilenetv2\_100" in text
    assert text.count(r"\begin{table}") == 3
