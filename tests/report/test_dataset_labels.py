"""Data sets and tables are named by what was typed and what differs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from synthetic_runs import write_run

from ltbench.plugins.names import parse_name
from ltbench.report.dataset_labels import dataset_label, dataset_labels, full_name
from ltbench.report.leaderboard import load_content, render
from ltbench.report.provenance import run_commands
from ltbench.report.selection import select_runs, split_tables
from ltbench.report.status_page import as_text
from ltbench.results.frame import load_runs
from ltbench.results.states import read_overview

FOLDER: dict[str, Any] = {
    "root": "/data/moths", "size": 224, "val": 5, "test": 10, "keep": 0.5, "many": 100, "few": 20,
    "profile": "as-is", "ratio": 100.0, "data_seed": 0,
}  # fmt: skip


def test_defaults_are_left_out() -> None:
    assert dataset_label("image-folder", FOLDER) == "image-folder[root=/data/moths]"
    assert dataset_label("image-folder", FOLDER | {"size": 96}) == (
        "image-folder[root=/data/moths,size=96]"
    )
    assert dataset_label("of-nobody", {"a": 1, "data_seed": 0}) == "of-nobody[a=1]"
    assert parse_name(full_name("image-folder", FOLDER)).options == {
        key: value for key, value in FOLDER.items() if key != "data_seed"
    }


def test_different_options_have_different_labels() -> None:
    some = [
        FOLDER | dict(zip(("size", "val", "keep", "data_seed"), values, strict=True))
        for values in itertools.product((96, 224), (5, 6), (0.5, 0.0), (0, 1))
    ]
    labels = dataset_labels([("image-folder", options) for options in some])
    assert len(set(labels)) == len(some)
    assert all("test=" not in label and "few=" not in label for label in labels)
    assert "size=224" in labels[-1]  # the default, as others have another


def test_heading_filter_and_page_of_a_folder(tmp_path: Path) -> None:
    write_run(tmp_path, dataset="image-folder", options=FOLDER, arrays=False)
    heading = render(tmp_path).splitlines()[0]
    assert heading.startswith("image-folder[root=/data/moths] (Synthetic image-folder): ")
    runs = load_runs(tmp_path)
    for name in ("image-folder", "image-folder[root=/data/moths]",
                 full_name("image-folder", FOLDER)):  # fmt: skip
        assert len(select_runs(runs, datasets=[name]).table) == 1
    # A command means the same whatever the defaults are some day.
    assert "size=224" in run_commands(load_content(tmp_path).boards[0])[0]
    status = as_text(read_overview((tmp_path,)), [tmp_path], 0.0)
    assert "image-folder[root=/data/moths]" in status.replace("\n", "")
    assert "size=" not in status


def test_two_roots_are_two_lines_of_status(tmp_path: Path) -> None:
    for root in ("/data/moths", "/data/birds"):
        options = FOLDER | {"root": root}
        write_run(tmp_path, dataset="image-folder", options=options, arrays=False)
    status = as_text(read_overview((tmp_path,)), [tmp_path], 0.0)
    assert "moths]" in status
    assert "birds]" in status


def test_tables_of_one_heading_say_what_differs(tmp_path: Path) -> None:
    for lr in (0.1, 0.01):
        folder = write_run(tmp_path / str(lr), arrays=False)
        for name in ("spec", "result"):
            path = folder / f"{name}.json"
            document = json.loads(path.read_text())
            document["hash"] = document["hash"][:-4] + f"{100 * lr:04.0f}"
            if name == "spec":
                document["identity"]["protocol"]["lr"] = lr
                document["protocol_hash"] = f"{lr}"
            path.write_text(json.dumps(document))
    tables = split_tables(load_runs([tmp_path / "0.1", tmp_path / "0.01"]))
    assert sorted(table.heading.rpartition(", ")[2] for table in tables) == ["lr 0.01", "lr 0.1"]


def test_methods_of_one_label_and_other_settings_stay_two_rows(tmp_path: Path) -> None:
    for weight in (0.1, 0.2):
        write_run(tmp_path, algo="boda", hparams={"weight": weight}, label="boda", arrays=False)
    labels = [row.label for row in load_content(tmp_path).boards[0].rows]
    assert len(set(labels)) == 2
