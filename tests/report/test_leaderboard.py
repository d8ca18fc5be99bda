"""Leaderboards from synthetic runs, in every format."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from synthetic_runs import write_run

from ltbench.errors import UsageError
from ltbench.report.content import build
from ltbench.report.leaderboard import FORMATS, leaderboard_report, load_content, render
from ltbench.report.metrics import choose_metrics, metric
from ltbench.report.provenance import run_commands
from ltbench.report.section import probability
from ltbench.report.selection import select_runs, split_tables
from ltbench.results.frame import load_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for algo, skill in (("erm", 0.5), ("boda", 0.75), ("bsoftmax", 0.6)):
        for seed in range(5):
            write_run(root, algo=algo, seed=seed, skill=skill, arrays=False)
    return root


def why_no_latex() -> str | None:
    """Return why the page of the test below cannot be set, or ``None``."""
    if shutil.which("pdflatex") is None:
        return "there is no pdflatex (Debian's texlive-latex-base)"
    found = subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False)
    return "there is no booktabs.sty (texlive-latex-recommended)" if found.returncode else None


def board(root: Path, **options: object) -> dict[str, object]:
    document = json.loads(render(root, format="json", **options))  # type: ignore[arg-type]
    return document["tables"][0]


def test_cells_hold_the_mean_and_students_interval_of_the_run_folders(runs: Path) -> None:
    row = board(runs)["rows"][0]
    values = [
        json.loads(path.read_text())["test"]["accuracy_average"]
        for path in sorted(runs.rglob("boda/*/*/result.json"))
    ]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    cell = row["cells"]["accuracy_average"]
    assert row["label"] == "boda"
    assert cell["mean"] == pytest.approx(np.mean(values))
    assert cell["half_width"] == pytest.approx((high - low) / 2)
    assert dict(cell["values"]) == pytest.approx(dict(enumerate(values)))


def test_rows_are_sorted_by_the_first_metric_and_a_loss_from_below(runs: Path) -> None:
    labels = [row["label"] for row in board(runs)["rows"]]
    assert labels == ["boda", "bsoftmax", "erm"]
    losses = board(runs, metrics=["ece", "accuracy_average"])
    assert losses["primary"] == "ece"
    assert losses["declared"] == ["ece", "accuracy_average"]


def test_worst_domain_accuracy_has_its_analysis_of_variance(runs: Path) -> None:
    omnibus = board(runs)["omnibus"]
    assert set(omnibus) == {
        "accuracy_average", "accuracy_worst", "macro_f1_average", "macro_f1_worst"
    }  # fmt: skip
    test = omnibus["accuracy_worst"]
    by_label = {
        row["label"]: [v for _, v in row["cells"]["accuracy_worst"]["values"]]
        for row in board(runs)["rows"]
    }
    theirs = stats.f_oneway(*by_label.values(), equal_var=False)
    assert (test["statistic"], test["p"]) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert "Worst-domain accuracy: Welch's F(2," in render(runs, explain=True)
    (line,) = re.findall(r"^acc worst .*$", render(runs), flags=re.MULTILINE)
    shown = [f"{theirs.statistic:.2f}", "2,", f"{test['df2']:.1f}", probability(test["p_holm"]),
             f"{test['omega_squared']:.2f}".lstrip("0"), "yes"]  # fmt: skip
    assert line.split() == ["acc", "worst", *shown]


def test_the_terminal_table_fits_its_width_and_says_what_it_shows(runs: Path) -> None:
    text = render(runs)
    assert max(map(len, text.splitlines())) <= 118
    for words in (
        "mean ± half the 95 % t-interval over seeds, n = 5 seeds",
        "digits-cnn, 300 steps, bf16",
        "Holm over all 8 comparisons",
        "minus erm",
        "g is Hedges'",
        "ANOVA: do the methods differ at all?",
        "it does not say which differ",
    ):
        assert words in " ".join(text.split())


def test_a_table_never_mixes_protocols_backbones_or_options(tmp_path: Path) -> None:
    write_run(tmp_path, arrays=False)
    write_run(tmp_path, arrays=False, steps=600)
    write_run(tmp_path, arrays=False, backbone="resnet50")
    write_run(tmp_path, arrays=False, options={"ratio": 50})
    tables = split_tables(load_runs(tmp_path))
    assert len(tables) == 4
    assert all(len(table.runs.table) == 1 for table in tables)
    assert len({table.heading for table in tables}) == 4
    assert any(table.dataset == "digits-mini-mlt[ratio=50]" for table in tables)
    write_run(tmp_path, arrays=False, options={"data_seed": 0})
    write_run(tmp_path, arrays=False, options={"data_seed": 1})
    names = {table.dataset for table in split_tables(load_runs(tmp_path))}
    assert "digits-mini-mlt[data_seed=1]" in names
    assert "digits-mini-mlt[data_seed=0]" not in names


def test_one_seed_prints_no_interval_and_says_what_is_missing(tmp_path: Path) -> None:
    for algo in ("erm", "boda"):
        write_run(tmp_path, algo=algo, arrays=False)
    text = render(tmp_path)
    cells = [line for line in text.splitlines() if line.startswith(("erm ", "boda "))]
    assert cells
    assert not any("±" in line for line in cells)
    assert "n = 1 seed;" in text
    assert "no difference can be tested" in " ".join(text.split())
    row = board(tmp_path)["rows"][0]
    assert row["cells"]["accuracy_average"]["half_width"] is None
    assert row["ranks"] is None
    assert row["comparisons"] == {}


def test_failed_and_diverged_runs_are_counted_and_named(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path, seed=seed, arrays=False)
        write_run(tmp_path, algo="boda", seed=seed, arrays=False,
                  error={1: "diverged", 2: "failed"}.get(seed), finished=seed != 3)  # fmt: skip
    write_run(tmp_path, algo="never", seed=0, error="failed", arrays=False)
    text = " ".join(render(tmp_path).split())
    assert "boda 1/3" in text
    assert "boda (1 failed, 1 diverged), never (1 failed)" in text
    assert "Not finished, and not counted: boda (1)." in text
    assert [row["label"] for row in board(tmp_path)["rows"]][-1] == "never"
    assert "never 0/1 — — —" in text


def test_seeds_that_all_agree_give_no_infinity(tmp_path: Path) -> None:
    for seed in range(3):
        for algo in ("erm", "boda", "bsoftmax"):
            folder = write_run(tmp_path, algo=algo, seed=seed, arrays=False)
            result = json.loads((folder / "result.json").read_text())
            if algo != "bsoftmax":
                result["test"] |= {"accuracy_average": 0.5 if algo == "erm" else 0.6}
            (folder / "result.json").write_text(json.dumps(result))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in set(FORMATS) - {"html"}:
            text = render(tmp_path, format=name, metrics=["accuracy_average"]).lower()
            assert not re.search(r"\b(inf|infinity|nan)\b", text), name
    # Seeds that agree tell no 95 % interval, so none is printed as one.
    assert re.search(r">50.0<", render(tmp_path, format="html"))
    assert "All seeds agree" in render(tmp_path)


def test_missing_metrics_are_shown_as_missing_and_left_out(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, seed=seed, arrays=False)
        folder = write_run(tmp_path, algo="boda", seed=seed, arrays=False)
        result = json.loads((folder / "result.json").read_text())
        result["test"]["accuracy_zero"] = None
        if seed == 0:
            result["test"]["accuracy_few"] = None
        (folder / "result.json").write_text(json.dumps(result))
    rows = {row["label"]: row for row in board(tmp_path)["rows"]}
    assert rows["boda"]["cells"]["accuracy_zero"]["mean"] is None
    assert rows["erm"]["cells"]["accuracy_zero"]["mean"] is not None
    text = render(tmp_path)
    assert "(n=2)" in text
    assert "—: missing" in text


def test_reference_that_is_not_there_is_said(runs: Path) -> None:
    text = render(runs, reference="nobody")
    assert "Nothing is compared with a reference" in text
    assert "minus" not in text


def test_csv_and_json_are_read_back(runs: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(render(runs, format="csv"))))
    assert [row["method"] for row in rows] == ["boda", "bsoftmax", "erm"]
    assert 0 < float(rows[0]["accuracy_worst_mean"]) < 1
    assert rows[0]["accuracy_average_vs_reference_claimed"] == "True"
    assert rows[2]["accuracy_average_vs_reference_p"] == ""
    table = board(runs)
    assert table["reference"] == "erm"
    assert table["rows"][0]["comparisons"]["accuracy_average"]["claimed"] is True


def test_markup_in_names_stays_text(tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>|a_b*$#&{}\\"
    for seed in range(2):
        write_run(tmp_path, algo="x", label=nasty, seed=seed, arrays=False)
    html = render(tmp_path, format="html")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    markdown = render(tmp_path, format="markdown")
    row = next(line for line in markdown.splitlines() if "alert" in line)
    assert r"\<script\>" in row
    assert row.replace(r"\|", "").count("|") == 11 + 1 - 1 * ("rank" not in markdown)
    latex = render(tmp_path, format="latex")
    assert r"a\_b*\$\#\&\{\}\textbackslash{}" in latex


def test_latex_has_as_many_cells_as_columns(runs: Path) -> None:
    latex = render(runs, format="latex")
    block = latex.split(r"\begin{tabular}{")[1].split(r"\end{tabular}")[0]
    columns = len(block.split("}")[0])
    lines = [line for line in block.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 2 + 3
    assert all(line.replace(r"\&", "").count("&") == columns - 1 for line in lines)


def test_latex_notes_go_with_their_table_and_leave_later_text_alone(runs: Path) -> None:
    latex = render(runs, format="latex")
    table = latex.split(r"\end{table}")[0]
    assert "worse than erm: Welch's t" in table
    assert latex.count("ANOVA: do the methods differ at all?") == 1
    table = render(runs, format="latex", explain=True).split(r"\end{table}")[0]
    assert "Domain-average accuracy: Welch's" in table
    assert "Against erm" in table
    outside = re.sub(r"\\begin\{table\}.*?\\end\{table\}", "", latex, flags=re.DOTALL)
    assert not re.search(r"^[^{%]*\\footnotesize", outside, flags=re.MULTILINE)


@pytest.mark.needs("latex", why_no_latex())
def test_latex_compiles_and_keeps_to_the_page(tmp_path: Path) -> None:
    for m, seed in itertools.product(range(20), range(2)):
        label = f"a-method-with-a-long-name[{m}_$]"
        write_run(tmp_path / "runs", algo=f"m{m}", label=label, seed=seed, arrays=False)
    (tmp_path / "table.tex").write_text(render(tmp_path / "runs", format="latex"))
    lines = (r"\documentclass[a4paper]{article}", r"\usepackage{booktabs, amssymb, graphicx}",
             r"\begin{document}", r"\input{table}", r"\end{document}")  # fmt: skip
    (tmp_path / "page.tex").write_text("\n".join(lines))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page"]
    log = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "too wide" not in log


def test_several_data_sets_have_a_summary_with_its_limits(tmp_path: Path) -> None:
    for d in range(3):
        for algo, skill in (("erm", 0.5), ("boda", 0.7), ("only-here", 0.6)):
            if algo != "only-here" or d == 0:
                write_run(tmp_path, algo=algo, skill=skill, dataset=f"data-{d}", arrays=False)
        if d == 1:
            few = " ".join(render(tmp_path).split())
            assert "mean ranks need 3 data sets or more, and there are 2" in few
            assert "mean rank " not in few
    text = " ".join(render(tmp_path).split())
    assert "Across data sets: ranks on domain-average accuracy" in text
    assert "Friedman's χ²(1) = 3.00" in text
    assert "Left out, for want of a score on every data set: only-here." in text
    assert "no two methods can, with so few data sets" in text


def test_a_data_set_with_two_protocols_counts_once(tmp_path: Path) -> None:
    for d in range(3):
        for algo in ("erm", "boda"):
            write_run(tmp_path, algo=algo, dataset=f"data-{d}", arrays=False)
    write_run(tmp_path, algo="erm", dataset="data-0", steps=999, arrays=False)
    content = load_content(tmp_path)
    assert len(content.boards) == 4
    assert content.summary is not None
    assert content.summary.datasets == ("data-0", "data-1", "data-2")
    assert "999 steps" in content.summary.left_out[0]


def test_filters(tmp_path: Path) -> None:
    write_run(
        tmp_path, algo="boda", label="boda[weight=0.5]", hparams={"weight": 0.5}, arrays=False
    )
    write_run(tmp_path, algo="boda", arrays=False)
    write_run(tmp_path, algo="erm", options={"ratio": 50}, arrays=False)
    runs = load_runs(tmp_path)
    assert len(select_runs(runs, ["boda"]).table) == 2
    assert len(select_runs(runs, ["boda[weight=0.5]"]).table) == 1
    assert len(select_runs(runs, [], ["digits-mini-mlt"]).table) == 3
    assert len(select_runs(runs, [], ["digits-mini-mlt[ratio=50]"]).table) == 1
    start = runs.table["protocol_hash"].iloc[0][:8]
    assert len(select_runs(runs, protocols=[start]).table) >= 1
    assert len(select_runs(runs, ["boda", "erm"]).table) == 3
    assert len(select_runs(runs, ["boda,erm"]).table) == 3
    with pytest.raises(UsageError, match="did you mean 'boda'"):
        select_runs(runs, ["bodda"])
    with pytest.raises(UsageError, match="matches no run"):
        select_runs(runs, ["erm"], ["digits-mini-mlt"], ["imagenet"])


def test_unknown_metrics_and_formats_are_refused_with_a_suggestion(runs: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'accuracy_worst'"):
        render(runs, metrics=["acuracy_worst"])
    with pytest.raises(UsageError, match="did you mean 'markdown'"):
        render(runs, format="markdwon")


def test_unreadable_runs_are_mentioned(runs: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path, arrays=False)
    (folder / "spec.json").write_text("{")
    text = render([runs, tmp_path])
    assert "Passed over, because it cannot be read" in text
    with pytest.raises(UsageError, match=r"None of the 1 run folders found can be read.*not JSON"):
        render(tmp_path)


def test_metrics_have_words_units_and_directions() -> None:
    assert metric("accuracy_worst").words == "worst-domain accuracy"
    assert metric("accuracy_few").words == "few-shot accuracy"
    assert metric("macro_f1_average").head == ("F1", "average")
    assert metric("loss").smaller_is_better
    assert not metric("loss").in_percent
    assert metric("accuracy").number(0.12345) == "12.3"
    assert metric("accuracy").number(-0.05, sign=True) == "−5.0"
    assert metric("accuracy").number(math.nan) == "—"
    assert [metric("accuracy").spread(v) for v in (0.0123, 0.0994, 0.0996, 1.488)] == [
        "1.2", "9.9", "10", "149"
    ]  # fmt: skip
    assert metric("loss").spread(1.25) == "1.250"
    assert choose_metrics(["loss", "loss"], ["loss"]) == ("loss",)


def test_reports_never_import_torch() -> None:
    code = (
        "import sys, pkgutil, importlib, ltbench.report, ltbench.stats, ltbench.results\n"
        "for package in (ltbench.report, ltbench.stats):\n"
        "    for m in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(m.name)\n"
        "import ltbench.results.frame\n"
        "assert 'torch' not in sys.modules, 'torch'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_terminal_leaderboard_needs_no_drawing_library() -> None:
    code = (
        "import sys, ltbench.report.leaderboard\n"
        "assert not {'matplotlib', 'jinja2', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_building_twice_says_the_same(runs: Path) -> None:
    frames = load_runs(runs)

    def said() -> str:
        return FORMATS["json"](leaderboard_report(build(frames)))

    assert said() == said()


def test_intervals_over_test_images_where_asked_for(tmp_path: Path) -> None:
    for algo, skill in (("erm", 0.4), ("boda", 0.8)):
        for seed in range(2):
            write_run(tmp_path, algo=algo, skill=skill, seed=seed)
    text = render(tmp_path)
    assert "over images" not in text
    content = leaderboard_report(load_content(tmp_path, resamples=100))
    text = FORMATS["terminal"](content)
    assert max(map(len, text.splitlines())) <= 118
    assert re.search(r"boda +\d\d\.\d–\d\d\.\d \(\+\d+\.\d, \+\d+\.\d\)", text)
    assert "from 100 test sets" in text
    records = json.loads(FORMATS["json"](content))["tables"][0]["over_images"]
    assert len(records) == 2 * 4
    for path in tmp_path.rglob("predictions.npz"):
        path.unlink()
    text = FORMATS["markdown"](leaderboard_report(load_content(tmp_path, resamples=100)))
    assert "No bootstrap over test images: " in text


def test_runs_of_one_label_that_are_not_the_same_method_are_not_one_row(tmp_path):
    for version, digits in (("1.0", "a1b2c3d4e5f6"), ("1.1", "0123456789ab")):
        for seed in range(2):
            folder = write_run(tmp_path, algo="poly1", seed=seed, arrays=False)
            for name in ("spec.json", "result.json"):
                document = json.loads((folder / name).read_text())
                document["hash"] = digits
                if name == "spec.json":
                    document["identity"]["plugins"] = {"poly1": version}
                (folder / name).write_text(json.dumps(document))
            target = folder.parents[1] / digits / folder.name
            target.parent.mkdir(exist_ok=True)
            folder.rename(target)
    write_run(tmp_path, algo="erm", seed=0, arrays=False)
    (board,) = load_content([tmp_path]).boards
    assert {row.label: row.done for row in board.rows} == {
        "poly1 #a1b2c3": 2,
        "poly1 #012345": 2,
        "erm": 1,
    }
    text = render(tmp_path, format="markdown")
    assert "Of one name but not the same method: poly1 #" in text
    commands = " ".join(run_commands(board))
    assert commands.count("poly1") == 1
    assert "#" not in commands


def test_methods_whose_long_names_begin_alike_have_rows_of_their_own(tmp_path):
    long = f"erm[note={'x' * 300}"
    for end, seed in (("1]", 0), ("2]", 0), ("2]", 1)):
        write_run(tmp_path, seed=seed, label=f"{long}{end}", hparams={"note": end}, arrays=False)
    (board,) = load_content(tmp_path).boards
    assert sorted(row.done for row in board.rows) == [1, 2]
    assert len({row.label for row in board.rows}) == 2
    assert max(len(row.label) for row in board.rows) <= 200
    assert [f"{long}{end}" in " ".join(run_commands(board)) for end in ("1]", "2]")] == [True] * 2
