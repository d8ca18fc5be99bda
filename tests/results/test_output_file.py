"""Files of ``-o``: whole or not at all, and devices stay what they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ltbench.errors import UsageError
from ltbench.report.render import write
from ltbench.report.section import Report
from ltbench.results import folder
from ltbench.results.output_file import check_output, write_output


def test_what_was_there_stays_where_the_disk_is_full(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    path = tmp_path / "page.html"
    path.write_text("the page of before")
    monkeypatch.setattr(folder, "sync_files", full)
    with pytest.raises(UsageError, match=r"page\.html cannot be written: No space left on device"):
        write(Report(()), "markdown", path)
    assert path.read_text() == "the page of before"
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_link_stays_and_what_it_names_is_written(tmp_path):
    (tmp_path / "link.csv").symlink_to("table.csv")
    write_output(tmp_path / "link.csv", b"a,b\n")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "table.csv").read_bytes() == b"a,b\n"


def test_a_pipe_takes_the_content_and_stays(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_output(path)
        write_output(path, b"a,b\n")
        assert os.read(reader, 9) == b"a,b\n"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
    write_output(Path("/dev/null"), b"a,b\n")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_file_in_the_place_of_the_folder_is_said_before_anything_is_computed(tmp_path):
    (tmp_path / "file").write_text("")
    for check in (check_output, lambda path: write_output(path, b"")):
        with pytest.raises(UsageError, match="cannot be written: "):
            check(tmp_path / "file" / "new" / "table.csv")
