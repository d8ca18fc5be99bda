"""Claims: the process that trains a run says so in the run's folder, and nobody else trains it.

A claim is a small JSON file with a token that is never used twice. It is written under a temporary
name and then linked to its own, which is one step that only one process can win, also over NFS; no
lock of the file system is needed. Claims form a chain. Its head is ``claim``; whoever takes over
from an owner that is gone links ``claim.after-<token of that owner>``, so the owner is the end of
the chain, and two that take over at once want the same name. To release a claim its owner first
seals it: it links its own file as its own successor, which fails if somebody took over meanwhile,
and then unlinks the head, which frees the run, and the rest. A sealed claim whose owner died before
it unlinked the head is taken over as any other, by ``claim.after-<token>-released``. After every
link the chain is read again from its head, as it may have been released since the look before.

An owner on this machine is gone when its process is. One elsewhere shows that it is there by
changing its file's time every :data:`BEAT_S` seconds; an observer that sees no change for
:data:`STALE_S` seconds of its own clock takes over. Clocks are never compared. An owner that was
only asleep finds out before it writes anything (:meth:`Claim.check`) and stops.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ltbench.regular_files import open_file
from ltbench.results.process import Process

logger = logging.getLogger(__name__)

HEAD = "claim"
BEAT_S = 15.0
STALE_S = 120.0
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class ClaimLost(Exception):
    """Another process took the run over, as this one showed no sign of life; nothing may be written
    by this one any more."""


@dataclass(frozen=True)
class Owner:
    """One claim of a chain.

    Attributes:
        name: of the file.
        token: what no other claim has.
        released: whether the owner has begun to release it.
        process: whose it is; ``None`` where the file cannot be read.
        stamp: time and size of the file; they change while the owner lives.
    """

    name: str
    token: str
    released: bool
    process: Process | None
    stamp: tuple[int, int]

    @property
    def key(self) -> str:
        """What is watched: the claim, or its release, which has all its time anew."""
        return f"{self.token}-released" if self.released else self.token

    @property
    def successor(self) -> str:
        """The name of the claim that takes over from this one."""
        return f"{HEAD}.after-{self.key}"

    def __str__(self) -> str:
        if self.process is None:
            return "an unknown process"
        return f"process {self.process.pid} on {self.process.host}"


class Watch:
    """What this process has seen of claims, so that it knows which owners are gone."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[tuple[int, int], float]] = {}

    def sees_gone(self, owner: Owner) -> bool:
        """Return whether an owner is gone, judged by its process or by how long it was silent."""
        gone = owner.process.is_gone() if owner.process else None
        if gone or (gone is False and not owner.released):
            return gone
        # It cannot be seen from here, or it lives and could not end its release.
        now = seconds()
        stamp, since = self.seen.setdefault(owner.key, (owner.stamp, now))
        if stamp != owner.stamp:
            self.seen[owner.key] = owner.stamp, now
            return False
        return now - since > STALE_S


WATCH = Watch()
"""This process's own."""


def seconds() -> float:
    """Return seconds that never jump, and pass also while the machine sleeps where it counts so."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def find_owner(folder: Path) -> Owner | None:
    """Return the claim on a run, whether its owner lives or not; ``None`` where there is none."""
    chain = _chain(folder)
    return chain[-1] if chain else None


def acquire(folder: Path, gone: str | None = None, watch: Watch = WATCH) -> Claim | Owner:
    """Claim a run, or return who has it.

    Args:
        folder: the run's, which is there.
        gone: :attr:`Owner.key` of an owner that somebody else has watched and found gone.
        watch: what was seen so far.

    Raises:
        OSError: the disk is full or the folder is not writable; no claim is left.
    """
    # The time is for people who look; nothing is computed from it.
    about = {**asdict(Process.current()), "written": time.time()}
    while True:
        litter = set(_claim_files(folder))
        chain = _chain(folder)
        if chain and chain[-1].key != gone and not watch.sees_gone(chain[-1]):
            logger.debug("%s is claimed by %s", folder, chain[-1])
            return chain[-1]
        name = chain[-1].successor if chain else HEAD
        token = uuid.uuid4().hex  # every attempt has its own: one that failed may yet be seen
        if not _place(folder, name, token, json.dumps({"token": token, **about}).encode()):
            time.sleep(0.01)  # somebody was faster; look again at who it is
            continue
        claim = Claim(folder, name, token, [*(owner.name for owner in chain), name])
        try:
            if claim.holds():
                # What was there before and is no part of the chain belongs to nobody.
                _remove(folder, litter - set(claim.names))
                claim.start()
                before = f", taken over from {chain[-1]}" if chain else ""
                logger.info("claimed %s%s", folder, before)
                return claim
        except BaseException:
            claim.release()
            raise
        # The chain was released between our look and our link, so that ours hangs in the air; or
        # we were asleep since, and it is a link of somebody's chain that must not be broken.
        if name != HEAD and token not in [owner.token for owner in _chain(folder)]:
            _remove(folder, [name])


class Claim:
    """This process's claim on a run; :func:`acquire` makes it."""

    def __init__(self, folder: Path, name: str, token: str, names: list[str]) -> None:
        self.folder, self.name, self.token, self.names = folder, name, token, names
        self.successor = f"{HEAD}.after-{token}"
        self.lost = False
        self._pid = os.getpid()
        self._confirmed = seconds()
        self._beats = time.time_ns()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="claim", daemon=True)

    def start(self) -> None:
        """Begin to give signs of life."""
        self._thread.start()

    def holds(self) -> bool:
        """Return whether this claim is the end of the chain, as the file system has it now."""
        os.listdir(self.folder)  # over NFS, makes the client forget which names it knew
        owner = find_owner(self.folder)
        return owner is not None and owner.token == self.token and not owner.released

    def check(self) -> None:
        """Return if the run is this process's; to be called before anything is written.

        It costs nothing while signs of life were given on time.

        Raises:
            ClaimLost: somebody took over, or nobody can tell; or this is a process that the claim's
                owner forked, which has its memory but not its claim.
        """
        if os.getpid() != self._pid:
            raise ClaimLost(f"{self.folder} belongs to the process that forked this one")
        if not self.lost and seconds() - self._confirmed > 2 * BEAT_S:
            self._renew()  # this process was asleep
        if self.lost or seconds() - self._confirmed > STALE_S / 2:
            logger.info("lost the claim on %s", self.folder)
            raise ClaimLost(f"{self.folder} was taken over by another process")

    def confirm(self) -> None:
        """Look at the file system before the last, deciding write.

        Raises:
            ClaimLost: somebody took over.
        """
        if os.getpid() == self._pid:
            self._renew()
        self.check()

    def release(self) -> None:
        """Let others have the run, unless somebody took over."""
        if os.getpid() != self._pid:
            return
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.lost:
            return
        logger.debug("releasing the claim on %s", self.folder)
        with contextlib.suppress(OSError):
            began = seconds()
            # After a long sleep the seal may have been taken over, and the head be another's.
            if self._seal() and seconds() - began < STALE_S / 2:
                # The head goes first: this is the step that frees the run.
                _remove(self.folder, [*self.names, self.successor])

    def _seal(self) -> bool:
        """Become one's own successor; return whether that ends the chain."""
        own, sealed = self.folder / self.name, self.folder / self.successor
        try:
            os.link(own, sealed)
        except FileExistsError:
            return _token(sealed) == self.token  # if ours, a server was asked twice
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                return self.holds()  # the disk is full, so nobody can take over from a live owner
            if not _create(sealed, own.read_bytes()):
                return False
        owner = find_owner(self.folder)
        if owner is not None and owner.token == self.token and owner.released:
            return True
        # We were asleep: the chain was taken over and released, and the head is another's now.
        _remove(self.folder, [self.successor])
        return False

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            self._renew()
            if self.lost:
                return

    def _renew(self) -> None:
        """Give a sign of life and see whether the claim stands."""
        with self._lock, contextlib.suppress(OSError):  # a server may be away for a while
            began = seconds()
            # Counted, not read off a clock, which may stand still or go back.
            self._beats += int(BEAT_S * 1e9)
            try:
                os.utime(self.folder / self.name, ns=(self._beats, self._beats))
                self.lost = self.lost or not self.holds()
            except FileNotFoundError:
                self.lost = True
            self._confirmed = began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_claim_file(name: str) -> bool:
    """Return whether a file of this name belongs to a claim, or was about to."""
    return (
        name == HEAD
        or name.startswith(f"{HEAD}.after-")
        or (name.startswith(f".{HEAD}.") and name.endswith(".tmp"))
    )


def _chain(folder: Path) -> list[Owner]:
    chain: list[Owner] = []
    following = _read(folder, HEAD, None)
    # Only a claim that nobody of us wrote leads back into the chain; reading it must end as well.
    while following is not None and following.name not in {owner.name for owner in chain}:
        chain.append(following)
        following = _read(folder, following.successor, following.token)
    return chain


def _read(folder: Path, name: str, before: str | None) -> Owner | None:
    """Read one claim; a sealed one is its own successor."""
    try:
        with open_file(folder / name) as file:
            state, content = os.fstat(file.fileno()), file.read(65536)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ESTALE:
            return None
        if error.errno != errno.EINVAL:
            raise
        state, content = os.stat(folder / name), b""  # no file, and so nobody's claim
    stamp = state.st_mtime_ns, state.st_size
    try:
        document = json.loads(content)
        token, process = str(document["token"]), Process.from_dict(document)
        if not token.isalnum():  # it becomes part of a file's name
            raise ValueError(token)
    except (ValueError, KeyError, TypeError, RecursionError):
        # Torn by a power cut. It has no token, so what the file system says of it serves.
        token = f"unreadable{state.st_ino}x{state.st_mtime_ns}"
        return Owner(name, token, False, None, stamp)
    return Owner(name, token, token == before, process, stamp)


def _token(path: Path) -> str | None:
    owner = _read(path.parent, path.name, None)
    return owner.token if owner else None


def _place(folder: Path, name: str, token: str, content: bytes) -> bool:
    """Create a claim whole and only if there is none of its name; return whether it is ours."""
    draft = folder / f".{HEAD}.{token}.tmp"
    try:
        draft.write_bytes(content)
        try:
            os.link(draft, folder / name)
        except FileExistsError:
            # A server that was asked twice, as the first answer was lost, says so too.
            return _token(folder / name) == token
        except FileNotFoundError:
            return False  # an owner that tidied up took our draft for a dead one's
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _create(folder / name, content)
        return True
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _create(path: Path, content: bytes) -> bool:
    """Do the same where a file system has no links; a reader may then meet an empty file."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def _claim_files(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if is_claim_file(name)]


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder / name)
