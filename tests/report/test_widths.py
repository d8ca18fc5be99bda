"""Reports in terminals of 60, 80 and 118 columns."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from ltbench_tables.ablation import ablation
from ltbench_tables.backbones import backbones
from synthetic_runs import write_run
from tuned_runs import LABEL, write_tuned

from ltbench.cli.leaderboard import leaderboard
from ltbench.report.analysis import analysis_sections, anova_sections
from ltbench.report.figure_data import FigureData
from ltbench.report.leaderboard import leaderboard_report, load_content
from ltbench.report.render import terminal, write
from ltbench.report.section import Report
from ltbench.report.selection import only_table
from ltbench.results.frame import load_runs

write_small = partial(write_run, per_class=2)


def write_two(root: Path) -> None:
    for algo, seed in itertools.product(("erm", "boda"), range(3)):
        write_small(root, algo=algo, seed=seed, skill=0.5 if algo == "erm" else 0.8)


def write_twenty(root: Path) -> None:
    for m, seed in itertools.product(range(20), range(2)):
        label = f"a_method_{m}[a_parameter=0.{m},another_one=2.5e-0{m % 9},third=true]+crt"
        write_small(root, algo=f"m{m}", label=label if m % 3 else None, seed=seed, arrays=m < 3)


def write_searched(root: Path) -> None:
    write_two(root)
    for seed in range(2):
        write_tuned(root, seed=seed)
    for d in range(3):
        write_small(root, dataset=f"a-further-data-set-with-a-long-name-{d}", arrays=False)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    found = {}
    for name, fill in (("two", write_two), ("twenty", write_twenty), ("tuned", write_searched)):
        root = tmp_path_factory.mktemp(name)
        fill(root)
        content = load_content(root, resamples=20)
        found[name] = leaderboard_report(content)
        sections = analysis_sections(content, resamples=20, power=0.02)
        found[f"stats-{name}"] = Report(tuple(sections))
        found[f"explain-{name}"] = leaderboard_report(content, explain=True)
        found[f"anova-{name}"] = Report(tuple(anova_sections(content)))
    root = tmp_path_factory.mktemp("ablation")
    for cb, rb in itertools.product((False, True), repeat=2):
        hparams = {"class_balance_of_the_loss": cb, "representation_balance": rb}
        write_small(root, algo="brl", hparams=hparams, label=f"brl{hparams}", arrays=False)
    found["ablation"] = Report((ablation(only_table(load_runs(root), "it")),))
    root = tmp_path_factory.mktemp("backbones")
    for ratio in (1, 100):
        write_small(root, options={"ratio": ratio}, backbone="convnext_base.fb_in22k_ft_in1k")
    found["backbones"] = Report(tuple(backbones(FigureData(load_runs(root)))))
    return found


KINDS = ("two", "twenty", "tuned", "stats-two", "stats-twenty", "stats-tuned", "ablation",
         "backbones", "explain-two", "explain-twenty", "explain-tuned", "anova-two", "anova-twenty",
         "anova-tuned")  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 118])
@pytest.mark.parametrize("kind", KINDS)
def test_no_line_is_longer_than_the_terminal_is_wide(
    reports: dict[str, Report], kind: str, width: int
) -> None:
    lines = terminal(reports[kind], width).splitlines()
    assert max(map(len, lines)) <= width


def test_what_matters_most_stays_and_what_is_left_out_is_named(reports: dict[str, Report]) -> None:
    text = terminal(reports["two"], 60)
    table = text.split("\n\n")[1]
    head, second = table.splitlines()[:2]
    assert head.split()[0] == "method"
    assert head.split().count("acc") >= 1
    assert second.split()[0] == "average"
    assert "acc few, acc zero: --format csv has them" in " ".join(table.split())
    assert "--format csv" not in terminal(reports["two"], 118)
    for row in ("boda", "erm"):
        assert any(line.startswith(f"{row} ") for line in table.splitlines())


def test_tuned_rows_stay_told_apart(reports: dict[str, Report]) -> None:
    for width in (60, 80, 118):
        first = terminal(reports["tuned"], width).split("digits-mini-mlt (Synthetic")[1]
        table = first.split("\n\n")[1]
        size = len(table.splitlines()[2].split()[0])
        names = "".join(line[:size] for line in table.splitlines())
        assert "".join(LABEL.split()) in "".join(names.split())


def test_pages_and_files_do_not_ask_the_terminal(
    reports: dict[str, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    write(reports["two"], "terminal", tmp_path / "new" / "board.txt")
    lines = (tmp_path / "new" / "board.txt").read_text().splitlines()
    assert 60 < max(map(len, lines)) <= 118


def test_the_command_follows_the_width_of_the_environment(tmp_path: Path) -> None:
    write_two(tmp_path)
    for columns in ("60", "80"):
        result = CliRunner(env={"COLUMNS": columns}).invoke(leaderboard, [str(tmp_path)])
        assert result.exit_code == 0, result.output
        assert max(map(len, result.stdout.splitlines())) <= int(columns)
