"""The command ``ltbench figures``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.figures import figures
from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.results import folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("runs")
    for algo in ("erm", "boda"):
        write_run(root, algo=algo, per_class=2)
    return str(root)


def test_the_command_offers_every_kind() -> None:
    help_ = CliRunner().invoke(figures, ["--help"]).output
    kinds = get_plugins()["figures"]
    assert {"distribution", "violin", "heatmap", "tsne", "convergence", "sensitivity", "cd",
            "transferability"} <= set(kinds.names())  # fmt: skip
    for entry in kinds:
        assert re.search(rf"^  {entry.name} +{entry.summary[:30]}", help_, re.M)


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
    near = CliRunner().invoke(figures, ["violins", runs])
    assert near.exit_code == 2
    assert "there is no figure 'violins'; did you mean 'violin'?" in near.stderr
    with pytest.raises(UsageError, match="--algo among"):
        CliRunner().invoke(figures, ["transferability", runs], catch_exceptions=False)


MINE = """
import pandas as pd
from matplotlib.figure import Figure
from ltbench import hookimpl

def steps(data, choices):
    figure = Figure()
    figure.subplots().plot([1, 2])
    return figure, pd.DataFrame({"runs": [len(data.runs.table)], "seed": [choices.seed]})

def wrong(data, choices):
    return 1

def broken(data, choices):
    raise KeyError("nothing")

@hookimpl
def ltbench_figures(register):
    register("mine", steps, summary="Two steps")
    register("wrong", wrong, summary="No figure")
    register("broken", broken, summary="Raises")
"""


def plugin(folder: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """Type a command with the figures of :data:`MINE`, in their folder."""
    (folder / "mine.py").write_text(MINE)
    return subprocess.run(
        [sys.executable, "-m", "ltbench", "--plugin", "mine.py", "figures", *line],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plugin_file_brings_a_figure_of_its_own(runs: str, tmp_path: Path) -> None:
    done = plugin(tmp_path, "mine", runs, "--seed", "4", "-o", "mine.svg")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine.csv").read_text() == "runs,seed\n2,4\n"
    assert "<svg" in (tmp_path / "mine.svg").read_text()
    assert "mine             Two steps" in plugin(tmp_path, "--help").stdout


def test_a_figure_that_goes_wrong_is_named_with_its_plugin(runs: str, tmp_path: Path) -> None:
    wrong, broken = plugin(tmp_path, "wrong", runs), plugin(tmp_path, "broken", runs)
    assert "Error: figure 'wrong' of mine.py" in wrong.stderr
    assert "does not return a matplotlib Figure and a data frame" in wrong.stderr
    assert "Error: figure 'broken' of mine.py" in broken.stderr
    assert "failed: KeyError: 'nothing'" in broken.stderr
    assert wrong.returncode == broken.returncode == 2
    assert not list(tmp_path.glob("*.png"))


def test_the_help_waits_for_neither_torch_nor_drawing() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from ltbench.cli.figures import figures;"
        "assert CliRunner().invoke(figures, ['--help']).exit_code == 0;"
        "assert not {'torch', 'matplotlib', 'pandas', 'numpy', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_figure_of_before_stays_where_the_disk_is_full(
    runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.svg").write_text("the figure of before")
    monkeypatch.setattr(folder, "sync_files", full)
    with pytest.raises(UsageError, match=r"a\.svg cannot be written: No space left on device"):
        CliRunner().invoke(
            figures, ["violin", runs, "-o", str(tmp_path / "a.svg")], catch_exceptions=False
        )
    assert (tmp_path / "a.svg").read_text() == "the figure of before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


def test_a_file_that_cannot_be_written_is_one_sentence(runs: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written"):
        CliRunner().invoke(
            figures,
            ["violin", runs, "-o", str(tmp_path / "taken" / "a.png")],
            catch_exceptions=False,
        )
