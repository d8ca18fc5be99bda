"""The commands ``ltbench tables ablation`` and ``ltbench tables backbones``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy import stats
from synthetic_runs import write_run

from ltbench.cli.tables import tables
from ltbench.errors import PluginError, UsageError
from ltbench.plugins.files import add_plugin_files
from ltbench.plugins.manager import get_plugins
from ltbench.results.frame import load_runs


def call(*arguments: str) -> str:
    result = CliRunner().invoke(tables, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_anova(tmp_path: Path) -> None:
    """The numbers are SciPy's; the columns are there in a file for programs, too."""
    skills = {"erm": 0.5, "ldam": 0.7, "boda": 0.8}
    for algo, skill in skills.items():
        for seed in range(4):
            write_run(tmp_path, algo=algo, seed=seed, skill=skill, arrays=False)
    name = "accuracy_average"
    (found,) = json.loads(
        call("anova", str(tmp_path), "--metrics", f"{name},macro_f1_worst", "--format", "json")
    )
    assert [row["metric"] for row in found["rows"]] == [name, "macro_f1_worst"]
    runs = load_runs(tmp_path)
    values = [
        runs.scores[name][runs.table["algorithm"].to_numpy() == algo].to_numpy() for algo in skills
    ]
    classical, welch = stats.f_oneway(*values), stats.f_oneway(*values, equal_var=False)
    row = found["rows"][0]
    assert row["classical_statistic"] == pytest.approx(classical.statistic)
    assert row["classical_p"] == pytest.approx(classical.pvalue)
    assert row["welch_statistic"] == pytest.approx(welch.statistic)
    assert row["welch_p"] == pytest.approx(welch.pvalue)
    assert 0 < row["welch_p_calibrated"] <= row["welch_p_holm"] <= 1
    text = call("anova", str(tmp_path), "--metrics", name, "--format", "markdown")
    assert "ANOVA over methods" in text
    assert all(f"| {head} |" in text for head in ("Fisher F", "Fisher p", "Welch F", "Welch p"))
    (found,) = json.loads(call("anova", str(tmp_path), "--format", "json"))
    known = load_runs(tmp_path).scores
    assert {row["metric"] for row in found["rows"]} == set(known.columns[known.notna().any()])
    assert found["rows"][0]["metric"] == "accuracy_average"
    with pytest.raises(UsageError, match="No run here has the metric 'acuracy'"):
        call("anova", str(tmp_path), "--metrics", "acuracy")


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


PLUGIN = '''
from ltbench import api, hookimpl
from ltbench.api import Column, ExperimentTable, hparam, section


class Count(ExperimentTable):
    """How many runs there are."""

    class HParams(api.HParams):
        """How they are counted."""

        at_least: int = hparam(0, low=0, help="The least that is said.")
        shares: tuple[float, ...] = hparam((), low=0.0)
        loud: bool = hparam(False)

    def sections(self, data):
        import pandas as pd

        h = self.hparams
        count = max(h.at_least, len(data.runs.table))
        frame = pd.DataFrame({"count": [count], "shares": [list(h.shares)], "loud": [h.loud]})
        return [section("Count", frame, {"count": Column("runs")})]


class Clash(Count):
    """Has an option that is taken."""

    class HParams(api.HParams):
        """Wrong."""

        format: str = hparam("")


class Nothing(Count):
    """Makes nothing."""

    def sections(self, data):
        return None if self.hparams.loud else []


@hookimpl
def ltbench_tables(register):
    register("count", Count, summary="Counts runs")
    register("clash", Clash, summary="Clashes")
    register("nothing", Nothing, summary="Makes nothing")
    register("lost", "no_such_module:Lost", summary="Cannot be imported")
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "count.py").write_text(PLUGIN)
    add_plugin_files([tmp_path / "count.py"])
    get_plugins.cache_clear()
    write_run(tmp_path / "runs", arrays=False)
    yield tmp_path / "runs"
    os.environ.pop("LTBENCH_PLUGIN_PATH", None)
    get_plugins.cache_clear()


def test_a_plugins_table_is_a_command_with_its_own_options(plugin: Path) -> None:
    row = json.loads(call("count", str(plugin), "--format", "json"))[0]["rows"][0]
    assert row == {"count": 1, "shares": [], "loud": False}
    options = ("--at-least", "3", "--shares", "0.5", "--shares", "1", "--loud")
    row = json.loads(call("count", str(plugin), *options, "--format", "json"))[0]["rows"][0]
    assert row == {"count": 3, "shares": [0.5, 1.0], "loud": True}
    text = " ".join(call("count", "--help").split())
    assert "How many runs there are." in text
    assert "The least that is said. [default: 0]" in text
    with pytest.raises(UsageError, match="the least is 0"):
        call("count", str(plugin), "--at-least", "-1")


def test_help_lists_tables_that_are_not_imported(plugin: Path) -> None:
    text = call("--help")
    assert "lost       Cannot be imported." in text
    assert "backbones  Model × loss on balanced" in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("lost", "cannot be loaded"),
        ("clash", "has an option 'format', as all tables have"),
        ("nothing", "does not return sections"),
    ],
)
def test_tables_that_are_wrong_are_named(plugin: Path, name: str, says: str) -> None:
    with pytest.raises(PluginError, match=f"'{name}' of count.py .* {says}"):
        call(name, str(plugin))


def test_help_imports_neither_pandas_nor_torch() -> None:
    code = (
        "import sys; from ltbench.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'matplotlib', 'pandas', 'numpy', 'rich'} & set(sys.modules)"
    )
    for name in ([], ["ablation"], ["backbones"]):
        command = [sys.executable, "-c", code, "tables", *name, "--help"]
        subprocess.run(command, check=True, capture_output=True)
