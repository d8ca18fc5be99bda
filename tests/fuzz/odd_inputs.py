"""Has readers read odd inputs, in a process of its own that may crash, hang or take all memory.

``python tests/fuzz/odd_inputs.py --surface names --inputs 10000`` does it for one and prints
what came of it. Each input depends on the seed, the surface and its number alone, so that one that
crashed is made again with ``--first NUMBER --inputs 1``.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import resource
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
SURFACES = {
    "names": "text_surfaces:Names",
    "values": "text_surfaces:Values",
    "sweep TOML": "text_surfaces:Sweeps",
    "protocol TOML": "text_surfaces:Protocols",
    "protocol files": "text_surfaces:ProtocolFiles",
    "registry TOML": "text_surfaces:Registries",
    "image CSV": "text_surfaces:Tables",
    "JSON of runs": "file_surfaces:Documents",
    "npz": "file_surfaces:Arrays",
    "archives": "file_surfaces:Archives",
    "checkpoints": "file_surfaces:Checkpoints",
    "CIFAR pickles": "file_surfaces:Pickles",
}
HANG_S = 10
MEMORY = 3 * 2**30
MOST_CRASHES = 50
TRACEBACK = (
    "Traceback (most recent call last)",
    "ltbench --debug shows where",
    "Fatal Python error",
)


@dataclass
class Outcome:
    """What came of the inputs of one surface.

    Attributes:
        inputs: how many were read.
        accepted: how many of them nothing was wrong with.
        refused: how many were refused with a sentence.
        commands: how many of them went through the command line as well.
        crashes: the number of each other input, with what happened.
    """

    surface: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    commands: int = 0
    crashes: list[dict[str, Any]] = field(default_factory=list)


def attack(surface: str, inputs: int, seed: int, commands: int = 0, first: int = 0) -> Outcome:
    """Have a surface read inputs in child processes, and the command line some of them."""
    outcome, end = Outcome(surface), first + inputs
    with tempfile.TemporaryDirectory(prefix="ltbench-fuzz-") as name:
        report = Path(name) / "report.jsonl"
        while first < end and len(outcome.crashes) < MOST_CRASHES:
            words = ["--child", str(report), "--surface", surface, "--seed", str(seed)]
            done = subprocess.run(
                [sys.executable, __file__, *words, "--first", str(first), "--inputs",
                 str(end - first)],
                capture_output=True, text=True, errors="replace", check=False,
                env={**os.environ, "LTBENCH_CACHE": f"{name}/cache", "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            lines = [json.loads(line) for line in report.read_text().splitlines()]
            report.unlink()
            ended = lines and lines[-1].get("ended")
            counts = Counter(line["what"] for line in lines if "what" in line)
            outcome.accepted += counts["accepted"]
            outcome.refused += counts["refused"]
            outcome.crashes += [line for line in lines if line.get("what") == "crash"]
            last = max((line["number"] for line in lines if "number" in line), default=first - 1)
            if not ended:  # it died in the input after the last one that it told of
                last += 1
                cause = f"exit {done.returncode}: {done.stderr[-3000:]}"
                outcome.crashes.append({"number": last, "what": "crash", "cause": cause})
            outcome.inputs += last + 1 - first
            first = last + 1
        _attack_commands(outcome, Path(name), seed, commands)
    return outcome


def _attack_commands(outcome: Outcome, folder: Path, seed: int, commands: int) -> None:
    """Type commands that read some of the inputs."""
    if not commands:
        return
    made = _open(outcome.surface, folder / "commands")
    for number in range(commands):
        rng = Random(f"{seed} {outcome.surface} {number}")
        words = made.command(made.make(rng))
        if not words:
            return
        outcome.commands += 1
        try:
            done = subprocess.run(
                [sys.executable, "-m", "ltbench", *words], capture_output=True, cwd=folder,
                check=False, timeout=120, stdin=subprocess.DEVNULL,
                env={**os.environ, "LTBENCH_CACHE": f"{folder}/cache", "NO_COLOR": "1"},
            )  # fmt: skip
            text, code = done.stderr.decode(errors="replace"), done.returncode
        except subprocess.TimeoutExpired:
            text, code = "it takes longer than 120 s", -1
        said = code == 0 or any("Error: " in line for line in text.splitlines()) or not text
        if code not in (0, 1, 2) or not said or any(mark in text for mark in TRACEBACK):
            cause = f"ltbench {words}: exit {code}: {text[-3000:]}"
            outcome.crashes.append({"number": number, "what": "crash", "cause": cause})


def _open(surface: str, folder: Path) -> Any:
    module, _, name = SURFACES[surface].partition(":")
    folder.mkdir(parents=True, exist_ok=True)
    return getattr(__import__(module), name)(folder)


def _child(surface: str, first: int, inputs: int, seed: int, report: Path) -> None:
    """Read inputs one after another; each leaves a line, so that whoever watches knows the last."""
    import click

    from ltbench.errors import LtbenchError
    from ltbench.results.untrusted import UnreadableRun

    warnings.simplefilter("ignore")
    faulthandler.enable()
    with tempfile.TemporaryDirectory(prefix="ltbench-fuzz-") as name:
        made = _open(surface, Path(name))
        with contextlib.suppress(Exception):
            made.read(made.make(Random(0)), 0)  # imports what it needs
        limit = _virtual() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        peak = _peak_kb()
        with report.open("w", buffering=1) as lines:
            for number in range(first, first + inputs):
                given = made.make(Random(f"{seed} {surface} {number}"))
                faulthandler.dump_traceback_later(HANG_S, exit=True)
                line: dict[str, Any] = {"number": number, "what": "accepted"}
                try:
                    made.read(given, number)
                except (LtbenchError, UnreadableRun, click.ClickException) as error:
                    line["what"] = "refused" if _is_sentence(error) else "crash"
                    line["cause"] = repr(error)[:300]
                except BaseException:
                    line |= {"what": "crash", "cause": traceback.format_exc()[-3000:]}
                faulthandler.cancel_dump_traceback_later()
                now = _peak_kb()
                if now > peak + MEMORY // 2048:
                    line |= {"what": "crash", "cause": f"memory grew by {(now - peak) // 1024} MB"}
                peak = max(peak, now)
                if line["what"] == "crash":
                    line["input"] = repr(given)[:500]
                else:
                    line.pop("cause", None)
                lines.write(json.dumps(line) + "\n")
            lines.write('{"ended": true}\n')


def _is_sentence(error: Exception) -> bool:
    import click

    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return bool(text.strip()) and len(text) < 20_000


def _peak_kb() -> int:
    """Return the most memory that this process had, and not the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _virtual() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main() -> None:
    """Attack one surface, or be the child that does it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surface", choices=SURFACES, action="append")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path[:0] = [str(HERE.parents[1] / "benchmarks")]
    chosen = options.surface or list(SURFACES)
    if options.child:
        _child(chosen[0], options.first, options.inputs, options.seed, options.child)
        return
    for surface in chosen:
        outcome = attack(surface, options.inputs, options.seed, options.commands, options.first)
        print(json.dumps(asdict(outcome), indent=1), flush=True)


if __name__ == "__main__":
    main()
