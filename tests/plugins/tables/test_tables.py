"""Ablations, and models × losses × test subsets."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ltbench_figures.sensitivity import sweeps
from ltbench_tables.ablation import ablation
from ltbench_tables.backbones import Profile, backbones, subset_masks
from ltbench_tables.losses import losses
from sklearn.metrics import accuracy_score, f1_score
from synthetic_runs import write_run

from ltbench.errors import DataError, UsageError
from ltbench.plugins.lookup import load_plugin
from ltbench.plugins.names import parse_name
from ltbench.report.figure_data import FigureData
from ltbench.report.render import FORMATS
from ltbench.report.section import Report
from ltbench.report.selection import only_table, select_runs
from ltbench.results.documents import read_predictions
from ltbench.results.frame import load_runs
from ltbench.stats.intervals import half_width, share_interval


def switches(root: Path, *combinations: tuple[bool, bool], **extra: float) -> None:
    for cb, rb in combinations:
        hparams = {"cb": cb, "rb": rb, "alpha": 0.1, **extra}
        for seed in range(2):
            write_run(
                root, algo="brl", seed=seed, hparams=hparams, label=f"brl{hparams}", arrays=False
            )


def test_every_combination_has_a_row_and_what_was_not_run_says_how(tmp_path: Path) -> None:
    switches(tmp_path, (True, True), (True, False), (False, False))
    section = ablation(only_table(load_runs(tmp_path), "it"))
    assert section.frame[["cb", "rb"]].to_numpy().tolist() == [
        list(state) for state in itertools.product((False, True), repeat=2)
    ]
    assert section.frame["n"].tolist() == [2, 0, 2, 2]
    assert section.frame["macro_f1_average"].isna().tolist() == [False, True, False, False]
    assert "--algo 'brl[cb=false,rb=true,alpha=0.1]'" in section.notes[1]
    assert "--dataset digits-mini-mlt" in section.notes[1]
    for words in ("--seeds 2", "--backbone digits-cnn", "--precision bf16", "--steps 300"):
        assert f" {words}" in section.notes[1], "else it would be a run of another table"
    assert "alpha=0.1" in section.notes[2]
    assert [row[1:3] for row in section.grid.body] == [("", ""), ("", "✓"), ("✓", ""), ("✓", "✓")]


def test_other_hyper_parameters_stay_at_their_usual_value(tmp_path: Path) -> None:
    switches(tmp_path, *itertools.product((False, True), repeat=2))
    switches(tmp_path, (True, True), alpha=9.0)
    section = ablation(only_table(load_runs(tmp_path), "it"))
    assert section.frame["n"].tolist() == [2, 2, 2, 2]


def test_a_number_switches_a_component_at_zero_and_its_usual_value(tmp_path: Path) -> None:
    for weight in (0.0, 0.1, 0.1, 5.0):
        for seed in range(3 if weight == 0.1 else 1):
            write_run(tmp_path, algo="boda", seed=seed, hparams={"weight": weight},
                      label=f"boda[{weight}]", arrays=False)  # fmt: skip
    section = ablation(only_table(load_runs(tmp_path), "it"), ["weight"])
    assert section.frame["n"].tolist() == [1, 3]


def write_recorded(root: Path, algo: str, *chosen: dict[str, object]) -> None:
    """Write two seeds of runs that record what such runs record, and no more."""
    owner = load_plugin("algorithms", algo).HParams
    for options, seed in itertools.product(chosen, range(2)):
        hparams = owner.from_options(options, algo).as_dict()
        write_run(
            root, algo=algo, seed=seed, hparams=hparams, label=f"{algo}{options}", arrays=False
        )


def test_what_only_another_component_decides_is_no_other_setting(tmp_path: Path) -> None:
    """A run of ldam records ``start`` only with ``normalized``."""
    on = (False, True)
    chosen = [{"drw": drw, "normalized": n} for drw, n in itertools.product(on, on)]
    write_recorded(tmp_path, "ldam", *chosen, {"normalized": True, "start": 0.5})
    frame = ablation(only_table(load_runs(tmp_path), "it")).frame
    assert frame["n"].tolist() == [2, 2, 2, 2]
    with_other = sweeps(only_table(load_runs(tmp_path), "it"), "normalized")
    assert set(with_other["value"]) == {False, True}
    assert set(with_other["n"]) == {2}


@pytest.mark.parametrize(
    ("algo", "key", "values"),
    [
        ("bcl", "scale", [0.0, 10.0, 30.0]),  # before: 0
        ("bcl", "views", [1, 3]),
        ("dann", "alternate", [True, False]),  # later, false
        ("brl", "balance", ["logits", "weights"]),
    ],
)
def test_a_curve_has_the_value_that_runs_do_not_record(
    tmp_path: Path, algo: str, key: str, values: list[object]
) -> None:
    write_recorded(tmp_path, algo, *({key: value} for value in values))
    frame = sweeps(only_table(load_runs(tmp_path), "it"), None)
    assert set(frame["parameter"]) == {key}
    assert set(frame["value"]) == set(values)


def test_of_an_algorithm_that_is_not_installed_a_missing_value_is_another(tmp_path: Path) -> None:
    for hparams in ({"a": 1.0}, {"a": 1.0, "on": True}, {"a": 2.0, "on": True}):
        write_run(tmp_path, algo="gone", hparams=hparams, label=f"gone{hparams}", arrays=False)
    frame = sweeps(only_table(load_runs(tmp_path), "it"))
    assert set(frame["parameter"]) == {"a"}


def test_means_have_no_interval_of_none_and_none_beyond_the_scale(tmp_path: Path) -> None:
    """As in leaderboards: seeds that agree do not say ±0.0, shares are within 0 and 100 %."""
    for seed, (agree, near) in enumerate([(0.5, 1.0), (0.5, 0.9), (0.5, 1.0)]):
        hparams = {"cb": True, "rb": True}
        folder = write_run(tmp_path, algo="brl", seed=seed, hparams=hparams, arrays=False)
        document = json.loads((folder / "result.json").read_text())
        document["test"] |= {"macro_f1_average": agree, "accuracy_average": near}
        (folder / "result.json").write_text(json.dumps(document))
    names = ("macro_f1_average", "accuracy_average")
    table = only_table(load_runs(tmp_path), "it")
    row = ablation(table, metrics=names).grid.body[-1]
    assert row[-2] == "50.0"
    low, high = share_interval(29 / 30, half_width(np.array([1.0, 0.9, 1.0])))
    assert row[-1] == f"96.7 ({100 * low:.0f}–{100 * high:.0f})"
    for section in backbones(FigureData(load_runs(write_agreeing(tmp_path / "more")))):
        assert not any("±0.0" in text for line in section.grid.body for text in line)
    for section in losses(FigureData(load_runs(tmp_path / "more")), "", "", ["accuracy"]):
        assert not any("±0.0" in text for line in section.grid.body for text in line)


def write_agreeing(root: Path) -> Path:
    """Write two seeds whose predictions are the same."""
    folders = [write_cifar(root, "erm", 100, seed) for seed in range(2)]
    shutil.copy(folders[0] / "predictions.npz", folders[1] / "predictions.npz")
    return root


def test_the_command_of_what_was_not_run_can_be_typed(tmp_path: Path) -> None:
    """Numbers are 0 or what they usually are, and what is not the default stands there too."""
    base = {"update": 5}
    write_recorded(tmp_path, "boda", {"weight": 0.3, **base}, {"weight": 0.3, "macro": 0, **base})
    section = ablation(only_table(load_runs(tmp_path), "it"), ["weight", "macro"])
    assert section.frame["run"].tolist() == [0, 0, 2, 2]
    (typed,) = re.findall(r"--algo '([^']*)'", section.notes[1])
    options = parse_name(typed).options
    assert options == {"weight": 0.0, "macro": 0.0, "update": 5}
    load_plugin("algorithms", "boda").HParams.from_options(options, "boda")


def test_what_is_on_in_no_run_is_typed_at_its_default(tmp_path: Path) -> None:
    write_recorded(tmp_path, "boda", {"macro": 0})
    section = ablation(only_table(load_runs(tmp_path), "it"), ["macro"])
    assert "--algo 'boda[macro=1.0]'" in section.notes[1]


def test_ablations_that_cannot_be_made_say_why(tmp_path: Path) -> None:
    switches(tmp_path, (True, True))
    with pytest.raises(UsageError, match="did you mean 'alpha'"):
        ablation(only_table(load_runs(tmp_path), "it"), ["alpa"])
    write_run(tmp_path, algo="erm", arrays=False)
    with pytest.raises(UsageError, match="2 algorithms"):
        ablation(only_table(load_runs(tmp_path), "it"))
    erm = select_runs(load_runs(tmp_path), ["erm"])
    with pytest.raises(UsageError, match="--components"):
        ablation(only_table(erm, "it"))


def cifar(ratio: float) -> np.ndarray:
    return np.array([[int(450 * (1 / ratio) ** (c / 99)) for c in range(100)]])


def write_cifar(root: Path, algo: str, ratio: int, seed: int = 0, **options: object) -> Path:
    return write_run(
        root, algo=algo, seed=seed, dataset="cifar100-lt", options={"ratio": ratio}, classes=100,
        domains=("cifar100",), per_class=50, shots=(100, 20), train=cifar(ratio),
        **options,  # type: ignore[arg-type]
    )  # fmt: skip


def test_subsets_have_the_sizes_of_the_thesis(tmp_path: Path) -> None:
    arrays = read_predictions(write_cifar(tmp_path, "erm", 100))
    masks = subset_masks(arrays, Profile(cifar(100), 100, 20, "x"))
    sizes = {name: int(mask.sum()) for name, mask in masks.items() if mask is not None}
    assert sizes == {"balanced": 5000, "long-tailed": 1051, "head": 844, "middle": 169, "tail": 38}


def test_scores_of_the_subsets_are_scikit_learns(tmp_path: Path) -> None:
    for algo, ratio in itertools.product(("erm", "focal"), (1, 100)):
        folder = write_cifar(tmp_path, algo, ratio, backbone="mobilenetv2_100")
    arrays = read_predictions(folder)
    masks = subset_masks(arrays, Profile(cifar(100), 100, 20, "x"))
    top1, f1, loss = backbones(FigureData(load_runs(tmp_path)))
    for name, mask in masks.items():
        assert mask is not None
        label, guess = arrays["class"][mask], arrays["prediction"][mask]
        row = {"method": "focal", "trained_on": "cifar100-lt[ratio=100]", "subset": name}

        def value(frame, row=row):  # type: ignore[no-untyped-def]
            return frame.loc[(frame[list(row)] == list(row.values())).all(axis=1), "mean"].item()

        assert value(top1.frame) == pytest.approx(accuracy_score(label, guess))
        expected = f1_score(label, guess, average="weighted", labels=np.unique(label))
        assert value(f1.frame) == pytest.approx(expected)
        assert value(loss.frame) == pytest.approx(arrays["loss"][mask].mean(), rel=1e-5)
    assert len(top1.grid.body) == 4
    assert "the tail is that of cifar100-lt[ratio=100]" in top1.notes[0]


def test_runs_without_the_loss_of_each_image_show_none(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, "erm", 100)
    arrays = dict(np.load(folder / "predictions.npz"))
    del arrays["loss"]
    np.savez(folder / "predictions.npz", **arrays)
    loss = backbones(FigureData(load_runs(tmp_path)))[2]
    assert loss.frame["mean"].isna().all()
    assert any("no loss" in note for note in loss.notes)


def test_mixed_protocols_and_foreign_predictions_are_noticed(tmp_path: Path) -> None:
    write_cifar(tmp_path, "erm", 100)
    write_cifar(tmp_path, "erm", 1, steps=999)
    notes = backbones(FigureData(load_runs(tmp_path)))[0].notes
    assert any("2 protocols" in note for note in notes)
    folder = write_cifar(tmp_path, "focal", 100)
    arrays = dict(np.load(folder / "predictions.npz"))
    np.savez(folder / "predictions.npz", **{**arrays, "class": arrays["class"] + 5})
    with pytest.raises(DataError, match="another data set"):
        backbones(FigureData(load_runs(tmp_path)))
    write_run(tmp_path, arrays=False)
    with pytest.raises(UsageError, match="2 data sets"):
        backbones(FigureData(load_runs(tmp_path)))


def test_two_versions_of_an_algorithm_are_no_seeds_of_one(tmp_path: Path) -> None:
    for alpha in (0.1, 1.0):
        for seed in range(2):
            hparams = {"cb": True, "alpha": alpha}
            write_run(tmp_path, algo="brl", seed=seed, hparams=hparams, label=f"brl[alpha={alpha}]")
    table = only_table(load_runs(tmp_path), "it")
    assert ablation(table).frame["n"].max() == 2
    assert set(sweeps(table, "alpha")["n"]) == {2}
    folder = write_run(tmp_path, algo="brl", seed=2, hparams=hparams, label="brl[alpha=1.0]")
    for name in ("spec.json", "result.json"):
        document = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(document | {"hash": "0123456789abcdef"}))
    table = only_table(load_runs(tmp_path), "it")
    said = r"brl differ in more .*1\.0.* #012345.*folders of one"
    for look in (ablation, sweeps):
        with pytest.raises(UsageError, match=said):
            look(table)


@pytest.mark.parametrize("name", FORMATS)
def test_sections_in_every_format(tmp_path: Path, name: str) -> None:
    switches(tmp_path, (True, True))
    text = FORMATS[name](Report((ablation(only_table(load_runs(tmp_path), "it")),)))
    assert "cb" in text
    assert "nan" not in text.split("<script>")[0].lower()


def test_the_components_of_a_modifier_are_typed_with_it():
    from ltbench_tables.ablation import _with_switches

    switches = {"cb": True, "ema.warm": False}
    assert _with_switches("brl@ema+crt", switches) == "brl[cb=true]@ema[warm=false]+crt"
    assert _with_switches("brl", {"cb": False}) == "brl[cb=false]"
