"""``--merge``: only what is comparable is joined, and what is not is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.leaderboard import leaderboard
from ltbench.errors import DataError, UsageError
from ltbench.report.merging import merge
from ltbench.results.earlier import shot_rule
from ltbench.results.index import read_runs
from ltbench.results.rows import read_rows, write_rows
from ltbench.results.run import RunSpec, canonical_hash


def made(root: Path, **more) -> Path:
    """Write a run whose hashes are those of what it holds."""
    folder = write_run(root, arrays=False, **more)
    rehash(folder)
    return folder


def rehash(folder: Path) -> None:
    def fit(spec):
        spec["hash"] = canonical_hash(spec["identity"])
        spec["protocol_hash"] = canonical_hash(RunSpec.from_dict(spec).shared_setting())

    edit(folder, "spec.json", fit)
    hash_ = json.loads((folder / "spec.json").read_text())["hash"]
    if (folder / "result.json").exists():
        edit(folder, "result.json", lambda d: d.update(hash=hash_))


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "one", tmp_path / "other"
    for seed in range(2):
        made(one, algo="erm", seed=seed)
        made(other, algo="bsoftmax", seed=seed)
    return one, other


def edit(folder: Path, name: str, change) -> None:
    document = json.loads((folder / name).read_text())
    change(document)
    (folder / name).write_text(json.dumps(document))


def test_equal_settings_are_joined_and_it_says_from_where(places):
    found = merge(places)
    assert len(found.records) == 4
    assert len({record.protocol_hash for record in found.records}) == 1
    (said,) = found.said
    assert said.startswith("Joined: digits-mini-mlt, protocol ")
    assert f"2 runs of {places[0]} and 2 runs of {places[1]}; same split" in said


def test_a_run_by_the_name_of_another_method_is_left_out(places):
    folder = next(places[1].glob("*/bsoftmax/*/seed-0"))
    edit(folder, "spec.json", lambda d: d.update(method="boda", label="boda"))
    found = merge(places)
    assert len(found.records) == 3
    assert "another method than the one that it is called by" in " ".join(found.said)


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"steps": 30}, "steps (300 and 30)"),
        ({"backbone": "resnet50"}, "(digits-cnn and resnet50)"),
        ({"options": {"unseen": "mnist"}}, "option unseen of the data (the default and mnist)"),
    ],
)
def test_other_settings_get_a_table_each_and_it_says_in_what(places, more, cause):
    third = places[0].parent / "third"
    made(third, algo="mixup", **more)
    found = merge([places[0], third])
    assert len({record.protocol_hash for record in found.records}) == 2
    said = " ".join(found.said)
    assert "Not joined: digits-mini-mlt of" in said
    assert cause in said
    assert "a table each" in said


def test_another_split_is_not_joined(places):
    for folder in places[1].glob("*/*/*/*"):
        edit(folder, "spec.json",
             lambda d: d["identity"]["dataset"].update(split="1" * 64))  # fmt: skip
        rehash(folder)
    said = " ".join(merge(places).said)
    assert f"differ in split ({'0' * 23}… and {'1' * 23}…): a table each." in said


def test_a_data_set_of_one_place_alone_is_said(places):
    made(places[1], algo="erm", dataset="pacs-mlt")
    said = " ".join(merge(places).said)
    assert "Not joined: pacs-mlt, protocol" in said
    assert f"is in {places[1]} alone." in said


def test_a_claimed_protocol_hash_is_not_believed(places):
    folder = made(places[1], algo="mixup", steps=30)
    claimed = json.loads(next(places[0].rglob("spec.json")).read_text())["protocol_hash"]
    edit(folder, "spec.json", lambda d: d.update(protocol_hash=claimed))
    found = merge(places)
    assert "mixup" not in {record.algorithm for record in found.records}
    assert "Left out: mixup on digits-mini-mlt seed 0" in " ".join(found.said)
    assert "its spec.json was edited" in " ".join(found.said)


def test_other_counts_of_the_same_data_are_left_out(places):
    folder = next(places[1].glob("*/bsoftmax/*/seed-0"))
    edit(folder, "spec.json", lambda d: d["data"]["counts"]["test"][0].__setitem__(0, 99))
    found = merge(places)
    assert len(found.records) == 3
    assert "it says other domains, classes, counts or shots" in " ".join(found.said)


def test_a_run_of_two_places_counts_once_and_a_difference_is_told(places):
    shutil.copytree(places[0], places[1], dirs_exist_ok=True)
    found = merge(places)
    assert len(found.records) == 4
    assert f"2 runs lie in {places[0]} and in {places[1]}, with the same results" in found.said[0]
    edit(next(places[1].glob("*/erm/*/seed-0")), "result.json",
         lambda d: d["test"].update(macro_f1_average=0.99))  # fmt: skip
    found = merge(places)
    assert len(found.records) == 4
    assert f"(macro-F1 99.00): that of {places[0]} counts." in " ".join(found.said)


def test_what_failed_in_one_place_and_is_done_in_another(places):
    made(places[0], algo="mixup", error="failed")
    made(places[1], algo="mixup")
    found = merge(places)
    assert {r.status for r in found.records if r.algorithm == "mixup"} == {"done"}
    assert f"mixup on digits-mini-mlt seed 0 has other results in {places[0]} (failed)" in " ".join(
        found.said
    )


def test_unseen_domains_of_different_places_are_not_averaged(tmp_path):
    for place, domain in (("a", "mnist"), ("b", "optdigits")):
        made(tmp_path / place, options={"unseen": domain})
    assert not merge([tmp_path / "a", tmp_path / "b"]).whole
    for place in ("a", "b"):
        for domain in ("mnist", "optdigits"):
            made(tmp_path / place, options={"unseen": domain})
    assert merge([tmp_path / "a", tmp_path / "b"]).whole


def test_the_command_says_it_below_the_tables_and_in_json(places):
    made(places[1], algo="mixup", steps=30)
    write_rows(read_runs(places[1]), places[1].parent / "rows.jsonl")
    words = ["--merge", str(places[0]), str(places[1].parent / "rows.jsonl")]
    text = " ".join(CliRunner().invoke(leaderboard, words).stdout.split())
    assert "Joined: digits-mini-mlt" in text
    assert "differ in steps" in text
    document = json.loads(CliRunner().invoke(leaderboard, [*words, "--format", "json"]).stdout)
    assert len(document["tables"]) == 2
    assert any(note.startswith("Joined: ") for note in document["notes"])
    plain = CliRunner().invoke(leaderboard, words[1:]).stdout
    assert "Joined:" not in plain


@pytest.mark.parametrize("more", [{"date": "2025-01-02"}, {"badge": "claimed", "origin": "Ada"}])
@pytest.mark.parametrize("first", [0, 1])
def test_of_the_same_run_in_rows_and_a_folder_the_row_is_written(places, tmp_path, more, first):
    rows = tmp_path / "rows.jsonl"
    write_rows(read_runs(places[0]), rows)
    lines = [{**json.loads(line), **more} for line in rows.read_text().splitlines()]
    for line in lines:
        if "badge" in more:
            del line["date"]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = [str(rows), str(places[0])]
    words = ["--merge", *(words[::-1] if first else words), "-o", str(tmp_path / "all.jsonl")]
    assert CliRunner().invoke(leaderboard, words).exit_code == 0
    assert list(read_rows(tmp_path / "all.jsonl")) == lines


def test_where_nothing_can_be_joined_it_says_why(places, tmp_path):
    for folder in tmp_path.glob("*/*/*/*/seed-*"):
        edit(folder, "spec.json", lambda spec: spec.update(protocol_hash="0" * 64))
    with pytest.raises(UsageError, match=r"there is no run to join. Left out: .*was edited, its"):
        merge(places)


def test_one_place_and_a_broken_submission_are_refused(places, tmp_path):
    with pytest.raises(UsageError, match="name two or more"):
        merge([places[0], places[0]])
    (tmp_path / "s.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is no whole submission"):
        merge([places[0], tmp_path / "s.zip"])


def test_what_the_first_place_means_by_a_metric_counts(places):
    one, other = places
    for seed in range(2, 6):
        made(other, algo="ldam", seed=seed)
    lower = {"macro_f1": {"better": "lower", "unit": "%", "head": "F1", "words": "F1"}}
    for folder in other.glob("*/ldam/*/seed-*"):
        edit(folder, "result.json", lambda d: d.update(metrics=lower))
    found = merge([one, other])
    assert {record.label for record in found.records} == {"erm", "bsoftmax"}
    assert sum("another direction or unit of macro_f1" in said for said in found.said) == 4


def test_earlier_words_for_the_same_shots_are_the_same_data(places):
    limits = ("many_inclusive", "few_inclusive")

    def earlier(spec):
        spec["data"]["shots"] = {k: v for k, v in spec["data"]["shots"].items() if k not in limits}

    for folder in places[1].glob("*/*/*/seed-*"):
        edit(folder, "spec.json", earlier)
    now = next(places[0].glob("*/*/*/seed-0"))
    rule = shot_rule(
        "digits-mini-mlt", json.loads((now / "spec.json").read_text())["data"]["shots"]
    )
    for folder in places[0].glob("*/*/*/seed-*"):
        edit(folder, "spec.json", lambda d: d["data"].update(shots=rule.as_dict()))
    found = merge(places)
    assert len(found.records) == 4, found.said
