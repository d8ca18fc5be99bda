"""How fast ltbench is, beside the plain alternative, on the machine at hand.

    python benchmarks/bench.py --write            # all parts, into benchmarks/performance.json
    python benchmarks/bench.py step run           # two of them, printed

``--write`` makes the tables of docs/performance.md from the figures as well (``page.py``). Nothing
else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import psutil
import torch
from beside import Problem, ratio
from page import FIGURES, table, write_page
from peak import convolution_peak, peaks
from plain import LOSSES
from torch.utils.data import DataLoader, TensorDataset

from ltbench.evaluation.cost import multiply_adds
from ltbench.plugins.manager import get_plugins
from ltbench.training.model import ModelBuilder

DATASET, THREADS, STEPS = "digits-mini-mlt", 1, 40
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
BACKWARD = 3  # a step has the arithmetic of three forward passes: one, and two backwards
# A plain step has the distances from the first step on; passes over the data are not timed.
BESIDE = {"boda": "boda[start=1,update=100000]"}

Rows = list[dict[str, Any]]


def machine() -> dict[str, Any]:
    """Say what is measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "?")
    flags = next((x.split() for x in lines if x.startswith("flags")), [])
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "processor": name or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "flags": " ".join(flag for flag in FLAGS if flag in flags),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "threads": THREADS,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "commit": commit,
        "date": datetime.now(UTC).date().isoformat(),
    }


def peak() -> Rows:
    """Measure what the processor can do."""
    torch.set_num_threads(THREADS)
    return peaks()


def step() -> Rows:
    """Time a step of every algorithm, and the plain one where there is one."""
    torch.set_num_threads(THREADS)
    problem = Problem(DATASET, THREADS)
    rate = convolution_peak(torch.float32, torch.channels_last)
    with problem.job("erm") as job:
        split = problem.store.split
        model = ModelBuilder(job.spec, problem.data.facts, split, torch.device("cpu")).algorithm()
        images = job.spec.protocol.batch_per_domain * split.shape[0]
        least = multiply_adds(model) * BACKWARD * images / rate
    rows = []
    for entry in get_plugins()["algorithms"]:
        name = entry.name
        ours, theirs = problem.steps(
            BESIDE.get(name, name), name if name in LOSSES else "erm", STEPS
        )
        found = {"algorithm": name, "ms": 1e3 * statistics.median(ours)}
        if name in LOSSES:
            found |= {"plain ms": 1e3 * statistics.median(theirs), "times": ratio(ours, theirs)}
        found["of plain erm"] = 1e3 * statistics.median(ours)
        rows.append(found)
        print(found, file=sys.stderr, flush=True)
    erm = next(row for row in rows if row["algorithm"] == "erm")
    for row in rows:
        row["of plain erm"] = row["ms"] / erm["plain ms"]
    erm["share of the peak"] = 1e3 * least / erm["ms"]
    return rows


def run() -> Rows:
    """Time whole runs under the default protocol, evaluations and test included."""
    torch.set_num_threads(THREADS)
    problem, rows = Problem(DATASET, THREADS), []
    for name in ("erm",):
        ours, theirs = problem.runs(name, 3)
        found = {"run": name, "s": statistics.median(ours), "plain s": statistics.median(theirs)}
        rows.append(found | {"times": ratio(ours, theirs)})
    return rows


def evaluation() -> Rows:
    """Time passes over the test images: numbers of ltbench, answers alone of the plain loop."""
    torch.set_num_threads(THREADS)
    problem = Problem(DATASET, THREADS)
    with problem.job("erm") as job:
        plain = problem.plain(job.spec)
        split = problem.store.split
        rows = split.rows("test")
        model = ModelBuilder(job.spec, problem.data.facts, split, torch.device("cpu")).algorithm()
        index = torch.from_numpy(rows)
        x, y = problem.x[index], problem.y[index]

        from ltbench.data.device_images import DeviceImages
        from ltbench.data.normalisation import Normalisation
        from ltbench.evaluation.compute import compute_metrics
        from ltbench.evaluation.evaluator import Evaluator

        images = DeviceImages(problem.store, torch.device("cpu"))
        facts = problem.data.facts
        evaluator = Evaluator(
            images,
            Normalisation(facts, images.device),
            facts,
            split.counts("train"),
            32 * len(facts.domains),
        )

        @torch.no_grad()
        def theirs() -> None:
            for part, _ in DataLoader(TensorDataset(x, y), job.spec.protocol.batch_per_domain):
                plain.network(plain.normalise(part)).argmax(1)

        ours = lambda: compute_metrics(evaluator.predictions(model, rows), chosen=False)  # noqa: E731
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(7):
            for work, found in zip((ours, theirs), times, strict=True):
                began = time.perf_counter()
                work()
                found.append(time.perf_counter() - began)
    one, other = (len(rows) / statistics.median(found[1:]) for found in times)
    return [{"images/s": one, "plain images/s": other, "times": ratio(times[0][1:], times[1][1:])}]


def input_path() -> Rows:
    """Read photographs, beside torchvision's folder and loader."""
    out = _script("input_path.py", "--repeat", "5").splitlines()
    return [{"images per second of": line[:34].strip(), "wall clock": line[34:57].strip(),
             "processor time": line[57:].strip()} for line in out if "(" in line]  # fmt: skip


def sweep() -> Rows:
    """Time a sweep of four runs with one and with two runs at a time, as a user starts it."""
    rows = []
    for jobs in (1, 2):
        with tempfile.TemporaryDirectory() as out:
            wall, cpu = _command(
                "run", "--algo", "erm", "--dataset", DATASET, "--seeds", "4", "--jobs", str(jobs),
                "--no-leaderboard", "--out", out,
            )  # fmt: skip
            rows.append({"runs at a time": jobs, "s": wall, "CPU s": cpu})
    return rows


def stages() -> Rows:
    """Time an algorithm alone and with five stages, five seeds, in folders of their own."""
    rows = []
    for algos in ("erm", "erm,erm+crt,erm+lws,erm+tau-norm,erm+posthoc-la,erm+mislas"):
        with tempfile.TemporaryDirectory() as out:
            wall, cpu = _command(
                "run", "--algo", algos, "--dataset", DATASET, "--seeds", "5", "--no-leaderboard",
                "--out", out,
            )  # fmt: skip
        rows.append({"methods": algos.replace(",", ", "), "s": wall, "CPU s": cpu})
    return rows


def start() -> Rows:
    """Time what answers without training, and the way to a run's first step."""
    rows = []
    for line in _script("help_time.py").splitlines():
        name, _, figures = line.partition(" least ")
        least, _, median = figures.partition(" s, median ")
        rows.append({"command": name.strip(), "CPU s": float(median.removesuffix(" s"))})
        rows[-1]["least"] = float(least)
    with tempfile.TemporaryDirectory() as out:
        _, cpu = _command(
            "run", "--algo", "erm", "--dataset", DATASET, "--seeds", "1", "--steps", "1",
            "--no-leaderboard", "--out", out,
        )  # fmt: skip
    rows.append({"command": "ltbench run of one step", "CPU s": cpu, "least": cpu})
    cpu = min(_cpu([sys.executable, "-c", "import torch"])[1] for _ in range(3))
    rows.append({"command": "import torch alone", "CPU s": cpu, "least": cpu})
    return rows


def leaderboard() -> Rows:
    """Time tables of 100 and of 10,000 runs, without an index and with one."""
    rows = []
    for methods, datasets, seeds in ((20, 1, 5), (20, 20, 25)):
        with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as cache:
            os.environ["LTBENCH_CACHE"] = cache
            shape = ("--methods", str(methods), "--datasets", str(datasets), "--seeds", str(seeds))
            _script("synthetic_runs.py", out, *shape)
            for state in ("first time", "again"):
                wall, cpu = _command("leaderboard", out)
                rows.append(
                    {"runs": methods * datasets * seeds, "": state, "s": wall, "CPU s": cpu}
                )
            del os.environ["LTBENCH_CACHE"]
    return rows


def kernels() -> Rows:
    """Count the kernels of a step and the waits of the host."""
    from kernels import counted

    return counted()


PARTS: dict[str, Callable[[], Rows]] = {
    "peak": peak,
    "step": step,
    "run": run,
    "evaluation": evaluation,
    "input": input_path,
    "sweep": sweep,
    "stages": stages,
    "start": start,
    "leaderboard": leaderboard,
    "kernels": kernels,
}


def _script(name: str, *args: str) -> str:
    command = [sys.executable, str(Path(__file__).parent / name), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _command(*args: str) -> tuple[float, float]:
    """Run ltbench; return wall and CPU seconds."""
    return _cpu([sys.executable, "-m", "ltbench", *args])


def _cpu(command: list[str]) -> tuple[float, float]:
    """Run a command; return wall and CPU seconds, its children's included."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def main() -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help="write the figures and the page")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}: take some of {', '.join(PARTS)}")
    found = json.loads(FIGURES.read_text()) if options.write and FIGURES.exists() else {}
    for part in options.parts or PARTS:
        found[part] = {"machine": machine(), "rows": PARTS[part]()}
        print(f"{part}{table(found[part])}", flush=True)
        if options.write:
            FIGURES.write_text(json.dumps(found, indent=1) + "\n")
            write_page()


if __name__ == "__main__":
    main()
