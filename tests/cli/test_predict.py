"""``ltbench predict``: the answers of a run on images from anywhere."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ltbench.cli.main import cli
from ltbench.cli.predict import predict
from ltbench.cli.run import run as train
from ltbench.errors import UsageError
from ltbench.results.index import read_runs
from ltbench.session.chosen_run import chosen_folders
from ltbench.session.prediction import image_paths
from ltbench.testing import write_run

NAMES = ("a b", "蛾 [x]", "Ünï")


@pytest.fixture(scope="module")
def moths(tmp_path_factory) -> Path:
    """Train two seeds of two methods on pictures with odd names; return the folder of all."""
    root = tmp_path_factory.mktemp("moths")
    rng = np.random.default_rng(0)
    for k, name in enumerate(NAMES):
        folder = root / "photos" / name
        folder.mkdir(parents=True)
        for i in range(12 - 3 * k):
            image = rng.integers(0, 120, (30 + i, 40, 3), dtype=np.uint8)
            image[..., k] += 120
            Image.fromarray(image).save(folder / f"no {i} ({k}).{'PNG' if i % 2 else 'jpg'}")
    run(
        "run --algo erm,bsoftmax --seeds 2 --steps 30 --eval-every 10 --lr 0.01 --batch-size 8"
        " --backbone digits-cnn-narrow --no-pretrained --no-leaderboard --image-size 28",
        "--dataset", f"image-folder[root={root / 'photos'}]", "--out", str(root / "runs"),
    )  # fmt: skip
    return root


def run(words: str, *more: str, code: int = 0):
    for command in (predict, train):
        if command.name not in cli.commands:
            cli.add_command(command)
    found = CliRunner().invoke(cli, [*words.split(), *more])
    assert found.exit_code == code, found.output
    return found


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def one_run(moths: Path, method: str = "bsoftmax", seed: int = 0) -> Path:
    found = [r for r in read_runs(moths / "runs") if r.method == method and r.seed == seed]
    return Path(found[0].path)


def answers_of_test(folder: Path, photos: Path) -> dict[str, tuple[str, float]]:
    """Return class and confidence that a run's test gave each image, by its path."""
    names = json.loads((folder / "spec.json").read_text())["data"]["classes"]
    with (
        np.load(folder / "predictions.npz") as arrays,
        np.load(folder / "logits.npz") as kept,
    ):
        return {
            str(photos / image): (names[c], float(p))
            for image, c, p in zip(
                kept["test_image"], arrays["prediction"], arrays["confidence"], strict=True
            )
        }


def test_of_several_runs_in_a_folder_one_can_be_named(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / "r uns", seed=seed, arrays=False)
    folder = str(tmp_path / "r uns")
    with pytest.raises(UsageError) as caught:
        chosen_folders(folder, tmp_path)
    words = shlex.split(str(caught.value).partition("such as ")[2])
    assert words[-2:] == ["--runs", folder]
    assert len(chosen_folders(words[0], Path(words[-1]))) == 1


def test_a_folder_is_answered_as_the_test_was(moths, tmp_path):
    folder, photos = one_run(moths), moths / "photos"
    out = tmp_path / "new folder" / "predictions.csv"
    run("predict", str(folder), str(photos), "--top", "2", "-o", str(out))
    found = {row["image"]: row for row in rows(out.read_text())}
    assert len(found) == 12 + 9 + 6
    expected = answers_of_test(folder, photos)
    assert expected.keys() < found.keys()
    for image, (name, _) in expected.items():
        assert found[image]["prediction"] == name == found[image]["class_1"]
        assert float(found[image]["probability_1"]) >= float(found[image]["probability_2"])


def test_without_calibration_probabilities_are_those_of_the_test(moths, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(one_run(moths), folder)
    with np.load(folder / "logits.npz") as arrays:
        kept = dict(arrays)
    for name in [name for name in kept if name.startswith("val_")]:
        kept[name] = kept[name][:0]
    expected = answers_of_test(folder, moths / "photos")
    np.savez(folder / "logits.npz", **kept)
    found = run("predict", str(folder), *expected)
    assert "not calibrated: the run has no validation images" in found.stderr
    for row in rows(found.stdout):
        assert float(row["probability_1"]) == pytest.approx(expected[row["image"]][1], abs=1e-5)


def test_the_temperature_is_fitted_once_and_kept(moths):
    folder, image = one_run(moths, seed=1), str(next((moths / "photos").rglob("*.jpg")))
    (folder / "temperature.json").unlink(missing_ok=True)
    before = run("predict", str(folder), image).stdout
    kept = json.loads((folder / "temperature.json").read_text())
    assert kept["images"] > 0
    kept["temperature"] = 50.0
    (folder / "temperature.json").write_text(json.dumps(kept))
    assert float(rows(run("predict", str(folder), image).stdout)[0]["probability_1"]) < 0.4
    kept["logits"] = "of another file"  # is fitted anew
    (folder / "temperature.json").write_text(json.dumps(kept))
    assert run("predict", str(folder), image).stdout == before


def test_rows_of_the_board(moths):
    images, where = str(moths / "photos"), ("--runs", str(moths / "runs"))
    scores = {
        seed: json.loads((one_run(moths, "erm", seed) / "result.json").read_text())["selection"]
        for seed in (0, 1)
    }
    best = max(scores, key=lambda seed: (scores[seed]["value"], -seed))
    by_row = run("predict", "erm@image-folder", images, *where).stdout
    assert by_row == run("predict", str(one_run(moths, "erm", best)), images).stdout
    both = run("predict", "erm@image-folder", images, "--all-seeds", *where).stdout
    listed = run(
        "predict", str(one_run(moths, "erm", 0)), images,
        "--with", str(one_run(moths, "erm", 1)),
    )  # fmt: skip
    assert both == listed.stdout
    each = [rows(run("predict", str(one_run(moths, "erm", s)), images).stdout) for s in (0, 1)]
    for row, one, two in zip(rows(both), *each, strict=True):
        p = [
            sum(float(r[f"probability_{k}"]) for r in (one, two) for k in (1, 2, 3)
                if r[f"class_{k}"] == name) / 2
            for name in NAMES
        ]  # fmt: skip
        assert float(row["probability_1"]) == pytest.approx(max(p), abs=1e-5)


def test_priors_and_rejection(moths, tmp_path):
    folder, images = str(one_run(moths)), str(moths / "photos")
    prior = tmp_path / "prior.csv"
    prior.write_text(f"class,probability\n{NAMES[0]},0\n{NAMES[1]},1\n{NAMES[2]},0\n")
    for model in ("train", "uniform"):
        found = run(
            "predict", folder, images, "--prior", str(prior), "--model-prior", model
        ).stdout  # fmt: skip
        assert {row["prediction"] for row in rows(found)} == {NAMES[1]}
    same = run("predict", folder, images, "--prior", "train").stdout
    plain = run("predict", folder, images).stdout
    assert [r["class_1"] for r in rows(same)] == [r["class_1"] for r in rows(plain)]
    unsure = rows(run("predict", folder, images, "--reject", "0.6").stdout)
    assert all((float(r["probability_1"]) < 0.6) == (r["prediction"] == "") for r in unsure)
    found = run("predict", folder, images, "--model-prior", "uniform", code=2)
    assert "--model-prior says what --prior starts from" in found.output


def test_what_cannot_be_read_has_a_row_with_the_reason(moths, tmp_path):
    folder = str(one_run(moths))
    good = next((moths / "photos").rglob("*.jpg"))
    (tmp_path / "broken.jpg").write_bytes(good.read_bytes()[:60])
    (tmp_path / "empty.PNG").write_bytes(b"")
    shutil.copy(good, tmp_path / "good.jpg")
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    (tmp_path / "list.csv").write_text("label,path\nx,good.jpg\ny,empty.PNG\nz,gone.jpg\n")
    found = run("predict", folder, str(tmp_path))
    assert "2 of 3 images could not be read" in found.stderr
    told = {Path(row["image"]).name: row for row in rows(found.stdout)}
    assert told["good.jpg"]["prediction"]
    assert not told["good.jpg"]["problem"]
    assert "cannot be read" in told["broken.jpg"]["problem"]
    assert not told["empty.PNG"]["class_1"]
    listed = rows(run("predict", folder, str(tmp_path / "list.csv")).stdout)
    assert [bool(row["problem"]) for row in listed] == [False, True, True]
    found = run("predict", folder, str(tmp_path / "empty.PNG"), code=2)
    assert "none of 1 images could be read" in found.output


def test_what_is_left_out_is_said(tmp_path, monkeypatch):
    photos, said = tmp_path / "photos", list[str]()
    (photos / "below").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("a.png", "below/b.png", "../elsewhere/c.png"):
        (photos / name).write_bytes(b"")
    (photos / "link").symlink_to("../elsewhere")
    (photos / "list.csv").write_text("label,path\nx,a.png\ny\nz,\nw,below/b.png\n")
    assert image_paths([photos], said.append) == [photos / "a.png", photos / "below" / "b.png"]
    (linked,) = said
    assert "has 1: to have the images of" in linked
    assert f"{photos / 'link'}, name it as well" in linked
    said.clear()
    found = image_paths([photos / "list.csv", photos / "a.png"], said.append)
    assert found == [photos / "a.png", photos / "below" / "b.png"]
    assert said == [
        f"{photos / 'list.csv'}: 2 of 4 rows name no image.",
        "Of 3 images that are named 2 differ: each has one row.",
    ]
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "below":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UsageError, match="below cannot be read: Permission denied"):
        image_paths([photos])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_has_a_row(moths, tmp_path):
    picture, odd = next((moths / "photos").rglob("*.jpg")), tmp_path / os.fsdecode(b"l\xe9a.jpg")
    shutil.copy(picture, odd)
    folder, out = str(one_run(moths)), tmp_path / "out.csv"
    run("predict", folder, str(tmp_path), "-o", str(out))
    for text in (out.read_text(), run("predict", folder, str(odd)).stdout):
        (row,) = rows(text)
        assert row["image"] == str(tmp_path / "l\\udce9a.jpg")
        assert row["prediction"]


def test_that_it_cannot_be_written_is_said_before_the_model_is_loaded(moths, tmp_path, monkeypatch):
    monkeypatch.setattr("ltbench.cli.predict._predictor", None)
    (tmp_path / "file").write_text("")
    found = run("predict", "RUN", "photos", "-o", str(tmp_path / "file" / "out.csv"), code=2)
    assert "out.csv cannot be written: " in " ".join(found.output.split())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere", "x.png"], "'nowhere' is no folder of a run, nor METHOD@DATASET of a run in"),
        (["erm@image-foldr", "x.png"], "did you mean 'erm@image-folder'"),
        (["RUN", "no such.png"], "there is no file or folder 'no such.png'"),
        (["RUN", "EMPTY"], "there is no image in"),
        (["RUNS", "x.png"], "runs that are done: name one, such as"),
        (["EMPTY", "x.png"], "there is no run in"),
        (["RUN", "LIST"], "has no column of images"),
    ],
)
def test_bad_input(moths, tmp_path, words, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("who,what\na,b\n")
    places = {
        "RUN": one_run(moths),
        "EMPTY": tmp_path / "empty",
        "RUNS": moths / "runs",
        "LIST": tmp_path / "list.csv",
    }
    typed = [str(places.get(word, word)) for word in words]
    found = run("predict", *typed, "--runs", str(moths / "runs"), code=2)
    assert sentence in " ".join(found.output.split())
