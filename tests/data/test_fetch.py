"""Downloads from a server on this machine that can break off, lie, and redirect."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ltbench.data import sources
from ltbench.data.fetch import ATTEMPTS, Source, address, fetch
from ltbench.data.source_lock import LOCK
from ltbench.errors import DataError, UsageError

CONTENT = bytes(range(256)) * 8192  # 2 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``CONTENT``; ``/cut/N`` breaks off after N bytes as often as ``cuts`` says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.cuts = 0
        self.tag = '"v1"'

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        if self.path == "/gone":
            self.send_error(404)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.server.url("/file"))
            self.end_headers()
            return
        if self.path == "/page":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<html>quota exceeded</html>")
            return
        content = CONTENT[::-1] if self.path == "/other" else CONTENT
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        fresh = self.headers.get("If-Range") not in (None, self.server.tag)
        if self.path == "/plain" or fresh:
            start = 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        length = "2,097,152" if self.path == "/odd" else str(len(content) - start)
        self.send_header("Content-Length", length)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.path != "/plain":
            self.send_header("ETag", self.server.tag)
        self.end_headers()
        end = len(content)
        if self.path.startswith("/cut/") and self.server.cuts:
            self.server.cuts -= 1
            end = start + int(self.path.rpartition("/")[2])
        self.wfile.write(content[start:end])
        if end < len(content):
            self.connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


def source(server: Server, *paths: str, sha256: str = SHA256) -> Source:
    return Source("data.bin", tuple(server.url(path) for path in paths), sha256=sha256)


def silent(_: str) -> None:
    pass


def test_a_file_comes_whole_and_only_once(server: Server, tmp_path: Path) -> None:
    lines: list[str] = []
    for _ in range(2):
        path = fetch(source(server, "/file"), tmp_path / "new", lines.append)
        assert path.read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert lines == ["data.bin: 2.1 MB", "data.bin is there"]
    assert [p.name for p in path.parent.iterdir()] == ["data.bin"]


def test_a_transfer_that_breaks_off_goes_on(server: Server, tmp_path: Path) -> None:
    server.cuts = 2
    path = fetch(source(server, "/cut/600000"), tmp_path, silent)
    assert path.read_bytes() == CONTENT
    asked = [range_ for _, range_ in server.requests]
    assert asked[0] is None
    assert all(range_.startswith("bytes=") for range_ in asked[1:])


def test_the_next_command_goes_on(server: Server, tmp_path: Path) -> None:
    server.cuts = 3
    with pytest.raises(DataError, match="broke off"):
        fetch(source(server, "/cut/300000"), tmp_path, silent)
    done = (tmp_path / "data.bin.part").stat().st_size
    assert done > 0
    assert fetch(source(server, "/file"), tmp_path, silent).read_bytes() == CONTENT
    assert server.requests[-1] == ("/file", f"bytes={done}-")


def test_a_file_that_changed_meanwhile_starts_anew(server: Server, tmp_path: Path) -> None:
    server.cuts = 3
    unchecked = source(server, "/cut/300000", sha256="")
    with pytest.raises(DataError):
        fetch(unchecked, tmp_path, silent)
    server.tag = '"v2"'
    assert fetch(unchecked, tmp_path, silent).read_bytes() == CONTENT


def test_without_a_checksum_no_other_mirror_goes_on(server: Server, tmp_path: Path) -> None:
    server.cuts = 3
    found = fetch(source(server, "/cut/300000", "/file", sha256=""), tmp_path, silent)
    assert found.read_bytes() == CONTENT
    assert server.requests[-1] == ("/file", None)


def test_a_server_without_ranges(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    (tmp_path / "data.bin.part.json").write_text('{"url": "x", "validator": ""}')
    assert fetch(source(server, "/plain"), tmp_path, silent).read_bytes() == CONTENT


def test_all_of_it_was_there_already(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    (tmp_path / "data.bin.part.json").write_text('{"url": "x", "validator": ""}')
    assert fetch(source(server, "/file"), tmp_path, silent).read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn(server: Server, tmp_path: Path) -> None:
    lines: list[str] = []
    dead = Source("data.bin", ("http://127.0.0.1:9/x",)).urls
    paths = tuple(server.url(p) for p in ("/gone", "/page", "/other", "/moved"))
    found = fetch(Source("data.bin", dead + paths, sha256=SHA256), tmp_path, lines.append)
    assert found.read_bytes() == CONTENT
    causes = "\n".join(lines)
    for cause in ("broke off", "404", "web page instead of the file", "gave a file that has the"):
        assert cause in causes
    assert [p.name for p in tmp_path.iterdir()] == ["data.bin"]


def test_when_none_works_the_place_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        fetch(source(server, "/gone", "/other"), tmp_path, silent)
    assert f"put it at {tmp_path / 'data.bin'}" in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_wrong_file_put_by_hand_is_not_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"has the sha256 .* instead of .* remove it"):
        fetch(source(server, "/file"), tmp_path, silent)
    sized = Source("data.bin", (), size=5)
    with pytest.raises(DataError, match="has 14 bytes instead of 5"):
        fetch(sized, tmp_path, silent)


class Answer(io.BytesIO):
    """An answer of 200 that fails within, by ``error``, after a kilobyte."""

    def __init__(self, error: OSError) -> None:
        super().__init__(CONTENT[:1024])
        self.error, self.status, self.headers = error, 200, Message()

    def read(self, size: int | None = -1) -> bytes:
        if not (block := super().read(size)):
            raise self.error
        return block


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLError(1, "[SSL: BAD_RECORD] bad record"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        OSError(errno.ENETDOWN, "Network is down"),
        TimeoutError("The read operation timed out"),
    ],
)
@pytest.mark.parametrize("when", ["asking", "reading"])
def test_whatever_the_network_fails_by_is_tried_again_and_elsewhere(
    when: str,
    error: OSError,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, asked = urllib.request.urlopen, []

    def urlopen(request: urllib.request.Request, timeout: float) -> object:
        asked.append(request.full_url)
        if not request.full_url.endswith("/dead"):
            return real(request, timeout=timeout)
        if when == "asking":
            raise error
        return Answer(error)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    lines: list[str] = []
    found = fetch(source(server, "/dead", "/file"), tmp_path, lines.append)
    assert found.read_bytes() == CONTENT
    assert [url.rpartition("/")[2] for url in asked] == ["dead"] * ATTEMPTS + ["file"]
    assert f"/dead: broke off ({error})" in lines[0]
    with pytest.raises(DataError, match=r"cannot be downloaded \(.*broke off"):
        fetch(source(server, "/dead"), tmp_path / "other", silent)


def test_a_disk_that_fails_is_no_network_that_fails(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").mkdir()
    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        fetch(source(server, "/file"), tmp_path, silent)
    assert len(server.requests) == 1


def test_a_length_that_is_no_number_is_passed_over(server: Server, tmp_path: Path) -> None:
    assert fetch(source(server, "/odd"), tmp_path, silent).read_bytes() == CONTENT


def test_two_commands_do_not_write_into_one_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"file": "data.bin", "urls": [server.url("/file")], "sha256": SHA256}
    at_work, most, reports = [], [], []

    def slow(*args: object) -> Path:
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.2)
        found = fetch(*args)
        at_work.pop()
        return found

    monkeypatch.setattr(sources, "fetch", slow)
    (tmp_path / "x").mkdir()
    folders = [tmp_path, tmp_path / "x" / ".."]  # the same by another name
    calls = [([entry], folder, reports.append) for folder in folders]
    threads = [threading.Thread(target=sources.fetch_sources, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1]
    assert len(server.requests) == 1
    waiting = f"{tmp_path / 'data.bin'} is being fetched by another command, for which this one"
    assert any(line.replace("x/../", "").startswith(waiting) for line in reports)
    # No lock stays beside the data.
    assert {path.name for path in tmp_path.iterdir()} <= {"data.bin", "cache", "x"}


def test_addresses() -> None:
    assert address("gdrive:abc").startswith("https://drive.usercontent.google.com/")
    for url in ("file:///etc/passwd", "ftp://host/x", "/etc/passwd"):
        with pytest.raises(DataError, match="neither http, https nor gdrive"):
            address(url)


def test_a_file_without_a_checksum_is_the_same_ever_after(server: Server, tmp_path: Path) -> None:
    lines: list[str] = []
    unchecked = source(server, "/file", sha256="")
    path = fetch(unchecked, tmp_path, lines.append)
    lock = tmp_path / LOCK
    assert lines[-1] == (
        f"data.bin: no checksum is published; its size and sha256 are recorded in {lock}, and "
        "what is downloaded later must match"
    )
    entry = {"size": len(CONTENT), "sha256": SHA256, "from": server.url("/file")}
    assert json.loads(lock.read_text()) == {"files": {"data.bin": entry}}
    assert fetch(unchecked, tmp_path, lines.append) == path
    assert lines[-1] == "data.bin is there"
    path.unlink()
    changed = source(server, "/other", sha256="")
    with pytest.raises(DataError, match=r"gave a file that has the sha256 .* of the first downl"):
        fetch(changed, tmp_path, silent)
    assert not path.exists()
    assert fetch(source(server, "/other", "/file", sha256=""), tmp_path, silent) == path
    # A file beside it has an entry of its own.
    other = Source("other.bin", (server.url("/other"),))
    fetch(other, tmp_path, silent)
    assert set(json.loads(lock.read_text())["files"]) == {"data.bin", "other.bin"}
    path.write_bytes(b"cut")
    with pytest.raises(DataError, match=r"has 3 bytes instead of .*sources\.lock\.json says"):
        fetch(unchecked, tmp_path, silent)


def test_a_file_put_there_by_hand_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    fetch(Source("data.bin", ()), tmp_path, silent)
    assert json.loads((tmp_path / LOCK).read_text())["files"]["data.bin"]["sha256"] == SHA256


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"files": []}',
        '{"files": {"data.bin": 3}}',
        '{"files": {"data.bin": {"size": "x", "sha256": ""}}}',
        '{"files": {"data.bin": {"size": 3, "sha256": "xyz"}}}',
        "[" * 100_000,
    ],
)
def test_a_record_that_cannot_be_read_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.bin").write_bytes(b"x")
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(DataError, match=r"sources\.lock\.json cannot be read: .*; remove it"):
        fetch(Source("data.bin", ()), tmp_path, silent)


@pytest.mark.parametrize("note", ["[]", "3", '{"url": 3}'])
def test_a_note_of_a_broken_transfer_may_hold_anything(
    server: Server, tmp_path: Path, note: str
) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"x")
    (tmp_path / "data.bin.part.json").write_text(note)
    path = fetch(source(server, "/file"), tmp_path, silent)
    assert path.read_bytes() == CONTENT
