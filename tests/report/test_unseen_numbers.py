"""The mean over unseen domains and its tests, derived again from the runs' files alone."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unseen_runs import DOMAINS, set_score

from ltbench.report.content import Leaderboard
from ltbench.report.leaderboard import load_content
from ltbench.report.predictions import table_image_errors
from ltbench.report.prior_scores import prior_scores
from ltbench.report.summary import across_domains
from ltbench.report.unseen import means_over_domains
from ltbench.results.documents import read_predictions
from ltbench.stats.claims import analyse
from ltbench.stats.image_errors import image_errors
from ltbench.stats.priors import parse_priors
from ltbench.testing import write_run

METRIC = "accuracy_average"
# Seeds of each method: erm and coral unequal; dann lacks a domain; twin has erm's scores again.
SEEDS = {"erm": 6, "coral": 6, "focal": 5, "dann": 3, "twin": 6}


BASE = {"erm": 0.50, "coral": 0.54, "focal": 0.52, "dann": 0.6, "twin": 0.50}
SPREAD = {"erm": 0.01, "coral": 0.02, "focal": 0.015, "dann": 0.01, "twin": 0.01}
EASE = dict(zip(DOMAINS, (0.2, 0.0, -0.2), strict=True))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for algo, seeds in SEEDS.items():
        for place, domain in enumerate(DOMAINS):
            if (algo, domain) == ("dann", "mnist-m"):
                continue
            for seed in range(seeds):
                diverged = (algo, domain, seed) == ("coral", "optdigits", 1)
                folder = write_run(
                    root, algo=algo, seed=seed, options={"unseen": [domain]}, arrays=False,
                    error="diverged" if diverged else None,
                )  # fmt: skip
                if not diverged:
                    own = 0 if algo in ("erm", "twin") else len(algo)
                    drawn = np.random.default_rng([seed, place, own]).normal()
                    score = BASE[algo] + EASE[domain] + SPREAD[algo] * drawn
                    set_score(folder, accuracy_average=score, accuracy_worst=score)
    return root


def from_files(root: Path) -> dict[str, dict[int, dict[str, float]]]:
    """Return score by method, seed and unseen domain, read without the suite."""
    found: dict[str, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for path in root.rglob("result.json"):
        spec = json.loads((path.parent / "spec.json").read_text())
        (domain,) = spec["identity"]["dataset"]["options"]["unseen"]
        score = json.loads(path.read_text())["test"][METRIC]
        found[spec["identity"]["algorithm"]["name"]][spec["seed"]][domain] = score
    return found


@pytest.fixture(scope="module")
def means(runs: Path) -> dict[str, np.ndarray]:
    """The mean over domains of each seed that has all of them."""
    return {
        algo: np.array([np.mean(list(s.values())) for s in seeds.values() if len(s) == 3])
        for algo, seeds in from_files(runs).items()
    }


@pytest.fixture(scope="module")
def board(runs: Path) -> Leaderboard:
    (board,) = load_content(runs).boards
    return board


def test_means_and_intervals(board: Leaderboard, means: dict[str, np.ndarray]) -> None:
    assert {algo: len(values) for algo, values in means.items()} == {
        "erm": 6, "coral": 5, "focal": 5, "dann": 0, "twin": 6
    }  # fmt: skip
    for row in board.rows:
        cell, values = row.cells[METRIC], means[row.label]
        assert row.done == len(values)
        if not len(values):
            assert np.isnan(cell.mean)
            continue
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert cell.mean == pytest.approx(values.mean())
        assert cell.half_width == pytest.approx((high - low) / 2)


def test_columns_of_one_domain_have_every_seed_there(runs: Path, board: Leaderboard) -> None:
    scores = from_files(runs)
    for row in board.rows:
        for domain in DOMAINS:
            cell = row.cells[f"accuracy_unseen_{domain}"]
            own = {s: found[domain] for s, found in scores[row.label].items() if domain in found}
            assert dict(cell.values) == pytest.approx(own)
            assert (np.mean(list(own.values())) if own else np.nan) == pytest.approx(
                cell.mean, nan_ok=True
            )


def test_the_analysis_of_variance(board: Leaderboard, means: dict[str, np.ndarray]) -> None:
    compared = [values for values in means.values() if len(values) >= 3]
    test = board.analysis.omnibus[METRIC]
    theirs = stats.f_oneway(*compared, equal_var=False)
    assert (test.statistic, test.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert test.methods == 4
    # The parametric bootstrap again, for methods of five seeds or more that do not differ.
    rng = np.random.default_rng(11)
    n = np.array([len(v) for v in compared])
    s2 = np.array([v.var(ddof=1) for v in compared])
    drawn = []
    for _ in range(4_000):
        samples = [
            (rng.normal(0, np.sqrt(v / k)), v * rng.chisquare(k - 1) / (k - 1))
            for v, k in zip(s2, n, strict=True)
        ]
        drawn.append(welch(np.array([m for m, _ in samples]), np.array([v for _, v in samples]), n))
    p = (1 + np.sum(np.array(drawn) >= theirs.statistic)) / 4_001
    assert test.p_calibrated == pytest.approx(p, abs=0.02)


def welch(means: np.ndarray, variances: np.ndarray, n: np.ndarray) -> float:
    k, w = len(n), n / variances
    centre = (w * means).sum() / w.sum()
    spread = ((1 - w / w.sum()) ** 2 / (n - 1)).sum()
    between = (w * (means - centre) ** 2).sum() / (k - 1)
    return float(between / (1 + 2 * (k - 2) / (k**2 - 1) * spread))


def test_comparisons_with_the_reference(board: Leaderboard, means: dict[str, np.ndarray]) -> None:
    own = board.analysis.comparisons
    own = own[own["metric"] == METRIC].set_index("label")
    assert set(own.index) == {"coral", "focal", "twin"}
    for label in own.index:
        theirs = stats.ttest_ind(means[label], means["erm"], equal_var=False)
        difference = means[label].mean() - means["erm"].mean()
        assert own["difference"][label] == pytest.approx(difference, abs=1e-12)
        assert own["t"][label] == pytest.approx(theirs.statistic, abs=1e-9)
        assert own["p"][label] == pytest.approx(theirs.pvalue, abs=1e-9)
    assert own["p"]["twin"] == pytest.approx(1)


def test_ranks_over_domains_with_ties(runs: Path, board: Leaderboard) -> None:
    scores = from_files(runs)
    wide = pd.DataFrame(
        {
            algo: {d: np.mean([s[d] for s in seeds.values() if d in s]) for d in DOMAINS}
            for algo, seeds in scores.items()
            if algo != "dann"
        }
    )
    summary = across_domains(board.table, METRIC)
    assert summary is not None
    theirs = stats.friedmanchisquare(*(wide[algo] for algo in wide))
    assert summary.result.statistic == pytest.approx(theirs.statistic)
    assert summary.result.incomplete == ("dann",)
    ranks = wide.rank(axis=1, ascending=False).mean()
    assert ranks["erm"] == ranks["twin"]
    for algo, rank in ranks.items():
        assert summary.result.mean_ranks[algo] == pytest.approx(rank)


def test_the_error_of_test_images_is_that_of_all_domains(tmp_path: Path) -> None:
    folders: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for algo in ("erm", "coral"):
        for domain in DOMAINS:
            for seed in range(3):
                folders[algo, domain].append(
                    write_run(tmp_path, algo=algo, seed=seed, options={"unseen": domain})
                )
    (board,) = load_content(tmp_path).boards
    found = table_image_errors(board.table, board.table.long_scores([METRIC]))
    assert found is not None
    expected = np.zeros((2, 2))
    for domain in DOMAINS:
        arrays = {a: [read_predictions(f) for f in folders[a, domain]] for a in found.names}
        truth = arrays["erm"][0]["class"]
        guesses = {a: [one["prediction"] for one in own] for a, own in arrays.items()}
        one = image_errors(guesses, truth, np.zeros_like(truth))
        assert one is not None
        expected += one.covariances[METRIC] / len(DOMAINS) ** 2
    assert found.covariances[METRIC] == pytest.approx(expected, rel=1e-3)
    assert METRIC in board.analysis.over_images


def test_accuracy_under_another_distribution_is_the_mean_over_domains(tmp_path: Path) -> None:
    recalls: dict[int, list[np.ndarray]] = defaultdict(list)
    for domain in DOMAINS:
        for seed in range(2):
            folder = write_run(tmp_path, seed=seed, options={"unseen": domain}, arrays=False)
            confusion = json.loads((folder / "result.json").read_text())["confusion"]
            assert list(confusion) == [domain]
            matrix = np.array(confusion[domain])
            recalls[seed].append(np.diagonal(matrix) / matrix.sum(axis=1))
    write_run(tmp_path, seed=2, options={"unseen": "mnist"}, arrays=False)
    (board,) = load_content(tmp_path, test_priors=parse_priors(["uniform"])).boards
    found = prior_scores(board.table, parse_priors(["uniform"])).frame.set_index("seed")
    assert sorted(found.index) == [0, 1]
    for seed, own in recalls.items():
        assert found["accuracy"][seed] == pytest.approx(np.mean(own))
        # Binomial: ten images of each of ten classes, three domains of equal weight.
        variance = sum((r * (1 - r) / 10).sum() / 100 for r in own) / 9
        assert found["image_error"][seed] == pytest.approx(np.sqrt(variance), rel=0.1)


def drawn(rng: np.random.Generator, methods: int, seeds: int) -> np.ndarray:
    """Draw scores (methods, seeds, domains) of methods that are equal in the mean over domains.

    Domains differ in how hard and how noisy they are, a method is better on one and worse on
    another, and half of the variance is common to a seed's runs on all domains.
    """
    hard = rng.normal(0.6, 0.1, 4)
    taste = rng.normal(0, 0.03, (methods, 4))
    taste -= taste.mean(axis=1, keepdims=True)
    common = rng.normal(0, 0.0125, (methods, seeds, 1))
    own = rng.normal(0, 1, (methods, seeds, 4)) * np.array([0.005, 0.01, 0.01, 0.02])
    return np.asarray(hard + taste[:, None] + common + own)


def as_the_table_has_them(values: np.ndarray) -> pd.DataFrame:
    """Return the means over domains that a table makes of scores (methods, seeds, domains)."""
    methods, seeds, number = values.shape
    domains = [f"d{i}" for i in range(number)]
    names = ["erm", *(f"m{i}" for i in range(1, methods))]
    index = pd.MultiIndex.from_product(
        [names, range(seeds), domains], names=["label", "seed", "domain"]
    )
    rows = index.to_frame(index=False).assign(chosen="seen", status="done", seconds=1.0)
    rows = rows.assign(options=[{}] * len(rows), metrics=[{}] * len(rows))
    scores = pd.DataFrame({METRIC: values.ravel()})
    found = means_over_domains(rows, scores, domains, dict.fromkeys(domains, ("seen",)))
    wide = found.scores[[METRIC]].assign(label=found.table["label"], seed=found.table["seed"])
    return wide.melt(["label", "seed"], var_name="metric", value_name="value")


def two_way(values: np.ndarray) -> bool:
    """Whether methods differ by the textbook's two-way analysis, seeds being its replicates."""
    methods, seeds, domains = values.shape
    between = seeds * domains * values.mean(axis=(1, 2)).var(ddof=1)
    within = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum()
    freedom = methods * domains * (seeds - 1)
    return bool(stats.f.sf(between / (within / freedom), methods - 1, freedom) <= 0.05)


def error_rates(methods: int, seeds: int, tables: int) -> tuple[float, float]:
    """Return how often a table claims a difference, and how often the two-way analysis would."""
    rng = np.random.default_rng([methods, seeds])
    claimed = textbook = 0
    for _ in range(tables):
        values = drawn(rng, methods, seeds)
        analysis = analyse(
            as_the_table_has_them(values), primary=METRIC, declared=[METRIC], reference="erm",
            draws=399,
        )  # fmt: skip
        claimed += (
            analysis.claims(METRIC)
            or len(set(analysis.letters.values())) > 1
            or bool(analysis.comparisons["claimed"].any())
        )
        textbook += two_way(values)
    return claimed / tables, textbook / tables


def bound(tables: int) -> float:
    return 0.05 + 2 * float(np.sqrt(0.05 * 0.95 / tables))


@pytest.mark.parametrize(("methods", "seeds"), [(4, 3), (4, 5)])
def test_methods_that_are_equal_in_the_mean_are_rarely_told_apart(methods: int, seeds: int) -> None:
    rate, _ = error_rates(methods, seeds, 120)
    assert rate <= bound(120)


@pytest.mark.slow
@pytest.mark.parametrize(("methods", "seeds"), [(2, 5), (4, 3), (4, 5), (12, 3), (12, 5)])
def test_the_error_is_held_where_seeds_go_together_over_domains(methods: int, seeds: int) -> None:
    rate, textbook = error_rates(methods, seeds, 1_000)
    print(f"error, {methods} methods, {seeds} seeds: {rate:.3f}; two-way: {textbook:.3f}")
    assert rate <= bound(1_000)
    assert textbook > bound(1_000)
