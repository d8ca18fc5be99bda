"""Downloading: mirrors tried in turn, broken transfers resumed, checksums checked."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from ltbench.data.source_lock import LOCK, read_lock, record
from ltbench.errors import DataError, UsageError
from ltbench.regular_files import open_file

logger = logging.getLogger(__name__)

Report = Callable[[str], None]

BLOCK = 1 << 20
ATTEMPTS = 3  # on one mirror; each goes on where the one before broke off
TIMEOUT = 30.0
PROGRESS_SECONDS = 1.0
_LENGTH = re.compile("[0-9]{1,18}")  # servers may say anything


@dataclass(frozen=True)
class Source:
    """A file to fetch.

    Attributes:
        file: its name.
        urls: where it lies; ``gdrive:ID`` is a file of Google Drive, old ones of which need
            ``gdrive:ID&resourcekey=KEY``.
        sha256, md5: checksums, empty where unknown.
        size: bytes, 0 where unknown.
        lock: the record of the first download that size and checksum are from, if they are.
    """

    file: str
    urls: tuple[str, ...]
    sha256: str = ""
    md5: str = ""
    size: int = 0
    lock: Path | None = None

    @classmethod
    def from_facts(cls, entry: Mapping[str, Any]) -> Source:
        """Read an entry of ``sources`` in a data set's facts."""
        known = {key: entry[key] for key in ("file", "sha256", "md5", "size") if key in entry}
        return cls(urls=tuple(entry.get("urls", ())), **known)

    @property
    def checked(self) -> bool:
        """Whether a checksum tells the right file from others."""
        return bool(self.sha256 or self.md5)

    def locked(self, folder: Path) -> Source:
        """Return the source with what was recorded of it in a folder, if its facts have nothing.

        Raises:
            DataError: the record cannot be read.
        """
        found = None if self.checked else read_lock(folder, self.file)
        if found is None:
            return self
        return replace(self, size=found[0], sha256=found[1], lock=folder / LOCK)


class _Failed(Exception):
    """A mirror did not give the file; the message says why."""


def fetch(source: Source, folder: Path, report: Report) -> Path:
    """Return the file's path below ``folder``, downloading what is not there yet.

    A transfer that breaks off leaves ``<file>.part``, and the next call goes on from there. Of a
    file without a known checksum, size and SHA-256 are recorded when it first comes
    (:mod:`ltbench.data.source_lock`), and it has to be the same ever after.

    Raises:
        DataError: no mirror gives the file with the right checksum; the message says where to put
            it by hand.
        UsageError: the folder cannot be written or its disk is full.
    """
    target, source = folder / source.file, source.locked(folder)
    if target.exists():
        if cause := wrong_content(target, source):
            raise DataError(f"{target} {cause}: remove it, then type the same command again")
        report(f"{source.file} is there")
        if not source.checked:
            with contextlib.suppress(OSError):  # of a folder that is only read
                report(record(target, ""))
        return target
    causes = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for url in source.urls:
            try:
                _from_mirror(url, source, target, report)
            except _Failed as error:
                causes.append(f"{url}: {error}")
                report(f"{url}: {error}")
                continue
            if not source.checked:
                report(record(target, url))
            return target
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
    tried = "; ".join(causes) or "no address is known"
    raise DataError(
        f"{source.file} cannot be downloaded ({tried}): fetch it by hand, put it at {target}, "
        "then type the same command again"
    )


def wrong_content(path: Path, source: Source) -> str | None:
    """Say how a file differs from its source's size and checksums; ``None`` when it does not."""
    size = path.stat().st_size
    known = f", as {source.lock} says of the first download" if source.lock else ""
    if source.size and size != source.size:
        return f"has {size} bytes instead of {source.size}{known}"
    for name in ("sha256", "md5"):
        if wanted := getattr(source, name):
            with open_file(path) as file:
                found = hashlib.file_digest(file, name).hexdigest()
            if found != wanted:
                return f"has the {name} {found} instead of {wanted}{known}"
    return None


def address(url: str) -> str:
    """Return the address behind a registry's ``url``.

    Raises:
        DataError: it is neither http, https nor ``gdrive:ID``.
    """
    if url.startswith("gdrive:"):
        file = url.removeprefix("gdrive:")
        return f"https://drive.usercontent.google.com/download?id={file}&export=download&confirm=t"
    if not url.startswith(("http://", "https://")):
        raise DataError(f"the source address '{url}' is neither http, https nor gdrive:ID")
    return url


def _from_mirror(url: str, source: Source, target: Path, report: Report) -> None:
    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _transfer(url, source, part, report)
            break
        except urllib.error.HTTPError as error:
            raise _Failed(f"answered {error.code} {error.reason}") from error
        except (ConnectionError, http.client.HTTPException) as error:
            cause: Exception = error
        if attempt == ATTEMPTS:
            raise _Failed(f"broke off ({cause})") from cause
        logger.info("%s broke off (%s); attempt %d of %d", url, cause, attempt + 1, ATTEMPTS)
    if wrong := wrong_content(part, source):
        _forget(part)
        raise _Failed(f"gave a file that {wrong}")
    part.rename(target)
    _forget(part)
    report(f"{target.name}: {_megabytes(target.stat().st_size)}")


def _transfer(url: str, source: Source, part: Path, report: Report) -> None:
    """Append to ``part`` what the mirror has beyond it."""
    note = part.with_name(f"{part.name}.json")
    done, headers = _resumable(url, source, part, note)
    logger.info("asking %s for %s from byte %d on", url, source.file, done)
    request = urllib.request.Request(address(url), headers={"User-Agent": "ltbench", **headers})
    try:
        with _network():
            answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            if error.headers.get("Content-Range") == f"bytes */{done}":
                return  # all of it is there already
            _forget(part)
            raise ConnectionError("the file changed on the server") from error
        raise
    with answer:
        resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            _forget(part)
            raise ConnectionError("the server sent another range than was asked for")
        if answer.headers.get_content_type() == "text/html" and not source.file.endswith(".html"):
            raise _Failed("answered with a web page instead of the file")
        done = done if resumed else 0
        left = answer.headers.get("Content-Length", "")
        total = done + int(left) if _LENGTH.fullmatch(left) else source.size
        note.write_text(json.dumps({"url": url, "validator": _validator(answer.headers)}))
        with part.open("ab" if resumed else "wb") as file:
            shown = _progress(source.file, total, report)
            while block := _read(answer):
                file.write(block)
                done += len(block)
                shown(done)
        if total and done < total:
            raise ConnectionError(f"only {done} of {total} bytes came")


@contextlib.contextmanager
def _network() -> Iterator[None]:
    """Let whatever the network or its encryption fails by be told from a disk's errors."""
    try:
        yield
    except urllib.error.HTTPError:
        raise
    except OSError as error:
        raise ConnectionError(str(getattr(error, "reason", "") or error)) from error


def _read(answer: IO[bytes]) -> bytes:
    with _network():
        return answer.read(BLOCK)


def _progress(name: str, total: int, report: Report) -> Callable[[int], None]:
    """Return a function that reports the bytes done, but not too often."""
    reported = time.monotonic()

    def show(done: int) -> None:
        nonlocal reported
        if time.monotonic() - reported > PROGRESS_SECONDS:
            reported = time.monotonic()
            of = f" of {_megabytes(total)}" if total else ""
            report(f"  {name}: {_megabytes(done)}{of}")

    return show


def _resumable(url: str, source: Source, part: Path, note: Path) -> tuple[int, dict[str, str]]:
    """Return how many bytes are there, and the headers that ask for the rest.

    Where a checksum will tell, any mirror may go on; else only the one that began, on the same
    version of the file.
    """
    try:
        done, began = part.stat().st_size, json.loads(note.read_text())
        began_at, validator = str(began["url"]), str(began["validator"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0, {}
    same = began_at == url and bool(validator) and validator.isprintable()
    if not done or not (source.checked or same):
        return 0, {}
    headers = {"Range": f"bytes={done}-"}
    if same:
        headers["If-Range"] = validator
    return done, headers


def _validator(headers: Mapping[str, str]) -> str:
    tag = headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified") or ""


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
