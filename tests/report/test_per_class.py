"""The table of a run's classes against scikit-learn, whole and by domain, in every format."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import precision_recall_fscore_support
from synthetic_runs import write_run

from ltbench.cli.show import show
from ltbench.errors import UsageError
from ltbench.report.per_class import per_class
from ltbench.results.documents import read_predictions

DOMAINS = ("mnist", "mnist-m", "optdigits")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"))


def call(*words: object) -> str:
    found = CliRunner().invoke(show, list(map(str, words)), catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


def rows(*words: object) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(call(*words, "--format", "csv")))


def test_the_columns_are_those_of_scikit_learn(run):
    arrays = read_predictions(run)
    found = rows(run, "--per-class")
    precision, recall, f1, support = precision_recall_fscore_support(
        arrays["class"], arrays["prediction"], labels=range(10), zero_division=np.nan
    )
    assert np.allclose(found["precision"], precision, equal_nan=True)
    assert np.allclose(found["recall"], recall, equal_nan=True)
    assert np.allclose(found["f1"], f1, equal_nan=True)
    assert found["support"].tolist() == support.tolist()
    counts = json.loads((run / "spec.json").read_text())["data"]["counts"]["train"]
    assert found["train"].tolist() == np.sum(counts, axis=0).tolist()
    assert found["class"].tolist() == [f"class {c}" for c in range(10)]


def test_each_domain_is_that_of_its_images_alone(run):
    arrays = read_predictions(run)
    found = rows(run, "--per-class", "--domain", "each")
    assert found["domain"].unique().tolist() == list(DOMAINS)
    counts = json.loads((run / "spec.json").read_text())["data"]["counts"]["train"]
    for d, name in enumerate(DOMAINS):
        inside, part = arrays["domain"] == d, found[found["domain"] == name]
        _, recall, _, support = precision_recall_fscore_support(
            arrays["class"][inside], arrays["prediction"][inside], labels=range(10), zero_division=0
        )
        assert np.allclose(part["recall"], recall)
        assert part["support"].tolist() == support.tolist()
        assert part["train"].tolist() == counts[d]
    shots = ["many" if n > 60 else "zero" if n == 0 else "few" if n <= 15 else "medium"
             for row in counts for n in row]  # fmt: skip
    assert found["shot"].tolist() == shots
    two = rows(run, "--per-class", "--domain", "optdigits,MNIST")
    assert two["domain"].unique().tolist() == ["mnist", "optdigits"]


def test_shots_of_several_domains_are_counted(run):
    found = rows(run, "--per-class").set_index("class")["shot"]
    assert found["class 9"] == "1 many, 1 few, 1 zero"


def test_it_is_sorted_as_asked(run):
    for name in ("recall", "precision", "f1"):
        assert rows(run, "--per-class", "--sort", name)[name].is_monotonic_increasing
    for name in ("support", "train"):
        assert rows(run, "--per-class", "--sort", name)[name].is_monotonic_decreasing


def test_absent_classes_and_classes_never_answered_are_missing_and_no_zero(tmp_path):
    folder = write_run(tmp_path)
    arrays = dict(np.load(folder / "predictions.npz"))
    kept = arrays["class"] != 3
    arrays = {name: values[kept] for name, values in arrays.items()}
    arrays["prediction"][arrays["prediction"] == 7] = 2
    np.savez(folder / "predictions.npz", **arrays)
    found = rows(folder, "--per-class", "--sort", "recall").set_index("class")
    assert np.isnan(found.loc["class 3", ["recall", "f1"]].astype(float)).all()
    assert found.index[-1] == "class 3"  # what is missing comes last
    assert found.loc["class 3", "support"] == 0
    assert np.isnan(found.loc["class 7", "precision"])
    assert found.loc["class 7", "f1"] == found.loc["class 7", "recall"] == 0
    page = call(folder, "--per-class")
    assert "1 of 10 classes" in page
    assert "no test image was taken for the class" in page


def test_it_fits_a_terminal_and_345_classes_are_usable(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder = write_run(
        tmp_path, classes=345, per_class=2, domains=[f"domain {d}" for d in range(6)]
    )
    page = call(folder, "--per-class", "--sort", "recall")
    assert max(map(len, page.splitlines())) <= 80
    assert sum(line.startswith("class ") for line in page.splitlines()) == 346
    assert "All 4,140 images: accuracy" in page


def test_every_format_has_it(run, tmp_path):
    assert "| class | recall | precision |" in call(run, "--per-class", "--format", "markdown")
    document = json.loads(call(run, "--per-class", "--json"))
    assert document == json.loads(call(run, "--per-class", "--format", "json"))
    assert document[0]["rows"][0].keys() == {
        "class", "recall", "precision", "f1", "support", "train", "shot"
    }  # fmt: skip
    for suffix in ("md", "csv", "json", "tex", "html", "txt"):
        out = tmp_path / f"classes.{suffix}"
        call(run, "--per-class", "-o", out)
        assert out.stat().st_size > 100


def test_it_needs_no_torch(run):
    code = (
        "import sys; from ltbench.cli.main import main; "
        f"sys.argv = ['ltbench', 'show', {str(run)!r}, '--per-class']\n"
        "try: main()\nfinally: assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--domain", "mnist"], "--domain is about the table of classes: add --per-class"),
     (["--sort", "recall"], "--sort is about the table of classes"),
     (["--format", "csv"], "--format is about the table of classes"),
     (["-o", "x.csv"], "--output is about the table of classes"),
     (["--per-class", "--traceback"], "leave out --per-class"),
     (["--per-class", "--json", "--format", "csv"], "leave it out beside"),
     (["--per-class", "--domain", ","], "names no domain"),
     (["--per-class", "-o", "x.what"], "does not say its format"),
     (["--per-class", "--domain", "mnits"], "only of mnist, mnist-m, optdigits; did you mean")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(run, words, message):
    with pytest.raises(UsageError, match=message):
        call(run, *words)


def test_a_run_that_is_not_done_says_so(tmp_path):
    folder = write_run(tmp_path, finished=False, arrays=False)
    with pytest.raises(UsageError, match="how it does on each class is known when it is done"):
        call(folder, "--per-class")


def test_hostile_names_of_classes_stay_letters(tmp_path):
    folder = write_run(tmp_path)
    spec = json.loads((folder / "spec.json").read_text())
    spec["data"]["classes"][0] = "\x1b[31mred"
    (folder / "spec.json").write_text(json.dumps(spec))
    assert "\x1b" not in str(per_class(folder, "erm").sections[0].grid.body)


def test_thousands_of_images_sort_as_numbers_on_a_page(tmp_path):
    folder = write_run(tmp_path)
    spec = json.loads((folder / "spec.json").read_text())
    counts = np.asarray(spec["data"]["counts"]["train"])
    counts[0, 0] += 12_000
    spec["data"]["counts"]["train"] = counts.tolist()
    (folder / "spec.json").write_text(json.dumps(spec))
    (grid,) = per_class(folder, "erm").sections[0].grids
    place = [column.head for column in grid.columns].index("train")
    found = {row[0]: row[place] for row in grid.body}
    most = found[spec["data"]["classes"][0]]
    assert most == f"{int(counts[:, 0].sum()):,}"
    assert float(most.value) == counts[:, 0].sum()
