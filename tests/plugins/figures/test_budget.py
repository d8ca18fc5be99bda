"""The best against the number of trials, beside enumeration, simulation and the formula printed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from ltbench_figures.budget import best_so_far, draw_budget, expected_best

from ltbench.cli.figures import figures
from ltbench.errors import UsageError
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.look import style
from ltbench.report.trials import Trials
from ltbench.results.frame import as_frames
from ltbench.results.run import canonical_hash
from ltbench.testing.synthetic_runs import write_run, write_study

SMALL = {"classes": 4, "per_class": 4}


def enumerated(values: np.ndarray, scores: np.ndarray, draws: int) -> tuple[float, float]:
    """Return mean and deviation over every sequence of so many draws; ties count as equals."""
    found, weights = [], []
    for sequence in itertools.product(range(len(values)), repeat=draws):
        done = [i for i in sequence if not np.isnan(values[i])]
        if not done:
            continue
        top = max(values[i] for i in done)
        tied = [i for i in done if values[i] == top]
        found += [scores[i] for i in tied]
        weights += [1 / len(tied)] * len(tied)
    mean = np.average(found, weights=weights)
    return mean, np.sqrt(np.average((np.array(found) - mean) ** 2, weights=weights))


@pytest.mark.parametrize(
    "values",
    [
        [0.3, 0.1, 0.7, 0.5],
        [0.3, 0.7, 0.7, 0.5],  # the best is not the only one
        [0.2, 0.2, 0.2, 0.2],
        [0.3, np.nan, 0.7, np.nan],  # half of the trials failed
        [0.4],
    ],
)
def test_it_is_what_enumeration_of_all_searches_gives(values):
    values = np.array(values)
    scores = np.array([0.9, 0.2, 0.4, 0.6])[: len(values)]
    draws = np.arange(1, 6)
    for one in (values, scores):
        means, deviations = expected_best(values, one, draws)
        for n, mean, deviation in zip(draws, means, deviations, strict=True):
            assert (mean, deviation) == pytest.approx(enumerated(values, one, n), abs=1e-12)


def test_it_is_the_sum_that_dodge_et_al_print():
    """Equation of section 3: the sum over v of v (P(V <= v)^n - P(V < v)^n)."""
    values = np.random.default_rng(0).choice([0.1, 0.2, 0.4, 0.5, 0.8], 30)
    for n in (1, 2, 7, 30):
        printed = sum(
            v * (np.mean(values <= v) ** n - np.mean(values < v) ** n) for v in set(values.tolist())
        )
        assert expected_best(values, values, np.array([n]))[0][0] == pytest.approx(printed)


def test_it_is_what_many_searches_find():
    generator = np.random.default_rng(1)
    values = generator.random(20)
    scores = 0.8 * values + 0.2 * generator.random(20)
    means, deviations = expected_best(values, scores, np.array([1, 4, 20]))
    for n, mean, deviation in zip((1, 4, 20), means, deviations, strict=True):
        drawn = generator.integers(20, size=(20_000, n))
        best = drawn[np.arange(20_000), values[drawn].argmax(1)]
        assert scores[best].mean() == pytest.approx(mean, abs=4 * deviation / np.sqrt(20_000))
        assert scores[best].std() == pytest.approx(deviation, rel=0.05)


def test_the_order_of_the_trials_makes_no_difference():
    values, scores = np.array([0.3, 0.7, np.nan, 0.7]), np.array([0.1, 0.5, 0.0, 0.9])
    draws, turned = np.arange(1, 9), [3, 2, 0, 1]
    first = expected_best(values, scores, draws)
    second = expected_best(values[turned], scores[turned], draws)
    assert np.allclose(first, second)
    assert np.all(np.diff(expected_best(values, values, draws)[0]) >= 0)


def test_where_all_trials_failed_there_is_no_best():
    nothing = np.full(3, np.nan)
    assert np.isnan(expected_best(nothing, nothing, np.array([1, 3]))).all()
    assert np.isnan(best_so_far(nothing, nothing)).all()


def test_the_best_so_far_is_the_first_of_equals():
    values = np.array([np.nan, 0.2, 0.2, 0.5, 0.1])
    scores = np.array([0.0, 0.3, 0.9, 0.4, 1.0])
    assert np.array_equal(best_so_far(values, scores), [np.nan, 0.3, 0.3, 0.4, 0.4], equal_nan=True)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tuned")
    write_study(root, algo="erm", values=(0.5, 0.6, 0.4), **SMALL)
    write_study(root, algo="boda", values=(0.3, 0.8, None, 0.6, 0.5), **SMALL)
    write_study(root, algo="brl", values=(0.4, 0.2, 0.6), search="bayes", **SMALL)
    return root


def drawn(root: Path, choices: Choices | None = None, **chosen):
    with style():
        data = FigureData(as_frames([]), tuning=Trials((root,), **chosen))
        return draw_budget(data, choices or Choices())


def test_every_method_is_drawn_up_to_its_own_budget(tuned):
    figure, frame = drawn(tuned)
    assert frame.groupby("method")["trials"].max().to_dict() == {"erm": 3, "boda": 5, "brl": 3}
    assert list(dict.fromkeys(frame["method"])) == ["boda", "erm", "brl"], "the best first"
    assert set(frame["axes"]) == {"hparams, lr"}
    erm, brl = (frame[frame["method"] == name] for name in ("erm", "brl"))
    assert erm["validation"].to_list() == pytest.approx(
        [0.5, (0.4 + 3 * 0.5 + 5 * 0.6) / 9, (0.4 + 7 * 0.5 + 19 * 0.6) / 27]
    )
    assert brl["validation"].to_list() == [0.4, 0.4, 0.6], "a Bayesian search as it went"
    assert (brl["validation_sd"] == 0).all()
    assert frame["test"].notna().all()
    left, right = figure.axes
    assert len(left.lines) == len(right.lines) == 3
    assert left.get_ylim() == right.get_ylim()
    assert "expected from the 3 to 5 of each method" in figure.get_suptitle().replace("\n", " ")
    assert "Bayesian searches as they went" in figure.get_suptitle().replace("\n", " ")
    assert np.allclose(left.lines[1].get_ydata(), 100 * erm["validation"])


def test_the_test_score_is_that_which_was_chosen(tuned):
    trials = Trials((tuned,), algos=["erm"]).frame
    _, frame = drawn(tuned, Choices(metric="accuracy_worst"), algos=["erm"])
    best = trials.loc[trials["value"].idxmax(), "test_accuracy_worst"]
    assert frame["test"].iloc[0] == pytest.approx(trials["test_accuracy_worst"].mean())
    lowest, highest = trials["test_accuracy_worst"].min(), trials["test_accuracy_worst"].max()
    assert frame["test"].between(lowest - 1e-9, highest + 1e-9).all()
    values, scores = trials["value"].to_numpy(), trials["test_accuracy_worst"].to_numpy()
    assert expected_best(values, scores, np.array([500]))[0][0] == pytest.approx(best)
    with pytest.raises(UsageError, match="did you mean 'accuracy_worst'"):
        drawn(tuned, Choices(metric="accuracy_wrost"))


def test_the_command_draws_trials_before_anything_was_run_with_them(tuned, tmp_path):
    output = tmp_path / "budget.png"
    words = ["budget", str(tuned), "--algo", "ERM", "--algo", "boda", "-o", str(output)]
    done = CliRunner().invoke(figures, words)
    assert done.exit_code == 0, done.output
    assert output.stat().st_size > 10_000
    assert {line.split(",")[0] for line in output.with_suffix(".csv").read_text().splitlines()} == {
        "method", "erm", "boda",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["budget"], "There are no runs"),
        (["budget", "--algo", "boad"], "There are no runs"),
    ],
)
def test_without_trials_the_message_is_of_the_runs(tmp_path, words, message):
    done = CliRunner().invoke(figures, [words[0], str(tmp_path), *words[1:]])
    assert isinstance(done.exception, UsageError) or done.exit_code == 2
    assert message in str(done.exception) + done.output


def test_runs_that_nobody_tuned_say_how_to(tmp_path):
    write_run(tmp_path, **SMALL)
    done = CliRunner().invoke(figures, ["budget", str(tmp_path)])
    assert "`ltbench tune --algo" in str(done.exception) + done.output


def test_trials_of_two_tables_are_not_drawn_together(tuned, tmp_path):
    for steps in (10, 20):
        write_study(tmp_path, steps=steps, **SMALL)
    with pytest.raises(UsageError, match="2 tables and this figure shows one"):
        drawn(tmp_path)
    digits = set(Trials((tmp_path,)).frame["protocol_hash"])
    _, frame = drawn(tmp_path, protocols=[min(digits)[:8]])
    assert len(frame) == 4


@pytest.mark.parametrize(
    "own", [{"methods": {"boda": {"update": 5}}}, {"defaults": {"boda.a": 1}},
            {"memory_format": "channels_last"}],
)  # fmt: skip
def test_what_a_study_asks_of_its_method_alone_makes_no_table(tmp_path, own):
    write_study(tmp_path, algo="erm", **SMALL)
    study = write_study(tmp_path, **SMALL)
    document = json.loads(study.read_text())
    study.write_text(json.dumps({**document, "asked": {**document["asked"], **own}}))
    asked = document["asked"]
    setting = {key: asked[key] for key in ("dataset", "protocol", "backbone", "precision")}
    _, frame = drawn(tmp_path, protocols=[canonical_hash(setting)])
    assert set(frame["method"]) == {"erm", "boda"}


def test_two_studies_of_a_method_are_told_apart(tmp_path):
    write_study(tmp_path, values=(0.5, 0.6), axes=("hparams",), **SMALL)
    write_study(tmp_path, values=(0.5, 0.6, 0.7), **SMALL)
    _, frame = drawn(tmp_path)
    assert set(frame["method"]) == {
        "boda (hparams; random 2, seed 0)", "boda (hparams+lr; random 3, seed 0)",
    }  # fmt: skip


def test_two_studies_of_one_budget_are_two_curves(tmp_path):
    """Of another version of a plugin, or in another folder of runs."""
    one, other = tmp_path / "one", tmp_path / "other"
    studies = [write_study(root, values=(0.5, 0.6), **SMALL) for root in (one, other)]
    newer = studies[0].parent.with_name("abcdef012345") / studies[0].name
    newer.parent.mkdir()
    newer.write_text(studies[0].read_text())
    with style():
        data = FigureData(as_frames([]), tuning=Trials((one, other)))
        _, frame = draw_budget(data, Choices())
    label, digits = "boda (hparams+lr; random 2, seed 0)", studies[0].parent.name[:6]
    first, second = sorted((digits, "abcdef"))
    assert set(frame["method"]) == {
        label, f"{label} #{second}", f"{label} #{digits}{f' in {other}' if digits > first else ''}",
    }  # fmt: skip


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: "{",
        lambda d: json.dumps({**d, "asked": 3}),
        lambda d: json.dumps({**d, "results": [{"number": 0}]}),
        lambda d: json.dumps({**d, "results": {}}),
        lambda d: json.dumps({**d, "trials": "many"}),
        lambda d: json.dumps({**d, "metric": None}),
        lambda d: json.dumps({**d, "asked": {**d["asked"], "algorithm": 5}}),
    ],
)
def test_a_study_that_cannot_be_read_is_passed_over(tmp_path, spoil):
    study = write_study(tmp_path, **SMALL)
    write_study(tmp_path, algo="erm", **SMALL)
    study.write_text(spoil(json.loads(study.read_text())))
    assert set(Trials((tmp_path,)).frame["method"]) == {"erm"}


def test_hostile_words_of_a_study_reach_no_terminal(tmp_path):
    study = write_study(tmp_path, **SMALL)
    document = json.loads(study.read_text())
    document |= {"algo": "\x1b[31mred", "axes": ["\x1b"], "search": "\x07"}
    study.write_text(json.dumps(document))
    frame = Trials((tmp_path,)).frame
    assert "\x1b" not in "".join(frame[["method", "axes", "search"]].to_numpy().ravel())
