"""Archives that no command wrote: nothing outside the folder, no links, no bombs, one sentence."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from ltbench.errors import DataError, UsageError
from ltbench.results import unpack_submission as module
from ltbench.results.submission import MANIFEST, is_member
from ltbench.results.unpack_submission import unpack_submission

SPEC = "runs/tiny-mlt/erm/0123456789ab/seed-0/spec.json"


def written(tmp_path: Path, members, manifest=None) -> Path:
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        content = {"format": 1, "files": {}} if manifest is None else manifest
        archive.writestr(MANIFEST, json.dumps(content))
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.json",
        "runs/../../../erm/0123456789ab/seed-0/spec.json",
        "/runs/tiny-mlt/erm/0123456789ab/seed-0/spec.json",
        "runs\\tiny-mlt\\erm\\0123456789ab\\seed-0\\spec.json",
        "runs/C:/erm/0123456789ab/seed-0/spec.json",
        "runs/tiny-mlt/erm/0123456789ab/seed-0/plugin.py",
        "runs/tiny-mlt/.erm/0123456789ab/seed-0/spec.json",
        "runs/tiny-mlt/erm/0123456789ab/seed-0/row.json",
        "runs/tiny-mlt/erm/0123456789ab/seed-0/",
        "image.png",
    ],
)
def test_a_name_that_no_run_has(tmp_path, name):
    assert not is_member(name)
    with pytest.raises(DataError, match="is none of the files of a run; nothing was read"):
        unpack_submission(written(tmp_path, [(name, "{}")]))


def test_a_link(tmp_path):
    entry = zipfile.ZipInfo(SPEC)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DataError, match="is a link or a device"):
        unpack_submission(written(tmp_path, [(entry, "/etc/passwd")]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", [SPEC, SPEC.replace("erm", "ERM")])
def test_a_name_twice(tmp_path, second):
    with pytest.raises(DataError, match="is there twice"):
        unpack_submission(written(tmp_path, [(SPEC, "{}"), (second, "{}")]))


def test_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST_DOCUMENT", 2**20)
    path = written(tmp_path, [(SPEC, b" " * 2**21)])
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match="is larger than 1 MB; nothing was read"):
        unpack_submission(path)


def test_a_bomb_that_hides_its_size(tmp_path):
    path = written(tmp_path, [(SPEC, b" " * 2**16)])
    content = path.read_bytes()
    size = (2**16).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (7).to_bytes(4, "little")))
    unpacked = unpack_submission(path)
    assert dict(unpacked.broken)[SPEC]
    assert (unpacked.root / SPEC).stat().st_size <= 7


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_in_a_compression_that_is_unpacked_without_a_bound(tmp_path, way):
    path = written(tmp_path, [])
    with zipfile.ZipFile(path, "a", way) as archive:
        archive.writestr(SPEC, b" " * 2**22)
    with pytest.raises(DataError, match=r"compressed in a way .*; nothing was read"):
        unpack_submission(path)


def test_more_than_the_disk_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("", (), {"free": 10}))
    with pytest.raises(DataError, match="GB are free"):
        unpack_submission(written(tmp_path, [(SPEC, b" " * 100)]))


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1, 0.0])
def test_an_archive_that_breaks_off(archive, tmp_path, kept):
    content = archive.read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match="is no whole submission"):
        unpack_submission(path)


def test_a_member_whose_bytes_were_changed(archive, tmp_path):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        entry = next(e for e in file.infolist() if e.filename.endswith("logits.npz"))
    content[entry.header_offset + 200] ^= 255
    path = tmp_path / "changed.zip"
    path.write_bytes(content)
    ((name, cause),) = unpack_submission(path).broken
    assert name == entry.filename
    assert "is damaged" in cause


def test_what_is_not_as_the_manifest_says(tmp_path):
    manifest = {"format": 1, "files": {SPEC: "0" * 64, SPEC.replace("spec", "result"): "0" * 64}}
    other = SPEC.replace("seed-0", "seed-1")
    broken = dict(
        unpack_submission(written(tmp_path, [(SPEC, "{}"), (other, "{}")], manifest)).broken
    )
    assert "was changed after it was handed in" in broken[SPEC]
    assert "not in the manifest" in broken[other]
    assert "not in the archive" in broken[SPEC.replace("spec", "result")]


@pytest.mark.parametrize(
    ("manifest", "cause"),
    [({"format": 2, "files": {}}, "upgrade ltbench"), ({"format": 1}, "names no 'files'"),
     ([], "does not hold a JSON object")],
)  # fmt: skip
def test_a_manifest_of_another_kind(tmp_path, manifest, cause):
    with pytest.raises(DataError, match=cause):
        unpack_submission(written(tmp_path, [], manifest))


def test_no_file_and_no_manifest(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        unpack_submission(tmp_path / "nothing.zip")
    path = tmp_path / "plain.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(SPEC, "{}")
    with pytest.raises(DataError, match="has no manifest"):
        unpack_submission(path)
