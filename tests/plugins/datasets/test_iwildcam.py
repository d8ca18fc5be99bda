"""WILDS's camera traps: its five parts, and locations as one domain or as many."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from camera_trap_tables import PLACES, write_iwildcam
from published import write_archive
from sklearn.metrics import f1_score

from ltbench.data.catalogue import create_dataset, open_dataset
from ltbench.data.sampling import make_sampler
from ltbench.data.store import open_planned, open_store, store_folder
from ltbench.errors import DataError
from ltbench.plugins.names import Name, parse_name
from ltbench.report.selection import split_tables
from ltbench.results.frame import load_runs
from ltbench.training.trained_model import load_trained

SMALL = "size=32"


@pytest.fixture
def planted(data_dir: Path, write_image: Callable) -> Path:
    root = data_dir / "iwildcam_v2.0"
    write_iwildcam(root, write_image)
    return root


def test_locations_are_one_domain_of_each_use(planted: Path, data_dir: Path) -> None:
    dataset, split = open_dataset(Name("iwildcam"), data_dir)
    assert dataset.facts.domains == ("training-locations", "validation-locations", "test-locations")
    assert dataset.facts.classes[:4] == ("empty", "panthera onca", "tapirus bairdii", "3")
    assert len(dataset.facts.classes) == 182
    assert split.counts("train").sum(axis=1).tolist() == [7, 0, 0]
    assert split.counts("val").sum(axis=1).tolist() == [0, 2, 0]
    assert split.counts("test").sum(axis=1).tolist() == [2, 0, 4]
    assert split.held_out == 2
    assert {name: len(rows) for name, rows in dataset.test_sets(split).items()} == {
        "ood": 4,
        "id": 2,
    }
    assert split.d[dataset.test_sets(split)["ood"]].tolist() == [2] * 4
    assert dataset.decoder(split)(0).shape == (24, 30, 3)
    assert dataset.split_origin(split).words == "split of another metadata.csv"
    assert len(make_sampler("uniform", split, 5, 0)(0)) == 5


def test_a_profile_thins_what_trains_alone(planted: Path, data_dir: Path) -> None:
    _, split = open_dataset(parse_name("iwildcam[profile=exp,ratio=3]"), data_dir)
    rows = list(csv.DictReader((planted / "metadata.csv").open(newline="")))
    whole = [sum(r["split"] == "train" and r["y"] == str(y) for r in rows) for y in range(3)]
    assert whole == [3, 2, 2]
    assert split.counts("train").tolist()[0][:3] == [3, 1, 1]  # 3·3^(−k/2), rounded down
    assert split.counts("val").sum(axis=1).tolist() == [0, 2, 0]
    assert split.counts("test").sum(axis=1).tolist() == [2, 0, 4]


def test_a_profile_is_the_same_whether_names_of_classes_are_known(
    planted: Path, data_dir: Path
) -> None:
    name = parse_name("iwildcam[profile=exp,ratio=3]")
    _, named = open_dataset(name, data_dir)
    (planted / "categories.csv").unlink()
    dataset, numbered = open_dataset(name, data_dir)
    assert dataset.facts.classes[0] != "empty"
    assert numbered.images.tolist() == named.images.tolist()
    assert numbered.rows("train").tolist() == named.rows("train").tolist()


def test_validation_at_the_locations_that_train(planted: Path, data_dir: Path) -> None:
    _, split = open_dataset(parse_name("iwildcam[select_on=id]"), data_dir)
    assert split.counts("val").sum(axis=1).tolist() == [2, 0, 0]
    assert split.counts("test").sum(axis=1).tolist() == [2, 0, 4]


def test_every_location_a_domain(planted: Path, data_dir: Path) -> None:
    dataset, split = open_dataset(parse_name("iwildcam[domains=locations]"), data_dir)
    names = dataset.facts.domains
    assert names == tuple(f"location-{n}" for n in (0, 4, 5, 3, 1, 2))
    assert split.held_out == 3
    trained = [PLACES[n].count("train") for n in (0, 4, 5, 3, 1, 2)]
    assert split.counts("train").sum(axis=1).tolist() == trained
    assert sorted(split.d[dataset.test_sets(split)["ood"]].tolist()) == [4, 5, 5, 5]
    assert "3 training locations" in dataset.remarks(split)[0]
    assert all(p["batch_per_domain"] == 1 for p in dataset.facts.protocols.values())
    assert split.d[make_sampler("uniform", split, 1, 0)(0)].tolist() == [0, 1, 2]


def test_any_domain_may_be_left_out_of_training(planted: Path, data_dir: Path) -> None:
    name = "iwildcam[unseen=test-locations,validation=validation-locations]"
    dataset, split = open_dataset(parse_name(name), data_dir)
    assert split.counts("train").sum(axis=1).tolist() == [7, 0, 0]
    assert split.counts("val").sum(axis=1).tolist() == [0, 2, 0]
    assert split.counts("test").sum(axis=1).tolist() == [0, 0, 4]
    assert {name: len(rows) for name, rows in dataset.test_sets(split).items()} == {"ood": 4}
    _, split = open_dataset(parse_name("iwildcam[domains=locations,unseen=location-4]"), data_dir)
    assert split.counts("train").sum(axis=1).tolist() == [3, 2, 0, 0, 0, 0]
    assert split.counts("test").sum(axis=1).tolist() == [0, 0, 0, 0, 0, 2]


def test_a_run_has_the_macro_f1_of_wilds_on_both_test_sets(
    planted: Path, tmp_path: Path, train: Callable
) -> None:
    result = train(f"iwildcam[{SMALL}]", overrides={"select": "f1"})
    (folder,) = tmp_path.glob("runs/*/*/*/seed-0")
    found = np.load(folder / "predictions.npz")
    out = found["domain"] == 2
    for name, rows in (("ood", out), ("id", ~out)):
        y, answers = found["class"][rows], found["prediction"][rows]
        wanted = f1_score(y, answers, average="macro", labels=np.unique(y), zero_division=0)
        assert result["test_sets"][name]["macro_f1"] == pytest.approx(wanted)
    (table,) = split_tables(load_runs(tmp_path / "runs"))
    assert ": seen domains and unseen test-locations, " in table.heading


def test_a_run_with_every_location_a_domain(planted: Path, train: Callable) -> None:
    result = train(f"iwildcam[{SMALL},domains=locations]", "coral", overrides={"select": "last"})
    assert set(result["domains"]) == {f"location-{n}" for n in (0, 1, 2, 5)}


@pytest.mark.parametrize("options", ["", "[domains=locations]", "[unseen=test-locations]"])
def test_decoded_images_know_which_domains_do_not_train(
    options: str, planted: Path, data_dir: Path
) -> None:
    dataset, split = open_dataset(parse_name(f"iwildcam{options}"), data_dir)
    wanted = {"": 2, "[domains=locations]": 3, "[unseen=test-locations]": 2}[options]
    assert split.held_out == wanted
    assert open_store(dataset, split).split.held_out == wanted
    assert open_planned(store_folder(dataset, split), dataset).split.held_out == wanted


def test_a_run_knows_the_training_locations_alone(
    planted: Path, data_dir: Path, tmp_path: Path, train: Callable
) -> None:
    name = f"iwildcam[{SMALL},domains=locations]"
    result = train(name, "mtl", overrides={"select": "last"})
    (folder,) = tmp_path.glob("runs/*/*/*/seed-0")
    trained, data = load_trained(folder), json.loads((folder / "spec.json").read_text())["data"]
    assert data["held_out"] == 3
    assert len(trained.algorithm.embeddings) == 3  # one of each location that trains
    assert trained.algorithm.counts.shape == (3, 182)
    # Every class of the test was trained on somewhere, so that no pair is zero-shot.
    found = np.load(folder / "predictions.npz")
    told = np.array(data["shot_counts"])[found["domain"], found["class"]]
    assert told.min() > 0
    assert result["test"]["accuracy_few"] is not None
    assert result["test"]["accuracy_zero"] is None


def test_runs_of_before_that_note_have_the_networks_that_they_were_trained_with(
    planted: Path, tmp_path: Path, train: Callable
) -> None:
    train(f"iwildcam[{SMALL},unseen=test-locations]", "bsoftmax", overrides={"select": "last"})
    (path,) = tmp_path.glob("runs/*/*/*/seed-0/spec.json")
    document = json.loads(path.read_text())
    assert load_trained(path.parent).algorithm.counts.shape == (1, 182)
    del document["data"]["held_out"]
    path.write_text(json.dumps(document))
    assert load_trained(path.parent).algorithm.counts.shape == (2, 182)


def test_preparing_unpacks_the_archive(
    data_dir: Path, tmp_path: Path, write_image: Callable, mirror: object, ltbench: Callable
) -> None:
    write_iwildcam(tmp_path / "published", write_image)
    names = ["metadata.csv", "categories.csv", "RELEASE_v2.0.txt", "train"]
    write_archive(mirror.folder / "iwildcam_v2.0.tar.gz", tmp_path / "published", names)
    counts = {"training-locations": (7, 0, 2), "validation-locations": (0, 2, 0)}
    mirror.stand_for("iwildcam", counts={**counts, "test-locations": (0, 0, 4)})
    assert "is ready: 15 images" in ltbench("prepare", f"iwildcam[{SMALL}]").output
    assert "no difference" in ltbench("verify", "iwildcam").stdout
    said = ltbench("info", "iwildcam").stdout
    assert "test sets  ood 4, id 2" in said


@pytest.mark.parametrize(
    ("column", "value", "cause"),
    [
        ("split", "dev", "line 3: split is 'dev'"),
        ("location_remapped", "x", "line 3: location and class must be numbers"),
        ("location_remapped", "-1", "line 3: location and class must be numbers"),
        ("location_remapped", "999999", "line 3: location and class must be numbers"),
        ("y", "", "line 3: location and class must be numbers"),
        ("y", "²", "line 3: location and class must be numbers"),
        ("filename", "../a.jpg", "line 3: '../a.jpg' is no file of the images"),
        ("filename", "/etc/passwd", "is no file of the images"),
        ("filename", "a\0.jpg", "is no file of the images"),
        ("location_remapped", "3", "location 3 is in 'val' and trains too"),
    ],
)
def test_rows_that_do_not_fit(
    column: str, value: str, cause: str, planted: Path, data_dir: Path
) -> None:
    rows = list(csv.DictReader((planted / "metadata.csv").open(newline="")))
    rows[1][column] = value
    with (planted / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(DataError, match=cause):
        create_dataset(Name("iwildcam"), data_dir).split()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"a,b\n1,2\n", "has no column 'split'"),
        (b"split,location_remapped,y,filename\n", "names no image"),
        (b"split,location_remapped,y,filename\ntrain,1\n", "line 2: 2 cells, not 4"),
        (b"split,location_remapped,y,filename\ntrain,1,1,\xff\n", "cannot be read"),
        (b'split,location_remapped,y,filename\ntrain,1,1,"a\n', "line 2: "),
        (b"split,location_remapped,y,filename\n" + b"train,1,1,a.jpg\n" * 2, "stands there twice"),
    ],
)
def test_tables_that_are_none(content: bytes, cause: str, planted: Path, data_dir: Path) -> None:
    (planted / "metadata.csv").write_bytes(content)
    with pytest.raises(DataError, match=cause):
        create_dataset(Name("iwildcam"), data_dir).split()
