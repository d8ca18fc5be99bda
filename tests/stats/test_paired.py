"""Methods that share their first stage are compared seed by seed, against SciPy and simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated_tables import METRICS, bound, claims_something, unequal

from ltbench.stats.claims import Analysis, analyse
from ltbench.stats.groups import Groups
from ltbench.stats.omnibus import welch_anova
from ltbench.stats.paired import paired_methods, paired_test
from ltbench.stats.pairwise import all_pairs
from ltbench.stats.reference import against_reference

PAIRS = frozenset({frozenset({"erm", "erm+crt"})})
ERM = np.array([0.61, 0.68, 0.64, 0.70, 0.59])
CRT = ERM + np.array([0.02, 0.012, 0.03, 0.018, 0.025])
OTHER = np.array([0.66, 0.62, 0.70, 0.65, 0.61])


def test_t_is_that_of_the_differences() -> None:
    groups = Groups(("erm", "erm+crt", "boda"), (ERM, CRT, OTHER), pairs=PAIRS)
    table = against_reference({"x": groups}, "erm").set_index("label")
    theirs = stats.ttest_rel(CRT, ERM)
    interval = theirs.confidence_interval()
    row = table.loc["erm+crt"]
    assert (row["t"], row["df"], row["p"]) == pytest.approx((theirs.statistic, 4, theirs.pvalue))
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["difference"] == pytest.approx(CRT.mean() - ERM.mean())
    welch = stats.ttest_ind(OTHER, ERM, equal_var=False)
    assert table.loc["boda", "p"] == pytest.approx(welch.pvalue)
    assert table["paired"].to_dict() == {"erm+crt": True, "boda": False}


def test_test_images_widen_it() -> None:
    images = np.array([[4e-4, 3e-4], [3e-4, 4e-4]])
    groups = Groups(("erm", "erm+crt"), (ERM, CRT), images, pairs=PAIRS)
    row = against_reference({"x": groups}, "erm").iloc[0]
    seeds = np.sqrt((CRT - ERM).var(ddof=1) / 5)
    assert row["t"] == pytest.approx((CRT - ERM).mean() / np.hypot(seeds, np.sqrt(2e-4)))
    rng = np.random.default_rng(0)
    apart = seeds * rng.standard_t(4, 400_000) + np.sqrt(2e-4) * rng.standard_normal(400_000)
    assert row["p"] == pytest.approx((np.abs(apart) > (CRT - ERM).mean()).mean(), abs=0.003)
    assert row["high"] - row["difference"] == pytest.approx(np.quantile(np.abs(apart), 0.95),
                                                            rel=0.01)  # fmt: skip
    omnibus = welch_anova(groups)
    assert omnibus.p_calibrated == pytest.approx(row["p"])
    assert omnibus.p == pytest.approx(stats.ttest_rel(CRT, ERM).pvalue)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 5.0])
@pytest.mark.parametrize("n", [3, 5])
def test_seeds_and_images_together_claim_no_more(n: int, ratio: float) -> None:
    """At one metric; the variance by images is ``ratio`` times that by seeds."""
    rng = np.random.default_rng(n)
    images = np.diag([ratio / n, 0.0])
    rejected = 0
    for _ in range(600):
        first = rng.normal(size=n)
        second = first + rng.normal(size=n) + rng.normal() * np.sqrt(ratio / n)
        test = paired_test(Groups(("erm", "erm+crt"), (first, second), images, pairs=PAIRS), 0, 1)
        assert test is not None
        rejected += test.p <= 0.05
    assert rejected / 600 <= bound(600)


def test_two_methods_alone_have_one_test_for_everything() -> None:
    groups = Groups(("erm", "erm+crt"), (ERM, CRT), pairs=PAIRS)
    theirs = stats.ttest_rel(CRT, ERM)
    omnibus = welch_anova(groups)
    assert (omnibus.test, omnibus.df1, omnibus.df2) == ("paired", 1, 4)
    assert omnibus.statistic == pytest.approx(theirs.statistic**2)
    assert omnibus.p_calibrated == pytest.approx(theirs.pvalue)
    pair = all_pairs(groups).iloc[0]
    assert pair["p"] == pytest.approx(theirs.pvalue)
    assert (-pair["high"], -pair["low"]) == pytest.approx(tuple(theirs.confidence_interval()))


def test_differences_that_do_not_vary_are_judged_as_before() -> None:
    groups = Groups(("erm", "erm+crt"), (ERM, ERM + 0.01), pairs=PAIRS)
    row = against_reference({"x": groups}, "erm").iloc[0]
    assert row["p"] == pytest.approx(stats.ttest_ind(ERM + 0.01, ERM, equal_var=False).pvalue)
    assert not row["paired"], "no row says that Welch's t is of differences seed by seed"
    assert welch_anova(groups).test == "Welch"


def frame(seeds: dict[str, list[int]]) -> pd.DataFrame:
    rows = [(label, seed, metric, 0.5 + 0.01 * seed)
            for label, own in seeds.items() for seed in own for metric in "xy"]  # fmt: skip
    return pd.DataFrame(rows, columns=["label", "seed", "metric", "value"])


def test_only_equal_seeds_are_paired_and_three_of_them_or_more() -> None:
    three = [0, 1, 2]
    scores = frame({"erm": three, "same": three, "fewer": [0, 1], "others": [1, 2, 3]})
    shared = {"same", "fewer", "others"}
    assert paired_methods(scores, "erm", shared) == {"same"}
    assert paired_methods(frame({"erm": [0, 1], "same": [0, 1]}), "erm", {"same"}) == frozenset()
    scores.loc[(scores["label"] == "same") & (scores["metric"] == "y"), "value"] = np.nan
    assert paired_methods(scores, "erm", {"same"}) == frozenset()


def drawn(rng: np.random.Generator, methods: int, family: int, shared: float, n: int) -> Analysis:
    names = ["erm", *(f"m{i}" for i in range(1, methods))]
    scores = unequal(rng, (n,) * methods, np.full(methods, 0.01), shared=shared, family=family)
    return analyse(
        scores,
        primary=METRICS[0],
        declared=METRICS,
        reference="erm",
        first_stages={name: f"first {i // family}" for i, name in enumerate(names)},
        shared=names[1:family],
        draws=399,
    )


def error_rate(tables: int, methods: int, family: int, shared: float, n: int) -> float:
    rng = np.random.default_rng([methods, family, n, int(100 * shared)])
    return float(
        np.mean([claims_something(drawn(rng, methods, family, shared, n)) for _ in range(tables)])
    )


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_two_methods_of_one_stage_claim_no_more(shared: float) -> None:
    assert error_rate(300, 2, 2, shared, 3) <= bound(300)


CELLS = [(2, 2), (3, 3), (4, 2), (12, 3)]


@pytest.mark.slow
@pytest.mark.parametrize(("methods", "family"), CELLS)
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("seeds", [3, 5])
def test_paired_comparisons_claim_no_more(
    methods: int, family: int, shared: float, seeds: int
) -> None:
    rate = error_rate(1_000, methods, family, shared, seeds)
    print(f"family-wise error, {methods} in families of {family}, {seeds} seeds, {shared}: {rate}")
    assert rate <= bound(1_000)


def marked_wrongly(tables: int, shared: float, n: int, sd: float) -> float:
    """Return how often a mark is wrong where another method makes the analysis of variance pass."""
    rng = np.random.default_rng([n, int(100 * shared), int(1000 * sd)])
    wrong = 0
    for _ in range(tables):
        scores = unequal(rng, (n,) * 4, np.array([0.01, sd, sd, 0.01]), shared=shared, family=3)
        scores.loc[scores["label"] == "m3", "value"] -= 0.3
        analysis = analyse(
            scores, primary=METRICS[0], declared=METRICS, reference="erm",
            shared=["m1", "m2"], draws=199,
        )  # fmt: skip
        marks = analysis.comparisons[analysis.comparisons["label"] != "m3"]
        wrong += bool(marks["claimed"].any())
    return wrong / tables


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("sd", [0.01, 0.03])
def test_marks_of_equal_methods_beside_another(shared: float, seeds: int, sd: float) -> None:
    rate = marked_wrongly(1_000, shared, seeds, sd)
    print(f"wrong marks beside a worse method, {seeds} seeds, shared {shared}, sd {sd}: {rate}")
    assert rate <= bound(1_000)


def found(tables: int, shared: float, methods: int, pairing: bool) -> float:
    """Return how often a method 1.5 deviations above its own first stage is marked."""
    rng = np.random.default_rng([methods, int(100 * shared)])
    marks = 0
    for _ in range(tables):
        scores = unequal(rng, (5,) * methods, np.full(methods, 0.01), shared=shared, family=2)
        scores.loc[scores["label"] == "m1", "value"] += 0.015
        if methods > 2:
            scores.loc[scores["label"] == f"m{methods - 1}", "value"] -= 0.1
        analysis = analyse(
            scores, primary=METRICS[0], declared=METRICS[:1], reference="erm",
            shared=["m1"] if pairing else (), draws=199,
        )  # fmt: skip
        marks += bool(analysis.comparisons.set_index("label").loc["m1", "claimed"])
    return marks / tables


def test_what_shares_a_stage_is_told_apart_more_often() -> None:
    assert found(60, 0.8, 2, True) > found(60, 0.8, 2, False) + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.3, 0.5, 0.8, 0.9])
@pytest.mark.parametrize("methods", [2, 4])
def test_power(shared: float, methods: int) -> None:
    paired, apart = (found(400, shared, methods, pairing) for pairing in (True, False))
    print(f"found, {methods} methods, shared {shared}: paired {paired:.2f}, Welch {apart:.2f}")
    assert paired >= apart - (0.02 if shared >= 0.5 else 0.15)
