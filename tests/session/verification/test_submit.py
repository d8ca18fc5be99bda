"""What is handed in: the same bytes each time, nothing of the machine, nothing half there."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from synthetic_runs import write_run

from ltbench import __version__
from ltbench.errors import DataError, UsageError
from ltbench.results.index import read_runs
from ltbench.results.submission import MANIFEST, file_digest
from ltbench.session.submit import submit


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def copied(runs, tmp_path) -> Path:
    return Path(shutil.copytree(runs, tmp_path / "runs"))


def test_it_holds_documents_and_answers_and_their_digests(archive, runs):
    found = contents(archive)
    manifest = json.loads(found.pop(MANIFEST))
    assert {name.rpartition("/")[2] for name in found} == {
        "spec.json", "result.json", "log.jsonl", "predictions.npz", "logits.npz"
    }  # fmt: skip
    assert manifest["by"] == "Ada"
    assert manifest["ltbench"] == __version__
    assert manifest["runs"] == 6
    assert list(manifest["plugins"]) == ["tiny-mlt"]
    assert manifest["environments"][0]["torch"]
    assert set(manifest["files"]) == set(found)
    assert all(len(digest) == 64 for digest in manifest["files"].values())
    logits = next(runs.glob("*/bsoftmax/*/seed-0/logits.npz"))
    name = f"runs/{logits.relative_to(runs).as_posix()}"
    assert manifest["files"][name] == file_digest(logits)
    assert found[name] == logits.read_bytes()


def test_the_same_runs_make_the_same_bytes_wherever_they_lie(archive, copied, tmp_path):
    submit(read_runs(copied)[::-1], tmp_path / "again.zip", by="Ada")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_paths_of_the_machine_are_left_out_and_what_is_left_is_said(copied, tmp_path):
    spec = next(copied.glob("*/bsoftmax/*/seed-0/spec.json"))
    document = json.loads(spec.read_text())
    document |= {"places": {"root": "/home/ada/secret"}, "weights_file": "/home/ada/w.pt"}
    spec.write_text(json.dumps(document))
    result = spec.with_name("result.json")
    told = json.loads(result.read_text())
    told["timings"]["note"] = "/home/ada/here"
    result.write_text(json.dumps(told))
    found = submit(read_runs(copied), tmp_path / "s.zip")
    assert b"secret" not in b"".join(contents(tmp_path / "s.zip").values())
    assert b"w.pt" not in b"".join(contents(tmp_path / "s.zip").values())
    assert "result.json: timings.note is a path, '/home/ada/here' (1 of 6 runs)" in found.left


def test_runs_that_are_not_done_are_told(copied, tmp_path):
    write_run(copied, algo="mixup", error="diverged")
    found = submit(read_runs(copied), tmp_path / "s.zip")
    manifest = json.loads(contents(tmp_path / "s.zip")[MANIFEST])
    assert manifest["not_done"] == list(found.not_done)
    assert found.not_done[0].startswith("mixup on digits-mini-mlt seed 0: diverged")
    assert not [name for name in manifest["files"] if "mixup" in name]


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda folder: (folder / "logits.npz").unlink(), "keeps no logits"),
        (lambda folder: (folder / "predictions.npz").unlink(), "predictions.npz is missing"),
        (lambda folder: (folder / "log.jsonl").unlink(), "has no log.jsonl"),
        (lambda folder: (folder / "spec.json").write_text("{"), "cannot be read: spec.json is not"),
        (lambda folder: (folder / "logits.npz").write_bytes(b"PK"), "is not an archive"),
    ],
)
def test_runs_that_lack_a_part_are_refused(copied, tmp_path, spoil, cause):
    spoil(next(copied.glob("*/bsoftmax/*/seed-0")))
    with pytest.raises(UsageError, match=cause) as error:
        submit(read_runs(copied), tmp_path / "s.zip")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "s.zip").exists()


def test_an_ensemble_goes_with_its_members(copied, tmp_path):
    records = [r for r in read_runs(copied) if r.algorithm == "erm" and r.seed == 0]
    assert any(record.combined for record in records)
    with pytest.raises(UsageError, match=r"made of runs that are not handed in \(erm seed 1\)"):
        submit(records, tmp_path / "s.zip")


def test_places_that_are_taken_or_no_archive(runs, tmp_path):
    records = read_runs(runs)
    path = tmp_path / "s.zip"
    submit(records, path)
    with pytest.raises(UsageError, match="exists: --force replaces it"):
        submit(records, path)
    submit(records, path, force=True)
    with pytest.raises(UsageError, match=r"end its name in it"):
        submit(records, tmp_path / "s.tar")
    with pytest.raises(UsageError, match="none of the 0 runs is done"):
        submit([], tmp_path / "none.zip")


def test_names_of_images_that_are_paths_are_told(copied, tmp_path):
    path = next(copied.glob("*/bsoftmax/*/seed-0/logits.npz"))
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["val_image"] = np.array([f"/home/ada/{name}" for name in arrays["val_image"]])
    np.savez_compressed(path, **arrays)
    left = submit(read_runs(copied), tmp_path / "s.zip").left
    assert any("names of val images are paths of this machine" in words for words in left)


def test_a_name_that_an_archive_cannot_have(copied, tmp_path):
    spec = next(copied.glob("*/bsoftmax/*/seed-0/spec.json"))
    document = json.loads(spec.read_text())
    document["identity"]["dataset"]["name"] = "../../elsewhere"
    spec.write_text(json.dumps(document))
    with pytest.raises(DataError, match="is no name that a submission can have"):
        submit(read_runs(copied), tmp_path / "s.zip")


def test_a_number_that_is_not_finite_is_refused_in_a_sentence(copied, tmp_path):
    spec = next(copied.glob("*/bsoftmax/*/seed-0/spec.json"))
    document = json.loads(spec.read_text())
    document["data"]["note"] = "NOTE"
    spec.write_text(json.dumps(document).replace('"NOTE"', "1e999"))
    with pytest.raises(DataError, match=f"{spec.parent}: spec.json, .* is not finite"):
        submit(read_runs(copied), tmp_path / "s.zip")
