"""Writing the site: nothing of anybody else's is touched, and nothing is half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ltbench.errors import UsageError
from ltbench.report.pages import folder as writing
from ltbench.report.pages.folder import LIST, check_folder, write_site

FIRST = {"index.html": b"one", "boards/a.html": b"a", "boards/b.html": b"b"}
SECOND = {"index.html": b"two", "boards/a.html": b"a", "methods/m.html": b"m"}


def content(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != LIST)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_new_site_takes_the_place_of_the_old_one_and_of_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    write_site(FIRST, out)
    assert content(out) == FIRST
    (out / "CNAME").write_bytes(b"mine")
    (out / "boards" / "mine.html").write_bytes(b"mine")
    write_site(SECOND, out)
    assert content(out) == {**SECOND, "CNAME": b"mine", "boards/mine.html": b"mine"}
    assert set(json.loads((out / LIST).read_text())["files"]) == set(SECOND)


def test_what_was_edited_is_not_written_over(tmp_path: Path) -> None:
    write_site(FIRST, tmp_path / "out")
    edited = tmp_path / "out" / "index.html"
    edited.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is not as ltbench wrote it"):
        write_site(SECOND, tmp_path / "out")
    assert content(tmp_path / "out") == {**FIRST, "index.html": b"mine"}


def test_a_file_that_is_no_longer_of_the_site_stays_if_it_was_edited(tmp_path: Path) -> None:
    write_site(FIRST, tmp_path / "out")
    (tmp_path / "out" / "boards" / "b.html").write_bytes(b"mine")
    write_site(SECOND, tmp_path / "out")
    assert (tmp_path / "out" / "boards" / "b.html").read_bytes() == b"mine"


def test_nothing_is_written_behind_a_link(tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    write_site({"index.html": b"one"}, out)
    other.mkdir()
    (out / "boards").symlink_to(other)
    with pytest.raises(UsageError, match="is a link"):
        write_site(FIRST, out)
    assert not list(other.iterdir())
    assert (out / "index.html").read_bytes() == b"one"


@pytest.mark.parametrize(
    "listed", ['{"files": {"../kept": ["x"]}}', '{"files": {"/kept": ["x"]}}', '{"files": 3}', "["]
)
def test_a_list_that_leads_out_of_the_folder_is_refused(tmp_path: Path, listed: str) -> None:
    out, kept = tmp_path / "out", tmp_path / "kept"
    out.mkdir()
    kept.write_bytes(b"kept")
    (out / LIST).write_text(listed)
    with pytest.raises(UsageError, match="remove the folder"):
        write_site(FIRST, out)
    assert kept.read_bytes() == b"kept"


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(UsageError, match="holds files that no site"):
        write_site(FIRST, tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        check_folder(tmp_path / "mine")
    assert content(tmp_path) == {"mine": b"mine"}


def test_what_was_broken_off_anywhere_is_finished_by_doing_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, left = writing.os.replace, 0

    def breaking(source: str, target: Path) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        replace(source, target)

    for last in range(1, 6):
        out = tmp_path / str(last)
        write_site(FIRST, out)
        left = last
        monkeypatch.setattr(writing.os, "replace", breaking)
        with pytest.raises(KeyboardInterrupt):
            write_site(SECOND, out)
        monkeypatch.setattr(writing.os, "replace", replace)
        assert not set(content(out).values()) - set(FIRST.values()) - set(SECOND.values())
        write_site(SECOND, out)
        assert content(out) == SECOND
