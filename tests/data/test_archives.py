from __future__ import annotations

import io
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ltbench.data import archives
from ltbench.data.archives import unpack
from ltbench.errors import DataError, UsageError


def tar_with(path: Path, *members: tuple[str, bytes | str, bytes]) -> Path:
    """Write a tar of ``(name, content or link target, type)``."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content, kind in members:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            if isinstance(content, str):
                entry.linkname = content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return path


def zip_with(path: Path, *names: str, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            file.writestr(entry, "content")
    return path


def test_both_kinds_unpack(tmp_path: Path) -> None:
    tar = tar_with(tmp_path / "a.tar.gz", ("PACS/dog/1.jpg", b"1", tarfile.REGTYPE))
    file = zip_with(tmp_path / "a.zip", "PACS/dog/2.jpg", "PACS/cat/3.jpg")
    unpack(tar, tmp_path / "out")
    unpack(file, tmp_path / "out")
    found = sorted(p.name for p in (tmp_path / "out").rglob("*.jpg"))
    assert found == ["1.jpg", "2.jpg", "3.jpg"]
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "C:\\evil", "..\\evil", "\\evil", "a/../.."]
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "tar":
        good = ("fine.txt", b"x", tarfile.REGTYPE)
        archive = tar_with(tmp_path / "a.tar.gz", good, (name, b"x", tarfile.REGTYPE))
    else:
        archive = zip_with(tmp_path / "a.zip", "fine.txt", name)
    with pytest.raises(DataError, match=r"not safe to unpack: its entry .* leads out"):
        unpack(archive, tmp_path / "deep" / "out")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [archive.name]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tar_with(tmp_path / "a.tar", ("x", "/etc/passwd", kind))
    with pytest.raises(DataError, match="its entry 'x' is a link or a device"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_unpacks_without_a_bound_is_refused(tmp_path: Path, way: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", way) as file:
        file.writestr("a.txt", b" " * 2**20)
    with pytest.raises(DataError, match=r"'a\.txt' is not deflated, as zips are; nothing was"):
        unpack(tmp_path / "a.zip", tmp_path / "there")
    assert not list((tmp_path / "there").rglob("*.txt"))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    archive = zip_with(tmp_path / "a.zip", "x", mode=stat.S_IFLNK | 0o777)
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "damage", [lambda c: b"", lambda c: b"no archive", lambda c: c[: len(c) // 2]]
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_broken_archives(tmp_path: Path, kind: str, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a"
    tar_with(path, ("x", bytes(range(256)) * 50, tarfile.REGTYPE)) if kind == "tar" else zip_with(
        path, "x"
    )
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="is broken"):
        unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*"))


KILLED = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from ltbench.data import archives

    archives.move_into = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    archives.unpack(Path(sys.argv[1]), Path(sys.argv[2]))
""")


def test_what_a_killed_process_unpacked_goes_the_next_time(tmp_path: Path) -> None:
    archive = tar_with(tmp_path / "a.tar.gz", ("PACS/dog/1.jpg", b"1", tarfile.REGTYPE))
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(archive), str(out)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert [path.name for path in out.rglob("*.jpg")] == ["1.jpg"]  # hidden, and of the whole size
    (*_, left) = out.iterdir()
    (left / "stray").mkdir()
    unpack(archive, out)
    assert sorted(path.name for path in out.rglob("*")) == ["1.jpg", "PACS", "dog"]


def test_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tar_with(tmp_path / "a.tar", ("x", b"12345", tarfile.REGTYPE))
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 4}))
    with pytest.raises(UsageError, match="free some space, or choose another folder"):
        unpack(archive, tmp_path / "out")


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    archive = tar_with(tmp_path / "a.tar", ("x", b"1", tarfile.REGTYPE))
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        unpack(archive, tmp_path / "out")


def test_a_header_that_unpacks_to_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XHDTYPE, 2**40
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + b"\0" * 2048)
    with pytest.raises(DataError, match="says that it has 1099511627776 bytes"):
        unpack(path, tmp_path / "out")


def test_an_entry_of_negative_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (-1024).to_bytes(12, "big", signed=True)
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:512]) + 8 * 32)
    path.write_bytes(bytes(header) + b"\0" * 2048)
    with pytest.raises(DataError, match="is broken"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"\0\0"])
def test_names_in_a_zip_that_are_no_text_are_a_broken_archive(
    tmp_path: Path, damage: bytes
) -> None:
    path = zip_with(tmp_path / "a.zip", "é.jpg", "b.jpg")
    path.write_bytes(path.read_bytes().replace("é".encode(), damage))
    with pytest.raises(DataError, match="is broken"):
        unpack(path, tmp_path / "out")
