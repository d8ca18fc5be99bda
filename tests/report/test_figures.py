"""Figures: what they draw, from two methods to twenty, and one seed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic_runs import write_run

from ltbench.errors import DataError, UsageError
from ltbench.report.figures.critical_difference import unbroken
from ltbench.report.figures.drawing import KINDS, Choices, write_figure
from ltbench.report.figures.style import PALETTE, class_colors, shortened, style
from ltbench.report.figures.transferability import plane
from ltbench.report.selection import select_runs
from ltbench.results.documents import read_confusion, read_features
from ltbench.results.frame import Runs, load_runs
from ltbench.stats.across import nemenyi_distance
from ltbench.stats.classification import f1

ONE_METHOD = ("sensitivity", "transferability")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two")
    for algo, seed in itertools.product(("erm", "boda"), range(3)):
        write_run(root, algo=algo, seed=seed, skill=0.5 if algo == "erm" else 0.7, per_class=4)
    return root


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twenty")
    for m in range(20):
        name = f"a-method-with-a-rather-long-name-{m}$_x"
        write_run(root, algo=name, skill=0.5 + m / 50, per_class=2, classes=65)
    return root


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("datasets")
    for m, d in itertools.product(range(4), range(5)):
        write_run(root, algo=f"m{m}", skill=0.4 + m / 10, dataset=f"data-{d}", arrays=False)
    return root


def draw(kind: str, root: Path, output: Path, *algos: str, **choices: object) -> pd.DataFrame:
    runs = select_runs(load_runs(root), algos)
    figure, numbers = write_figure(kind, runs, Choices(**choices), output)  # type: ignore[arg-type]
    assert figure.stat().st_size > 2_000
    return pd.read_csv(numbers)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("kind", ["distribution", "violin", "heatmap", "convergence"])
def test_two_methods_in_every_format(two: Path, tmp_path: Path, kind: str, suffix: str) -> None:
    assert len(draw(kind, two, tmp_path / f"figure{suffix}"))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"cd", "tsne", *ONE_METHOD}))
def test_twenty_methods_65_classes_and_one_seed(twenty: Path, tmp_path: Path, kind: str) -> None:
    assert len(draw(kind, twenty, tmp_path / "figure.png"))
    with mpl.rc_context(), style():
        figure, _ = KINDS[kind](load_runs(twenty), Choices())
        figure.canvas.draw()
        inside = figure.bbox
        for axis in figure.axes:
            for text in axis.get_xticklabels() + axis.get_yticklabels():
                box = text.get_window_extent()
                if text.get_visible() and text.get_text() and box.width:
                    assert inside.x0 - 2 <= box.x0, text
                    assert inside.y0 - 2 <= box.y0, text


@pytest.mark.parametrize("kind", ["violin", "convergence", "tsne", "distribution"])
def test_legends_lie_within_the_page(two: Path, kind: str) -> None:
    with style():
        figure, _ = KINDS[kind](load_runs(two), Choices())
        figure.canvas.draw()
        assert figure.legends
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert figure.bbox.x0 <= box.x0
            assert box.x1 <= figure.bbox.x1


def test_the_same_runs_give_the_same_file(two: Path, tmp_path: Path) -> None:
    for suffix in (".svg", ".pdf", ".png"):
        for name in ("a", "b"):
            draw("violin", two, tmp_path / f"{name}{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_the_heat_map_draws_the_mean_f1_of_the_matrices(two: Path, tmp_path: Path) -> None:
    numbers = draw("heatmap", two, tmp_path / "figure.png", "boda")
    runs = load_runs(two).table
    matrices = [
        read_confusion(Path(p), ["mnist", "mnist-m", "optdigits"], 10)
        for p in runs["path"][runs["label"] == "boda"]
    ]
    expected = np.mean([f1(m) for m in matrices], axis=0)
    np.testing.assert_allclose(numbers["value"].to_numpy().reshape(3, 10), expected)


def test_the_distribution_is_sorted_and_counts_every_image(two: Path, tmp_path: Path) -> None:
    numbers = draw("distribution", two, tmp_path / "figure.png")
    for _, part in numbers.groupby("domain"):
        assert part["train"].is_monotonic_decreasing
    assert (numbers["train"] == 0).sum() == 2
    assert set(numbers.loc[numbers["train"] == 0, "shots"]) == {"zero"}
    assert set(numbers.loc[numbers["train"] > 60, "shots"]) == {"many"}


def test_convergence_passes_over_torn_lines_and_counts_stages_on(tmp_path: Path) -> None:
    folder = write_run(tmp_path, algo="boda", stages=["crt"], arrays=False)
    entries = [
        {"stage": stage, "step": step, "losses": {"total": 1}, "val": {"macro_f1_average": 0.5}}
        for stage, step in (("boda", 25), ("boda", 50), ("crt", 25))
    ]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, entries)) + "\n{torn")
    numbers = draw("convergence", tmp_path, tmp_path / "figure.png")
    assert numbers["step"].tolist() == [25, 50, 75]
    (folder / "log.jsonl").write_text("")
    with pytest.raises(DataError, match="readable log"):
        draw("convergence", tmp_path, tmp_path / "figure.png")


def test_features_by_class_and_domain(two: Path, tmp_path: Path) -> None:
    numbers = draw("tsne", two, tmp_path / "figure.png", seed=1)
    assert set(numbers["seed"]) == {1}
    assert set(numbers["label"]) == {"erm", "boda"}
    assert len(numbers) == 2 * 3 * 10 * 4
    with pytest.raises(UsageError, match="seed 9"):
        draw("tsne", two, tmp_path / "figure.png", seed=9)


def test_the_map_of_pairs(two: Path, tmp_path: Path) -> None:
    numbers = draw("transferability", two, tmp_path / "figure.svg", "boda")
    assert len(numbers) == 30
    with pytest.raises(UsageError, match="--algo among"):
        draw("transferability", two, tmp_path / "figure.svg")
    folder = Path(load_runs(two).table["path"].iloc[0])
    centroids = read_features(folder)["centroids"].reshape(30, -1).astype(float)
    assert 0 < plane(centroids)[1] < 0.4


def test_points_of_a_plane_are_found_again() -> None:
    points = np.random.default_rng(0).normal(size=(12, 2))
    turned = points @ np.array([[0.6, -0.8], [0.8, 0.6]]) @ np.eye(2, 5)
    places, stress = plane(turned)
    assert stress < 1e-3
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.testing.assert_allclose(
        distances, np.linalg.norm(points[:, None] - points[None], axis=-1), atol=1e-2
    )


def sweep(root: Path, values: dict[str, list[float]]) -> None:
    base = {"alpha": 0.001, "beta": 0.01}
    for name, levels in values.items():
        for value in levels:
            hparams = {**base, name: value}
            write_run(root, algo="brl", hparams=hparams, label=f"brl[{hparams}]", arrays=False)


def test_sensitivity_varies_one_hyper_parameter_at_a_time(tmp_path: Path) -> None:
    sweep(tmp_path, {"alpha": [0.001, 0.1, 10.0], "beta": [0.01, 1.0]})
    write_run(tmp_path, algo="brl", hparams={"alpha": 5.0, "beta": 5.0}, label="both", arrays=False)
    numbers = draw("sensitivity", tmp_path, tmp_path / "figure.png")
    assert numbers.groupby("parameter")["value"].nunique().to_dict() == {"alpha": 3, "beta": 2}
    only = draw("sensitivity", tmp_path, tmp_path / "figure.png", parameter="beta")
    assert set(only["parameter"]) == {"beta"}


def test_sensitivity_says_what_is_missing(two: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 algorithms"):
        draw("sensitivity", two, tmp_path / "figure.png")
    with pytest.raises(UsageError, match="ltbench run --algo 'erm"):
        draw("sensitivity", two, tmp_path / "figure.png", "erm")


def test_critical_differences(datasets: Path, two: Path, tmp_path: Path) -> None:
    numbers = draw("cd", datasets, tmp_path / "figure.pdf", metric="accuracy_worst")
    assert numbers["mean_rank"].is_monotonic_increasing
    assert numbers["mean_rank"].sum() == pytest.approx(4 * 5 / 2)
    with pytest.raises(UsageError, match="across data sets"):
        draw("cd", two, tmp_path / "figure.pdf")
    few = load_runs(datasets)
    two_sets: Runs = few.where(few.table["dataset"].isin(["data-0", "data-1"]).to_numpy())
    with pytest.raises(UsageError, match="3 data sets"):
        write_figure("cd", two_sets, Choices(), tmp_path / "figure.pdf")


def test_bars_join_all_that_lie_closer_than_the_distance() -> None:
    assert unbroken(np.array([1.0, 2.0, 3.5, 4.0]), 1.6) == [(0, 1), (1, 2), (2, 3)]
    assert unbroken(np.array([1.0, 4.0]), 1.0) == []
    assert unbroken(np.linspace(1, 20, 20), nemenyi_distance(20, 6))[0] == (0, 12)


def test_several_tables_are_refused_with_the_choice(datasets: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"5 tables.*--dataset"):
        draw("violin", datasets, tmp_path / "figure.png")


def test_a_file_without_a_known_ending_is_refused(two: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        draw("violin", two, tmp_path / "figure.gif")


def test_colours_stay_apart_for_colour_blind_readers() -> None:
    """Machado, Oliveira & Fernandes, IEEE TVCG 15 (2009): full protanopia and deuteranopia."""
    eyes = {
        "typical": np.eye(3),
        "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                       [-0.003882, -0.048116, 1.051998]],
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                         [-0.011820, 0.042940, 0.968881]],
    }  # fmt: skip
    for name, matrix in eyes.items():
        seen = [_lab(np.array(mpl.colors.to_rgb(shade)), np.array(matrix)) for shade in PALETTE]
        nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
        assert nearest > 20, name
    assert len(class_colors(12)) == len(set(class_colors(12))) == 12
    assert len(set(class_colors(65))) == 65


def _lab(rgb: np.ndarray, eye: np.ndarray) -> np.ndarray:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    xyz = to_xyz @ np.clip(eye @ linear, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_names_are_cut_in_the_middle() -> None:
    assert shortened("short") == "short"
    cut = shortened("a" * 30 + "b" * 30, 21)
    assert len(cut) == 21
    assert (cut[0], cut[-1]) == ("a", "b")
