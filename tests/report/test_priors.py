"""`ltbench leaderboard --test-prior`: accuracies, corrections, what is missing, bad input."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.api import prior_accuracies
from ltbench.cli.leaderboard import leaderboard
from ltbench.errors import UsageError
from ltbench.report.selection import split_tables
from ltbench.results.folder import LOGITS
from ltbench.results.frame import load_runs
from ltbench.results.logits import read_logits
from ltbench.stats.priors import parse_priors

CLASSES = [f"class {c}" for c in range(10)]
TRAIN = np.array([300, 90, 80, 70, 60, 50, 40, 30, 20, 10])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed in range(3):
        write_run(tmp_path / "runs", seed=seed)
        write_run(tmp_path / "runs", seed=seed, algo="boda", skill=0.8)
    return tmp_path / "runs"


def call(*arguments: object) -> str:
    words = list(map(str, arguments))
    result = CliRunner().invoke(leaderboard, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def tables(runs: Path, *arguments: object) -> dict:
    return json.loads(call(runs, "--format", "json", *arguments))["tables"][0]["test_priors"]


def facts_of(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return confusion matrices (D, C, C) and training images (D, C), read by hand."""
    result = json.loads((folder / "result.json").read_text())
    spec = json.loads((folder / "spec.json").read_text())
    return np.array(list(result["confusion"].values())), np.array(spec["data"]["counts"]["train"])


def by_hand(folder: Path, name: str) -> tuple[float, np.ndarray]:
    confusion, train = facts_of(folder)
    recalls = [m.diagonal() / m.sum(1) for m in confusion]
    order = sorted(range(10), key=lambda c: -train.sum(0)[c])
    q = np.zeros(10)
    if name == "train":
        q = train.sum(0).astype(float)
    else:
        kind, _, ratio = name.partition("-")
        for rank, c in enumerate(order):
            power = {"forward": rank, "backward": 9 - rank, "uniform": 0}[kind] / 9
            q[c] = 1 / float(ratio or 1) ** power
    q /= q.sum()
    return float(np.mean([(q * r).sum() for r in recalls])), q


NAMES = ["uniform", "forward-50", "forward-10", "backward-10", "backward-50", "train"]


def test_accuracies_are_the_weighted_recalls_of_the_confusion_matrices(runs):
    found = tables(runs, "--test-prior", ",".join(NAMES))
    assert list(found["priors"]) == NAMES
    for row in found["rows"]:
        folders = sorted(runs.glob(f"*/{row['method']}/*/seed-*"))
        for name in NAMES:
            expected = [by_hand(folder, name)[0] for folder in folders]
            cell = row["cells"][name]
            assert [value for _, value in cell["values"]] == pytest.approx(expected)
            assert cell["mean"] == pytest.approx(np.mean(expected))
            assert cell["standard_error"] == pytest.approx(np.std(expected, ddof=1) / 3**0.5)
            assert 0 < cell["standard_error_images"] < 0.1
            assert found["priors"][name] == pytest.approx(by_hand(folders[0], name)[1])
    forward = found["priors"]["forward-50"]
    assert max(forward) / min(forward) == pytest.approx(50)


def test_uniform_is_the_domain_average_of_balanced_test_sets(runs):
    document = json.loads(call(runs, "--format", "json", "--test-prior", "uniform"))["tables"][0]
    own = {row["label"]: row["cells"]["accuracy_average"]["mean"] for row in document["rows"]}
    for row in document["test_priors"]["rows"]:
        assert row["cells"]["uniform"]["mean"] == pytest.approx(own[row["method"]])


def test_every_format_has_it_and_none_without_asking(runs):
    for format_ in ("terminal", "markdown", "latex", "html"):
        text = call(runs, "--format", format_, "--test-prior", "backward-50")
        assert "backward-50" in text
        assert "recall" in text
        assert "backward" not in call(runs, "--format", format_)
    signs = call(runs, "--format", "latex", "--test-prior", "train", "--correct", "known,mlls")
    assert {sign for sign in signs if not sign.isascii()} <= {"·"}, "LaTeX has no other letter"
    assert "test_priors" not in call(runs, "--format", "json")
    text = call(runs, "--format", "csv", "--test-prior", "backward-50", "--correct", "mlls")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert {line["prior_backward-50_n"] for line in lines} == {"3"}
    assert all(float(line["prior_backward-50_mlls_estimate_distance"]) > 0 for line in lines)


def test_a_known_prior_is_corrected_as_a_loop_does(runs):
    found = tables(runs, "--test-prior", "backward-10", "--correct", "known")
    rows = {(row["method"], row["correction"]): row for row in found["rows"]}
    assert [row["label"] for row in found["rows"]] == [
        "boda", "boda, prior known", "erm", "erm, prior known"
    ]  # fmt: skip
    folder = next(runs.glob("*/erm/*/seed-1"))
    _, train = facts_of(folder)
    q = by_hand(folder, "backward-10")[1]
    logits = read_logits(folder, "test")
    right = np.zeros((3, 10, 2))
    for z, y, d in zip(logits.logits.astype(float), logits.classes, logits.domains, strict=True):
        answer = np.argmax([z[c] + np.log(q[c]) - np.log(train.sum(0)[c]) for c in range(10)])
        right[d, y] += [answer == y, 1]
    expected = float((q * (right[..., 0] / right[..., 1]).mean(0)).sum())
    cell = rows["erm", "known"]["cells"]["backward-10"]
    assert dict(map(tuple, cell["values"]))[1] == pytest.approx(expected)


def test_the_training_prior_needs_no_correction(runs):
    found = tables(runs, "--test-prior", "train", "--correct", "known")
    cells = {(r["method"], r["correction"]): r["cells"]["train"]["mean"] for r in found["rows"]}
    assert cells["erm", "known"] == pytest.approx(cells["erm", ""])


@pytest.mark.parametrize("model", ["train", "uniform", "validation"])
def test_estimators_are_rows_that_say_so(runs, model):
    options = ("--correct", "mlls,bbse", "--model-prior", model)
    found = tables(runs, "--test-prior", "uniform,forward-50", *options)
    assert found["model_prior"] == model
    erm = {row["label"]: row for row in found["rows"] if row["method"] == "erm"}
    assert list(erm) == ["erm", "erm, prior by MLLS", "erm, prior by BBSE"]
    for label in list(erm)[1:]:
        for cell in erm[label]["cells"].values():
            assert 0 <= cell["estimate_distance"] < 1
            assert 0 < cell["mean"] < 1
    text = call(runs, "--test-prior", "forward-50", *options)
    assert "Saerens" in text
    assert "Lipton" in text
    assert "off by a mean total variation" in text


def test_runs_without_logits_are_named_with_how_to_have_them(runs):
    next(runs.glob("*/erm/*/seed-1")).joinpath(LOGITS).unlink()
    found = tables(runs, "--test-prior", "uniform", "--correct", "known")
    row = next(row for row in found["rows"] if row["label"] == "erm, prior known")
    assert [seed for seed, _ in row["cells"]["uniform"]["values"]] == [0, 2]
    assert "seed-1 keeps no logits" in found["problems"][0]
    assert "run it again" in found["problems"][0]
    text = call(runs, "--test-prior", "uniform", "--correct", "known")
    assert "(n=2)" in text
    assert "keeps no logits" in " ".join(text.split())
    for path in runs.rglob(LOGITS):
        path.unlink()
    assert tables(runs, "--test-prior", "uniform", "--correct", "known")["rows"]
    assert "erm, prior known" not in call(runs, "--test-prior", "uniform", "--correct", "known")


def test_logits_of_other_images_are_refused(runs):
    folders = sorted(runs.glob("*/erm/*/seed-*"))
    other = write_run(runs.parent / "other", per_class=4)
    (folders[0] / LOGITS).write_bytes((other / LOGITS).read_bytes())
    (folders[1] / LOGITS).write_bytes(b"torn")
    problems = tables(runs, "--test-prior", "uniform", "--correct", "known")["problems"]
    assert "does not hold the test images" in problems[0]
    assert "not an archive" in problems[1]


def test_a_class_without_test_images_is_missing_and_said(tmp_path):
    for seed in range(2):
        folder = write_run(tmp_path / "runs", seed=seed)
        for name in ("result", "spec"):
            path = folder / f"{name}.json"
            document = json.loads(path.read_text())
            if name == "result":
                for matrix in document["confusion"].values():
                    matrix[3] = [0] * 10
            else:
                for row in document["data"]["counts"]["test"]:
                    row[3] = 0
            path.write_text(json.dumps(document))
    shares = {name: 0.0 if name == "class 3" else 1 / 9 for name in CLASSES}
    (tmp_path / "q.json").write_text(json.dumps(shares))
    runs, priors = tmp_path / "runs", f"uniform,{tmp_path / 'q.json'}"
    found = tables(runs, "--test-prior", priors)
    (row,) = found["rows"]
    assert row["cells"]["uniform"]["mean"] is None
    assert row["cells"]["q.json"]["mean"] > 0
    assert "class 'class 3' has no test image" in call(runs, "--test-prior", priors)


def test_a_class_without_training_images_cannot_be_corrected_for(tmp_path):
    train = np.tile(TRAIN, (3, 1))
    train[:, 9] = 0
    for seed in range(2):
        write_run(tmp_path, seed=seed, train=train)
    for model in ("uniform", "validation"):
        words = ("--test-prior", "uniform", "--correct", "known", "--model-prior", model)
        assert len(tables(tmp_path, *words)["rows"]) == 2
    found = tables(tmp_path, "--test-prior", "uniform", "--correct", "known")
    assert len(found["rows"]) == 1
    assert found["problems"] == [
        "class 'class 9' has no training image, so --model-prior train corrects none"
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--test-prior", "forwards-50"], "no test prior 'forwards-50'.*forward-50"),
        (["--test-prior", "forward-0.5"], "from 1 to"),
        (["--test-prior", "forward-nan"], "from 1 to"),
        (["--test-prior", "q.csv"], "q.csv cannot be read"),
        (["--correct", "known"], "add --test-prior"),
        (["--test-prior", "train", "--correct", "em"], "no correction 'em'"),
        (["--test-prior", "train", "--model-prior", "uniform"], "--correct alone"),
    ],
)
def test_bad_words_are_one_sentence(runs, words, message):
    with pytest.raises(UsageError, match=message) as raised:
        CliRunner().invoke(leaderboard, [str(runs), *words], catch_exceptions=False)
    assert "\n" not in str(raised.value)


EVEN = dict.fromkeys(CLASSES, 0.1)
FILES = {
    "sum.json": (json.dumps(EVEN | {"class 0": 0.2}), "sum to 1.1 and must sum to 1"),
    "more.json": (json.dumps({**EVEN, "class 0": 0.05, "class x": 0.05}), "'class x' is no class"),
    "less.csv": ("\n".join(f"class {c},{1 / 9}" for c in range(9)), "no probability of 'class 9'"),
    "twice.csv": ("class 0,0.5\nclass 0,0.5", "'class 0' stands there twice"),
    "twice.json": ('{"class 0": 0.5, "class 0": 0.5}', "stands there twice"),
    "negative.csv": ("class,probability\nclass 0,1.5\nclass 1,-0.5", "is -0.5"),
    "nan.json": ('{"class 0": NaN}', "is nan"),
    "huge.json": ('{"class 0": 1' + "0" * 400 + "}", "is inf|is not JSON"),
    "text.json": ('{"class 0": "half"}', "not a number"),
    "true.json": ('{"class 0": true}', "not a number"),
    "list.json": ("[0.5, 0.5]", "does not hold an object"),
    "deep.json": ("[" * 100_000, "is not JSON"),
    "words.csv": ("class 0,0.5\nclass 1;0.5", "is not a class and its probability"),
    "quote.csv": ('"class 0,0.5', "is not a CSV"),
    "empty.csv": ("", "sum to 0"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files_are_one_sentence(runs, tmp_path, name):
    text, message = FILES[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message) as raised:
        CliRunner().invoke(leaderboard, [str(runs), "--test-prior", str(tmp_path / name)],
                           catch_exceptions=False)  # fmt: skip
    assert "\n" not in str(raised.value)
    assert name in str(raised.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_what_is_no_text_is_refused(tmp_path, content):
    path = tmp_path / "q.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UsageError, match=r"q\.csv (is not UTF-8|cannot be read)"):
        parse_priors([str(path)])


def test_a_csv_may_have_a_heading_quotes_and_a_mark_of_order(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text('\ufeffclass,probability\n"a, b",0.25\n\nc,0.75\n', encoding="utf-8")
    (prior,) = parse_priors([str(path)])
    assert list(prior.over(["c", "a, b"], np.array([1, 1]))) == [0.75, 0.25]


def test_ties_one_class_and_words_typed_twice():
    forward, uniform = parse_priors(["forward-4", "uniform,forward-4"])
    assert list(forward.over(["a", "b", "c"], np.array([5, 5, 9])) * 7) == pytest.approx([2, 1, 4])
    assert list(forward.over(["a"], np.array([3]))) == [1]
    assert list(uniform.over(["a", "b"], np.array([3, 0]))) == [0.5, 0.5]
    with pytest.raises(UsageError, match="no training images"):
        parse_priors(["train"])[0].over(["a", "b"], np.array([0, 0]))


def test_domains_without_test_images_have_no_part_in_it(tmp_path):
    """As where a domain is left out of training and is the whole test."""
    folder = write_run(tmp_path)
    (table,) = split_tables(load_runs(tmp_path))
    expected = by_hand(folder, "forward-10")[0]
    assert prior_accuracies(table, ["forward-10"])["accuracy"][0] == pytest.approx(expected)
    for name in ("result", "spec"):
        path = folder / f"{name}.json"
        document = json.loads(path.read_text())
        if name == "result":
            document["confusion"] = {"mnist": document["confusion"]["mnist"]}
        else:
            document["data"]["counts"]["test"][1:] = [[0] * 10, [0] * 10]
        path.write_text(json.dumps(document))
    (table,) = split_tables(load_runs(tmp_path))
    alone = by_hand(folder, "forward-10")[0]
    assert prior_accuracies(table, ["forward-10"])["accuracy"][0] == pytest.approx(alone)
    assert alone != pytest.approx(expected)
