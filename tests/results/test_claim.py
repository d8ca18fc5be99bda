"""Claims: one owner at a time, whoever dies where; and nothing left at the end."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltbench.results import claim as claims
from ltbench.results.claim import (
    BEAT_S,
    STALE_S,
    Claim,
    ClaimLost,
    Owner,
    Watch,
    acquire,
    find_owner,
)
from ltbench.results.process import Process


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


class Clock:
    """Stands where the test puts it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(claims, "seconds", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Claim the run as a process on another machine does."""

    def claim_elsewhere() -> Claim:
        away = replace(Process.current(), host="far", machine="far boot 1")
        monkeypatch.setattr(Process, "current", classmethod(lambda cls: away))
        claim = acquire(tmp_path)
        monkeypatch.undo()
        assert isinstance(claim, Claim)
        claim._ended.set()  # the test beats for it
        return claim

    return claim_elsewhere


def test_one_owner_and_nothing_left(tmp_path):
    claim = acquire(tmp_path)
    assert isinstance(claim, Claim)
    other = acquire(tmp_path)
    assert isinstance(other, Owner)
    assert other.process == Process.current()
    assert str(other) == f"process {os.getpid()} on {other.process.host}"
    claim.check()
    claim.confirm()
    claim.release()
    assert names(tmp_path) == []
    again = acquire(tmp_path)
    assert isinstance(again, Claim)
    again.release()


def test_a_claim_names_its_owner_for_people(tmp_path):
    with acquire(tmp_path):
        document = json.loads((tmp_path / "claim").read_text())
        assert document["pid"] == os.getpid()
        assert document.keys() == {"token", "host", "machine", "pid", "start", "written"}
        assert names(tmp_path) == ["claim"]


def test_a_number_that_another_process_has_now_is_not_the_owner(tmp_path):
    old = replace(Process.current(), start="1")
    (tmp_path / "claim").write_text(json.dumps({"token": "old", **asdict(old), "written": 0}))
    with acquire(tmp_path) as claim:
        assert claim.name == "claim.after-old"
    assert names(tmp_path) == []


def test_an_owner_elsewhere_is_gone_when_it_was_silent_long_enough(tmp_path, clock):
    far = Process("far", "far boot 1", 7, "1")
    path = tmp_path / "claim"
    path.write_text(json.dumps({"token": "old", **asdict(far), "written": 0}))
    watch = Watch()
    assert isinstance(acquire(tmp_path, watch=watch), Owner)
    clock.now += STALE_S - 1
    assert isinstance(acquire(tmp_path, watch=watch), Owner)
    os.utime(path, ns=(5, 5))  # a sign of life, dated long ago: its clock was set back
    clock.now += STALE_S - 1
    assert isinstance(acquire(tmp_path, watch=watch), Owner)
    clock.now += STALE_S - 1
    assert isinstance(acquire(tmp_path, watch=watch), Owner)
    clock.now += 2
    assert isinstance(acquire(tmp_path, watch=Watch()), Owner), "others have watched no time yet"
    with acquire(tmp_path, watch=watch):
        pass
    assert names(tmp_path) == []


def test_what_an_executor_has_watched_counts(tmp_path):
    far = Process("far", "far boot 1", 7, "1")
    (tmp_path / "claim").write_text(json.dumps({"token": "old", **asdict(far), "written": 0}))
    assert isinstance(acquire(tmp_path, gone="other"), Owner)
    with acquire(tmp_path, gone="old"):
        pass


def test_an_owner_that_was_asleep_writes_nothing_more(tmp_path, elsewhere, monkeypatch):
    sleeper = elsewhere()
    clock = Clock(monkeypatch)
    sleeper._confirmed = clock.now
    watch = Watch()
    assert isinstance(acquire(tmp_path, watch=watch), Owner)
    sleeper.check()
    clock.now += STALE_S + 1
    winner = acquire(tmp_path, watch=watch)
    assert isinstance(winner, Claim)
    before = names(tmp_path)
    with pytest.raises(ClaimLost, match="taken over"):
        sleeper.check()
    with pytest.raises(ClaimLost):
        sleeper.confirm()
    sleeper.release()
    assert names(tmp_path) == before
    winner.confirm()
    winner.release()
    assert names(tmp_path) == []


def test_beating_keeps_a_claim_from_being_taken(tmp_path, elsewhere, monkeypatch):
    owner = elsewhere()
    clock = Clock(monkeypatch)
    watch = Watch()
    for _ in range(30):
        owner._renew()
        assert isinstance(acquire(tmp_path, watch=watch), Owner)
        clock.now += BEAT_S
    owner.check()
    owner.release()
    assert names(tmp_path) == []


def test_the_heart_beats_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_S", 0.02)
    with acquire(tmp_path) as claim:
        stamps = set()
        for _ in range(20):
            stamps.add(find_owner(tmp_path).stamp)
            time.sleep(0.02)
        assert len(stamps) > 3
        (tmp_path / "claim").unlink()  # somebody cleared the folder
        deadline = time.monotonic() + 60
        while not claim.lost and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(ClaimLost):
            claim.check()


def test_a_torn_claim_is_somebodys_until_nothing_is_heard(tmp_path, clock):
    (tmp_path / "claim").write_bytes(b'{"token": "ab')
    watch = Watch()
    owner = acquire(tmp_path, watch=watch)
    assert isinstance(owner, Owner)
    assert str(owner) == "an unknown process"
    clock.now += STALE_S + 1
    with acquire(tmp_path, watch=watch):
        pass
    assert names(tmp_path) == []


def test_a_token_cannot_name_a_file_elsewhere(tmp_path):
    bad = {"token": "/../../x", **asdict(Process.current()), "written": 0}
    (tmp_path / "claim").write_text(json.dumps(bad))
    assert find_owner(tmp_path).token.startswith("unreadable")


def test_litter_of_dead_processes_goes_with_the_next_owner(tmp_path):
    for name in ("claim.after-gone", "claim.after-gone-released", ".claim.gone.tmp"):
        (tmp_path / name).write_text("{}")
    with acquire(tmp_path):
        assert names(tmp_path) == ["claim"]


def test_a_full_disk_leaves_no_claim(tmp_path, monkeypatch):
    def full(self, content):
        Path.touch(self)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        acquire(tmp_path)
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_meanwhile_does_not_keep_a_claim(tmp_path, monkeypatch):
    claim = acquire(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(claims.os, "link", full)
    claim.release()
    assert names(tmp_path) == []


def test_it_works_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(claims.os, "link", refuse)
    with acquire(tmp_path):
        assert isinstance(acquire(tmp_path), Owner)
    assert names(tmp_path) == []


def test_a_server_that_answers_twice_is_understood(tmp_path, monkeypatch):
    link = os.link

    def link_twice(source, target):
        link(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(claims.os, "link", link_twice)
    claim = acquire(tmp_path)
    assert isinstance(claim, Claim)
    claim.release()
    assert names(tmp_path) == []


KILLABLE = ("link", "unlink", "listdir", "utime")


def die_at(folder: Path, number: int) -> bool:
    """Claim and release in a process that is killed before its operation ``number``.

    Return whether it lived to the end.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def mortal(function):
            def call(*args, **kwargs):
                nonlocal count
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*args, **kwargs)

            return call

        for name in KILLABLE:
            setattr(os, name, mortal(getattr(os, name)))
        Path.write_bytes = mortal(Path.write_bytes)
        claim = acquire(folder)
        claim.confirm()
        claim.release()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("deaths", [1, 2])
def test_killed_before_any_operation_the_next_one_takes_over_and_clears_up(tmp_path, deaths):
    number = 1
    while True:
        lived = [die_at(tmp_path, number) for _ in range(deaths)]
        with acquire(tmp_path) as claim:
            claim.confirm()
        assert names(tmp_path) == [], f"killed before operation {number}"
        if all(lived):
            break
        number += 1
    assert number > 8


RACER = """
import os, random, sys, time
from pathlib import Path
from ltbench.results.claim import Claim, acquire
from ltbench.results.process import Process
folder, inside, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
draw = random.Random(seed)
me = Process.current()
end = time.monotonic() + float(sys.argv[4])
turns = 0
while time.monotonic() < end:
    claim = acquire(folder)
    if not isinstance(claim, Claim):
        time.sleep(draw.uniform(0, 0.003))
        continue
    with claim:
        mine = inside / f"{me.pid}-{me.start}-{turns}"
        mine.touch()
        for other in os.listdir(inside):
            pid, start, _ = other.split("-")
            gone = None if other != mine.name else True
            while gone is None:  # it may be buried just between two looks at it
                gone = Process(me.host, me.machine, int(pid), start).is_gone()
            if not gone:
                if (inside / other).exists():
                    print("TWO AT ONCE", other, mine.name, flush=True)
        time.sleep(draw.uniform(0, 0.003))
        claim.confirm()
        mine.unlink()
        turns += 1
print(turns, flush=True)
"""


def test_processes_race_and_are_killed_at_random(tmp_path):
    """Two at once are never inside; the file system is the witness."""
    folder, inside, spare = tmp_path / "run", tmp_path / "inside", tmp_path / "spare"
    for path in (folder, inside, spare):
        path.mkdir()
    draw = random.Random(0)

    def start(seed: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RACER, str(folder), str(inside), str(seed), "6"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    racers = [start(seed) for seed in range(4)]
    finished, kills = [], 0
    end = time.monotonic() + 4
    while time.monotonic() < end:
        time.sleep(draw.uniform(0.05, 0.4))
        victim = draw.randrange(len(racers))
        racers[victim].kill()
        kills += 1
        finished.append(racers[victim])
        racers[victim] = start(100 + kills)
    outputs = [racer.communicate(timeout=60)[0] for racer in [*finished, *racers]]
    assert not [text for text in outputs if "TWO AT ONCE" in text]
    turns = sum(int(text.split()[-1]) for text in outputs if text.strip())
    assert turns > 20
    assert kills > 5
    with acquire(folder):
        pass
    assert names(folder) == []


class Crash(BaseException):
    """The end of a simulated process."""


class World:
    """Simulated processes whose every operation on files waits for its turn.

    A schedule of (who, how many operations, fate) decides who goes on, and what comes over it
    then: nothing, death, or so long a sleep that the others take it for dead. It is never taken
    for dead in the middle of a release, which an elapsed time guards.
    """

    def __init__(self, folder: Path, actors: int) -> None:
        self.folder = folder
        self.inside: dict[int, str] = {}
        self.wrongs: list[str] = []
        self.dead: set[str] = set()  # tokens, of those that only sleep too
        self.token = [""] * actors
        self.go = [threading.Semaphore(0) for _ in range(actors)]
        self.resting = [threading.Semaphore(0) for _ in range(actors)]
        self.crashed, self.ended = [False] * actors, [False] * actors
        self.releasing = [False] * actors
        self.actor = threading.local()
        self.threads = [
            threading.Thread(target=self.live, args=(actor,), daemon=True)
            for actor in range(actors)
        ]

    def gate(self, function):
        def call(*args, **kwargs):
            actor = getattr(self.actor, "number", None)
            if actor is not None:
                self.resting[actor].release()
                self.go[actor].acquire()
                if self.crashed[actor]:
                    raise Crash
            return function(*args, **kwargs)

        return call

    def make_token(self):
        token = REAL_UUID()
        actor = getattr(self.actor, "number", None)
        if actor is not None:
            self.token[actor] = token.hex
        return token

    def sees_gone(self, owner: Owner) -> bool:
        return owner.key in self.dead

    def live(self, actor: int) -> None:
        self.actor.number = actor
        try:
            for _ in range(3):
                self.take_a_turn(actor)
        except Crash:
            self.inside.pop(actor, None)
        except BaseException as error:
            self.wrongs.append(repr(error))
        finally:
            self.ended[actor] = True
            self.resting[actor].release()

    def take_a_turn(self, actor: int) -> None:
        claim = acquire(self.folder, watch=self)
        if not isinstance(claim, Claim):
            return
        self.inside[actor] = claim.token
        awake = [token for token in self.inside.values() if token not in self.dead]
        if len(awake) > 1:
            self.wrongs.append("two at once")
        try:
            claim.confirm()
        except ClaimLost:
            if claim.token not in self.dead:
                self.wrongs.append("an owner that was awake lost its claim")
        del self.inside[actor]
        self.releasing[actor] = True
        claim.release()
        self.releasing[actor] = False

    def run(self, schedule: list[tuple[int, int, str]]) -> None:
        for actor, thread in enumerate(self.threads):
            thread.start()
            self.resting[actor].acquire()
        for choice, operations, fate in schedule:
            actor = choice % len(self.threads)
            for _ in range(operations):
                self.operate(actor)
            if fate == "dies" or (fate == "sleeps" and not self.releasing[actor]):
                self.dead.add(self.token[actor])
                if fate == "dies":
                    self.crashed[actor] = True
                    self.dead.add(f"{self.token[actor]}-released")
                    self.operate(actor)
        number = 0
        while not all(self.ended):
            self.operate(number % len(self.threads))
            number += 1
            assert number < 5000, "nobody gets anywhere"

    def operate(self, actor: int) -> None:
        if not self.ended[actor]:
            self.go[actor].release()
            self.resting[actor].acquire()


REAL_UUID = uuid.uuid4
FATES = st.sampled_from(["goes on"] * 3 + ["dies", "sleeps"])
SCHEDULES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 14), FATES), max_size=25)


def play(schedule) -> list[str]:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        world = World(folder, 4)
        for operation in ("link", "unlink", "listdir", "utime"):
            patch.setattr(os, operation, world.gate(getattr(os, operation)))
        patch.setattr(claims, "_read", world.gate(claims._read))
        patch.setattr(time, "sleep", lambda s: None)
        patch.setattr(uuid, "uuid4", world.make_token)
        patch.setattr(Claim, "start", lambda self: None)
        world.run(schedule)
        with acquire(folder, watch=world):
            pass
        return world.wrongs + [f"left behind: {name}" for name in names(folder)]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEDULES)
def test_no_order_of_operations_lets_two_in(schedule):
    assert play(schedule) == []


def test_taking_over_from_what_was_released_meanwhile():
    """Two see a dead owner; one takes over, works and goes before the other links its claim."""
    # 0 dies with its claim; 1 stands before its link; 2 comes and goes; 1 is in, but is it alone?
    for first in range(3, 9):
        for pause in range(2, 9):
            for last in range(2, 12):
                schedule = [
                    (0, first, "dies"),
                    (1, pause, "goes on"),
                    (2, 40, "goes on"),
                    (1, last, "goes on"),
                    (3, 12, "goes on"),
                ]
                assert play(schedule) == [], schedule
