"""Figures: what they draw, from two methods to twenty, and one seed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from ltbench_figures import tsne
from ltbench_figures.critical_difference import unbroken
from ltbench_figures.sensitivity import spread
from ltbench_figures.style import PAGE_HEIGHT, dash, over_seeds, shortened
from ltbench_figures.transferability import plane
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic_runs import write_run

from ltbench.errors import DataError, UsageError
from ltbench.evaluation.classification import f1
from ltbench.plugins.manager import get_plugins
from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import draw as draw_kind
from ltbench.report.figures import write_figure
from ltbench.report.look import PAGE_WIDTH, PALETTE, style
from ltbench.report.selection import select_runs
from ltbench.report.trials import Trials
from ltbench.results.documents import read_confusion, read_features
from ltbench.results.frame import Runs, load_runs
from ltbench.stats.across import nemenyi_distance
from ltbench.testing import write_study

KINDS = [entry.name for entry in get_plugins()["figures"] if entry.distribution == "ltbench"]
ONE_METHOD = ("sensitivity", "transferability", "confusion")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two")
    for algo, seed in itertools.product(("erm", "boda"), range(3)):
        write_run(root, algo=algo, seed=seed, skill=0.5 if algo == "erm" else 0.7, per_class=4)
    for algo in ("erm", "boda"):
        write_study(root, algo=algo)
    return root


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twenty")
    for m in range(20):
        name = f"a-method-with-a-rather-long-name-{m}$_x"
        write_run(root, algo=name, skill=0.5 + m / 50, per_class=2, classes=65)
        if m < 12:  # as many as stand in one figure
            write_study(root, algo=name, per_class=2, classes=65)
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


def made(kind: str, runs: Runs, root: Path | None = None, **choices: object) -> Figure:
    data = FigureData(runs, tuning=Trials((root,) if root else ()))
    with style():
        figure, numbers = draw_kind(kind, data, Choices(**choices))  # type: ignore[arg-type]
        assert len(numbers)
        figure.canvas.draw()
    return figure


def written(figure: Figure) -> list[Text]:
    """Return every piece of text that is drawn outside of axes."""
    found = list(figure.texts)
    for legend in figure.legends:
        found += [*legend.get_texts(), legend.get_title()]
    for axes in figure.axes:
        if not axes.get_visible():
            continue
        found += [axes.title, axes._left_title]
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            found += [axis.label, *(tick.label1 for tick in ticks)]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


@pytest.fixture
def no_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put random places for those of t-SNE, which is slow and not what is tested."""

    class Random:
        def __init__(self, **options: object) -> None: ...

        def fit_transform(self, values: np.ndarray) -> np.ndarray:
            return np.random.default_rng(0).normal(size=(len(values), 2))

    monkeypatch.setattr(tsne, "TSNE", Random)


def assert_readable(figure: Figure) -> None:
    """Check that a page holds the figure, all letters lie on it and none on others."""
    width, height = figure.get_size_inches()
    assert width <= PAGE_WIDTH
    assert height <= PAGE_HEIGHT
    texts = written(figure)
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert text.get_fontsize() >= 6, text
        assert figure.bbox.x0 - 1 <= box.x0, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 - 1 <= box.y0, text
        assert box.y1 <= figure.bbox.y1 + 1, text
    for (one, a), (other, b) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        along = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across < 1 or along < 1, (one, other)


@pytest.mark.usefixtures("no_maps")
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"cd", *ONE_METHOD}))
def test_twenty_methods_65_classes_and_one_seed(twenty: Path, kind: str) -> None:
    assert_readable(made(kind, load_runs(twenty), twenty))


@pytest.mark.usefixtures("no_maps")
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"cd", *ONE_METHOD}))
def test_two_methods(two: Path, kind: str) -> None:
    assert_readable(made(kind, load_runs(two), two))


def test_the_map_of_65_classes_numbers_them(twenty: Path) -> None:
    runs = load_runs(twenty)
    one = runs.where((runs.table["label"] == runs.table["label"].iloc[0]).to_numpy())
    figure = made("transferability", one)
    assert_readable(figure)
    text = [text.get_text() for text in figure.axes[0].texts]
    assert text.count("64") == 3
    assert "64 class 64" in "\n".join(text)


def test_ranks_of_twenty_methods(tmp_path: Path) -> None:
    for m, d in itertools.product(range(20), range(3)):
        name = f"a-method-with-a-rather-long-name-{m}"
        write_run(tmp_path, algo=name, skill=0.3 + m / 40, dataset=f"data-{d}", arrays=False)
    figure = made("cd", load_runs(tmp_path))
    assert_readable(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)


@pytest.mark.parametrize("kind", ["violin", "convergence"])
def test_one_seed_has_no_interval(two: Path, kind: str) -> None:
    runs = load_runs(two)
    single = runs.where((runs.table["seed"] == 0).to_numpy())
    for chosen, spans in ((runs, 4), (single, 0)):
        figure = made(kind, chosen)
        shapes = [c for a in figure.axes for c in a.collections if isinstance(c, PolyCollection)]
        assert len(shapes) == spans
    assert "one seed" in "".join(text.get_text() for text in written(figure))


@pytest.mark.parametrize("kind", ["violin", "heatmap", "tsne", "transferability"])
def test_runs_without_a_result_are_refused(tmp_path: Path, kind: str) -> None:
    write_run(tmp_path, finished=False)
    with pytest.raises(UsageError, match="No run here is done"):
        made(kind, load_runs(tmp_path))


def test_how_many_seeds_a_mean_is_over() -> None:
    assert over_seeds([1, 1]) == "one seed"
    assert over_seeds([5]) == "mean over 5 seeds"
    assert over_seeds([5, 3]) == "mean over 3–5 seeds"


def test_figures_say_over_how_many_seeds(two: Path, tmp_path: Path) -> None:
    for kind in ("heatmap", "convergence"):
        figure = made(kind, load_runs(two))
        assert "mean over 3 seeds" in figure.get_suptitle()
    assert set(draw("heatmap", two, tmp_path / "figure.png")["seeds"]) == {3}
    assert "points: 3 seeds" in made("violin", load_runs(two)).axes[0].get_title(loc="left")
    runs = load_runs(two)
    last = (runs.table["label"] == "erm") & (runs.table["seed"] == 2)
    axis = made("violin", runs.where(~last.to_numpy())).axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["boda (3)", "erm (2)"]


@pytest.mark.usefixtures("no_maps")
@pytest.mark.parametrize("kind", ["violin", "convergence", "tsne", "distribution"])
def test_legends_lie_within_the_page(two: Path, kind: str) -> None:
    figure = made(kind, load_runs(two))
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


def test_pairs_without_test_images_are_hatched(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs")
    result = json.loads((folder / "result.json").read_text())
    result["confusion"]["mnist"][3] = [0] * 10
    (folder / "result.json").write_text(json.dumps(result))
    numbers = draw("heatmap", tmp_path / "runs", tmp_path / "figure.png")
    missing = numbers[numbers["value"].isna()]
    assert missing[["domain", "class"]].to_numpy().tolist() == [["mnist", "class 3"]]
    figure = made("heatmap", load_runs(tmp_path / "runs"))
    assert "hatched" in figure.get_suptitle()
    axis = figure.axes[0]
    assert axis.patch.get_hatch()
    assert axis.images[0].to_rgba(axis.images[0].get_array())[0, 3, 3] == 0


def test_the_lowest_panel_of_every_column_names_its_classes(twenty: Path) -> None:
    """Nineteen panels in two columns: the last of the second stands a row higher."""
    runs = load_runs(twenty)
    first = runs.table["label"].iloc[0]
    figure = made("heatmap", runs.where((runs.table["label"] != first).to_numpy()))
    named = [i for i, axis in enumerate(figure.axes[:20]) if len(axis.get_xticks())]
    assert [i for i in named if figure.axes[i].get_visible()] == [17, 18]


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


def test_convergence_names_the_unit_and_refuses_unknown_metrics(two: Path, tmp_path: Path) -> None:
    for folder in load_runs(two).table["path"].iloc[:1]:
        write = tmp_path / "runs" / "run"
        write.mkdir(parents=True)
        for name in ("spec.json", "result.json"):
            (write / name).write_bytes((Path(folder) / name).read_bytes())
        line = {"stage": "erm", "step": 25, "losses": {"total": 1.0}, "val": {"loss": 2.0}}
        (write / "log.jsonl").write_text(json.dumps(line))
    runs = load_runs(tmp_path / "runs")
    loss = made("convergence", runs, metric="loss").axes[1]
    assert "%" not in loss.get_ylabel()
    assert loss.lines[0].get_ydata().tolist() == [2.0]
    assert made("convergence", load_runs(two)).axes[1].get_ylabel().endswith(", %")
    with pytest.raises(UsageError, match="no_such"):
        draw("convergence", two, tmp_path / "figure.png", metric="no_such")


def test_more_than_six_methods_have_panels_of_their_own(twenty: Path) -> None:
    figure = made("convergence", load_runs(twenty))
    assert len(figure.axes) == 2 * 20
    assert [len(axis.lines) for axis in (figure.axes[0], figure.axes[5])] == [20, 1]
    assert len({axis.get_ylim() for axis in figure.axes[:5]}) == 1


@pytest.mark.usefixtures("no_maps")
def test_many_methods_have_fewer_images_of_which_the_figure_speaks(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tsne.points_each(2) >= 2_000
    assert tsne.points_each(20) == 600
    monkeypatch.setattr(tsne, "_MOST_POINTS", 100)
    numbers = draw("tsne", two, tmp_path / "figure.png")
    images = [set(part["image"]) for _, part in numbers.groupby("label")]
    assert len(images[0]) == 50
    assert images[0] == images[1]
    figure = made("tsne", load_runs(two))
    assert "t-SNE of 50 of 120 test images" in figure.legends[-1].get_title().get_text()


@pytest.mark.parametrize("methods", range(1, tsne.MOST_METHODS + 1))
def test_maps_of_any_number_of_methods_fit_on_a_page(methods: int) -> None:
    columns = tsne.panel_columns(methods)
    assert -(-methods // columns) * 2 * PAGE_WIDTH / columns + 1.4 <= PAGE_HEIGHT or columns <= 3


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


def test_values_of_a_hyper_parameter_stand_where_their_axis_says() -> None:
    assert spread([0.001, 0.1, 10.0]) == (pytest.approx([0, 0.5, 1]), "\n(log. scale)")
    assert spread([0, 0.5, 1, 2]) == (pytest.approx([0, 0.25, 0.5, 1]), "")
    assert spread([0, 1e-3, 1e-2, 1]) == (pytest.approx([0, 1 / 3, 2 / 3, 1]), "\n(not to scale)")
    assert spread([False, True]) == ([0, 1], "")
    assert spread(["cosine", "l2", "none"]) == ([0, 0.5, 1], "")


@pytest.mark.parametrize("parameters", [1, 4, 12])
def test_sensitivity_of_many_hyper_parameters_fits_on_a_page(
    tmp_path: Path, parameters: int
) -> None:
    base = {f"hyper-parameter-{i}": 1.0 for i in range(parameters)}
    write_run(tmp_path, algo="brl", hparams=base, arrays=False)
    for name, power in itertools.product(base, (-7, -3, 2, 4)):
        write_run(tmp_path, algo="brl", hparams={**base, name: 10.0**power}, arrays=False)
    figure = made("sensitivity", load_runs(tmp_path))
    assert_readable(figure)
    assert "one seed" in " ".join(figure.get_suptitle().split())
    assert sum(axis.get_visible() for axis in figure.axes) == 2 * parameters


def test_sensitivity_says_what_is_missing(two: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 algorithms"):
        draw("sensitivity", two, tmp_path / "figure.png")
    with pytest.raises(UsageError, match="ltbench run --algo 'erm"):
        draw("sensitivity", two, tmp_path / "figure.png", "erm")


def test_critical_differences(datasets: Path, two: Path, tmp_path: Path) -> None:
    numbers = draw("cd", datasets, tmp_path / "figure.pdf", metric="accuracy_worst")
    assert numbers["mean_rank"].is_monotonic_increasing
    assert numbers["mean_rank"].sum() == pytest.approx(4 * 5 / 2)
    assert numbers["critical_difference"].to_numpy() == pytest.approx(nemenyi_distance(4, 5))
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
        nearest = min(_difference(a, b) for a, b in itertools.combinations(seen, 2))
        assert nearest > 17, name


def test_the_first_colours_stay_apart_in_grey_print() -> None:
    grey = [_lab(np.array(mpl.colors.to_rgb(shade)), np.eye(3))[0] for shade in PALETTE[:4]]
    assert min(abs(a - b) for a, b in itertools.combinations(grey, 2)) > 20
    assert len({str(dash(i)) for i in range(6)}) == 6


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return CIEDE2000 (Sharma, Wu & Dalal, Color Research & Application 30 (2005))."""
    mean = (np.hypot(*one[1:]) + np.hypot(*other[1:])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25**7))
    (l1, a1, b1), (l2, a2, b2) = one, other
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    middle = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    light, strong = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 + sum(
        weight * np.cos(np.radians(times * middle + shift))
        for weight, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    )
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * strong, 1 + 0.015 * strong * t
    angle = np.radians(60 * np.exp(-(((middle - 275) / 25) ** 2)))
    r_t = -np.sin(angle) * 2 * np.sqrt(strong**7 / (strong**7 + 25**7))
    d_l, d_c = (l2 - l1) / s_l, (c2 - c1) / s_c
    d_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / s_h
    return float(np.sqrt(d_l**2 + d_c**2 + d_h**2 + r_t * d_c * d_h))


def test_the_difference_of_colours_is_the_published_one() -> None:
    for one, other, expected in (
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ):
        assert _difference(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)


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


def test_priors_are_accuracies_from_against_training_to_with_it(two: Path, tmp_path: Path) -> None:
    numbers = draw("priors", two, tmp_path / "figure.png")
    assert list(numbers["prior"][:11]) == [
        *(f"backward-{r}" for r in (50, 25, 10, 5, 2)), "uniform",
        *(f"forward-{r}" for r in (2, 5, 10, 25, 50)),
    ]  # fmt: skip
    (folder,) = two.glob("*/erm/*/seed-2")
    facts = json.loads((folder / "spec.json").read_text())["data"]
    train = np.array(facts["counts"]["train"]).sum(0)
    q = np.empty(10)
    q[np.argsort(-train, kind="stable")] = 50.0 ** -(np.arange(10) / 9)
    values = []
    for path in two.glob("*/erm/*/seed-*"):
        matrices = read_confusion(path, facts["domains"], 10)
        recalls = matrices.diagonal(axis1=1, axis2=2) / matrices.sum(2)
        values.append((recalls.mean(0) * q).sum() / q.sum())
    line = numbers[(numbers["method"] == "erm") & (numbers["prior"] == "forward-50")].iloc[0]
    assert (line["ratio"], line["seeds"]) == (50, 3)
    assert line["accuracy"] == pytest.approx(np.mean(values))


def test_bands_are_drawn_of_few_methods_with_seeds_enough(two: Path, datasets: Path) -> None:
    def bands(runs: Runs) -> int:
        (axes,) = made("priors", runs).axes
        return len(axes.collections)

    assert bands(load_runs(two)) == 2
    assert bands(select_runs(load_runs(datasets), datasets=["data-0"])) == 0, "of one seed"
