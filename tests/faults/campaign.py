"""A sweep under attack: processes are killed or stopped, files torn, bits flipped, the disk filled.

The clock is set, and workers leave children, threads and changed functions behind, as plugins do.

One campaign does a quiet sweep and then the same one while faults come at random; whoever watches
types the same command again until every run is done, as a person would.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from ltbench.results.claim import WATCH, find_owner

PATCHED = Path(__file__).parent / "patched"
ALGOS = "erm,bsoftmax,boda+crt"
LONGEST = 3600.0
ORDERS = {
    "child": "forked child left behind",
    "thread": "thread left behind",
    "state": "state left behind",
    "child-and-death": "worker died with a forked child",
}
ALLOWED = {
    "best.pt", "features.npz", "log.jsonl", "logits.npz", "predictions.npz", "result.json",
    "spec.json",
}  # fmt: skip


@dataclass
class Report:
    """What was done to the sweep, and what was seen of it."""

    runs: int
    faults: Counter[str] = field(default_factory=Counter)
    commands: int = 0
    quiet_s: float = 0.0
    seconds: float = 0.0
    noticed: int = 0  # commands that told of state left behind
    silent: list[str] = field(default_factory=list)
    overwritten: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        return {
            "runs": self.runs,
            "faults": dict(sorted(self.faults.items())),
            "faults_in_all": self.faults.total(),
            "commands": self.commands,
            "quiet_s": round(self.quiet_s),
            "seconds": round(self.seconds),
        }


class Command:
    """One ``ltbench run``, with all it says."""

    def __init__(self, campaign: Campaign, out: Path) -> None:
        self.text = campaign.folder / f"said-{campaign.report.commands}.txt"
        campaign.report.commands += 1
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(PATCHED), os.environ.get("PYTHONPATH", "")]),
            "LTBENCH_FAULT_CLOCK": str(campaign.clock),
            "LTBENCH_FAULT_RECORD": str(campaign.record),
            "LTBENCH_FAULT_ORDERS": str(campaign.orders),
        }
        with self.text.open("w") as said:
            self.process = subprocess.Popen(
                [*campaign.words, "--out", str(out)],
                stdout=said,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        self.struck = False  # by a signal of ours

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def workers(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return [
                child
                for child in psutil.Process(self.process.pid).children()
                if "spawn_main" in " ".join(child.cmdline())
            ]
        return []


class Campaign:
    """A quiet sweep and the same under faults.

    Args:
        folder: for everything but the runs under attack.
        out: where the runs under attack lie; on a small disk of its own if ``disk`` is set.
        seeds: seeds of each of three algorithms.
        disk: the mount point that may be filled.
        most: how many faults to inject.
        pause: seconds of work, at most, before each.
    """

    def __init__(
        self, folder: Path, out: Path, seeds: int, *, disk: Path | None, most: float, pause: float
    ) -> None:
        self.folder, self.out, self.disk, self.most, self.pause = folder, out, disk, most, pause
        self.report = Report(runs=3 * seeds)
        self.clock, self.record = folder / "clock", folder / "record"
        self.orders = folder / "orders"
        self.orders.mkdir()
        self.draw = random.Random(0)
        self.words = [
            sys.executable, "-m", "ltbench", "run", "--algo", ALGOS, "--dataset", "tiny-mlt",
            "--precision", "fp32", "--seeds", str(seeds), "--jobs", "2", "--no-leaderboard",
        ]  # fmt: skip
        self.commands: list[Command] = []
        self.deck: list[Callable[[], None]] = []
        self.seen: dict[Path, tuple[int, int]] = {}

    def run(self) -> Report:
        """Do both sweeps and return what happened."""
        began = time.monotonic()
        quiet = Command(self, self.folder / "quiet")
        assert quiet.process.wait(LONGEST) == 0, quiet.text.read_text()
        self.record.unlink()
        self.report.quiet_s = time.monotonic() - began
        began = time.monotonic()
        while not self._over():
            assert time.monotonic() < began + LONGEST + 60 * self.report.runs, self.situation()
            self._type_the_command()
            while any(command.alive for command in self.commands):
                self._watch(0.2)
                if self.report.faults.total() < self.most and self._at_work():
                    self._watch(self.draw.uniform(0, self.pause))
                    self._strike()
            self._between()
        self.report.seconds = time.monotonic() - began
        for order in self.orders.iterdir():  # nobody came to it
            self.report.faults[ORDERS[order.name]] -= 1
        self._end_what_is_left()
        return self.report

    def _end_what_is_left(self) -> None:
        """Kill the children that killed workers of killed commands had."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get("LTBENCH_FAULT_RECORD") == str(self.record):
                    process.kill()

    def _over(self) -> bool:
        """Return whether the last command ended well by itself, with nothing left to do."""
        return bool(self.commands) and self.commands[-1].process.returncode == 0

    def _type_the_command(self) -> None:
        two = self.draw.random() < 0.4
        if two:
            self.report.faults["two commands at once"] += 1
        self.commands = [Command(self, self.out) for _ in range(1 + two)]

    def _watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(command.alive for command in self.commands):
            time.sleep(0.1)
            self._look_at_results()

    def _look_at_results(self) -> None:
        for path in self.out.rglob("result.json"):
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                mark = state.st_ino, state.st_mtime_ns
                if self.seen.setdefault(path, mark) != mark:
                    self.report.overwritten.append(str(path))

    def _at_work(self) -> bool:
        """Return whether some run is being trained, so that a fault has something to spoil."""
        for path in self.out.rglob("spec.json"):
            with contextlib.suppress(OSError):
                owner = find_owner(path.parent)
                if owner is not None and not WATCH.sees_gone(owner):
                    return True
        return False

    def _strike(self) -> None:
        """Do one thing that goes wrong in the life of a sweep; each kind comes up in its turn."""
        if not self.deck:
            self.deck = [self._kill_worker] * 3 + [self._kill_command, self._press_ctrl_c]
            self.deck += [self._set_clock, self._tear_log, self._cut_checkpoint]
            self.deck += [self._flip_bit, self._stop_worker]
            self.deck += [functools.partial(self._order, name) for name in ORDERS]
            self.deck += [self._fill_disk] if self.disk else []
            self.draw.shuffle(self.deck)
        self.deck.pop()()

    def _kill_worker(self) -> None:
        workers = [worker for command in self.commands for worker in command.workers()]
        if workers:
            with contextlib.suppress(psutil.Error):
                self.draw.choice(workers).kill()
                self.report.faults["worker killed"] += 1

    def _stop_worker(self) -> None:
        workers = [worker for command in self.commands for worker in command.workers()]
        if workers:
            with contextlib.suppress(psutil.Error):
                self.draw.choice(workers).suspend()
                self.report.faults["worker stopped for good"] += 1

    def _order(self, name: str) -> None:
        path = self.orders / name
        if not path.exists():
            path.touch()
            self.report.faults[ORDERS[name]] += 1

    def _kill_command(self) -> None:
        command = self.draw.choice(self.commands)
        if command.alive:
            command.struck = True
            command.process.kill()
            self.report.faults["command killed"] += 1

    def _press_ctrl_c(self) -> None:
        command = self.draw.choice(self.commands)
        if command.alive:
            command.struck = True
            command.process.send_signal(signal.SIGTERM)  # as Ctrl-C, which a shell may turn off
            self.report.faults["command told to stop"] += 1

    def _set_clock(self) -> None:
        self.clock.write_text(str(self.draw.choice([-1, 1]) * self.draw.uniform(1, 10**7)))
        self.report.faults["clock set"] += 1

    def _fill_disk(self) -> None:
        ballast = self.disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(bytes(2**16))
                file.flush()
        self.report.faults["disk full"] += 1
        self._watch(self.draw.uniform(0.2, 1.5))
        ballast.unlink(missing_ok=True)

    def _abandoned(self, name: str) -> list[Path]:
        """Return files of runs that are begun and that no living process works on."""
        found = []
        for path in self.out.rglob(name):
            folder = path.parent.parent if path.suffix == ".pt" else path.parent
            with contextlib.suppress(OSError):
                owner = find_owner(folder)
                idle = owner is None or WATCH.sees_gone(owner)
                if idle and not (folder / "result.json").exists() and path.stat().st_size:
                    found.append(path)
        return found

    def _tear_log(self) -> None:
        for path in self._abandoned("log.jsonl")[:1]:
            with path.open("r+b") as file:
                file.truncate(self.draw.randrange(path.stat().st_size))
            self.report.faults["log torn"] += 1

    def _cut_checkpoint(self) -> None:
        for path in self._abandoned("latest.pt")[1:2]:  # the first has a flipped bit
            with path.open("r+b") as file:
                file.truncate(self.draw.randrange(path.stat().st_size))
            self.report.faults["checkpoint truncated"] += 1

    def _flip_bit(self) -> None:
        for name in ("latest.pt", "stage.pt"):
            for path in self._abandoned(name)[:1]:
                with path.open("r+b") as file:
                    place = self.draw.randrange(path.stat().st_size)
                    file.seek(place)
                    byte = file.read(1)[0] ^ (1 << self.draw.randrange(8))
                    file.seek(place)
                    file.write(bytes([byte]))
                self.report.faults["bit flipped in a checkpoint"] += 1

    def _between(self) -> None:
        """See that nothing went wrong silently, and tear what a power cut may tear."""
        self._look_at_results()
        for command in self.commands:
            said = command.text.read_text()
            told = "failed: " in said or "Error: " in said
            if "changed what later runs" in said:
                self.report.noticed += 1
            if "Traceback" in said or (command.process.returncode and not (command.struck or told)):
                self.report.silent.append(said)
        self._tear_log()
        self._flip_bit()
        self._cut_checkpoint()

    def situation(self) -> str:
        return json.dumps(self.report.as_dict()) + self.commands[-1].text.read_text()

    def done_counts(self) -> Counter[str]:
        """Return how often each run was completed."""
        return Counter(self.record.read_text().split("\n")[:-1])


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path | None]:
    """Mount a small file system, or yield ``None`` where that is not permitted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = sys.platform == "linux" and os.geteuid() == 0
    if mounted:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def answers(root: Path) -> dict[str, object]:
    """Return every run's answers, everything but times."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("result.json")):
        result = json.loads(path.read_text())
        kept = {
            key: result[key]
            for key in ("test", "domains", "val", "selection", "confusion", "hash", "seed")
        }
        lines = [json.loads(line) for line in (path.parent / "log.jsonl").read_text().splitlines()]
        arrays = {
            f"{name}/{key}": values.tobytes()
            for name in ("predictions", "features")
            for key, values in np.load(path.parent / f"{name}.npz").items()
        }
        log = [{key: value for key, value in line.items() if key != "seconds"} for line in lines]
        found[str(path.parent.relative_to(root))] = (kept, log, arrays)
    return found


def litter(root: Path) -> list[str]:
    """Return the files in run folders that are no part of a finished run."""
    runs = [path.parent for path in root.rglob("spec.json")]
    return [
        str(path.relative_to(root))
        for run in runs
        for path in run.rglob("*")
        if path.is_file() and path.name not in ALLOWED
    ]
