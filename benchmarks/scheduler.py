"""What the scheduler costs: many runs that do nothing pass through the local executor.

``python benchmarks/scheduler.py --runs 10000 --jobs 2``

The overhead of a run is (seconds from the first run's start to the last one's end × slots − seconds
that runs spent in their training loop) ÷ runs. All else counts: handing out and claiming, building
the model, evaluating on the test images, and every file that a run writes. The loop itself does one
step that learns nothing and one evaluation of four images.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent


def memory_mb(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 2**20


def processes() -> list[psutil.Process]:
    """Return the command and its workers."""
    me = psutil.Process()
    workers = [c for c in me.children() if "spawn_main" in " ".join(c.cmdline())]
    return [me, *workers]


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


class Watch:
    """Notes when runs end, what they spent in training, and how large the processes are."""

    def __init__(self, runs: int) -> None:
        self.runs, self.done, self.training, self.first = runs, 0, 0.0, 0.0
        self.cpu = self.wall = 0.0
        self.marks = {runs // 10, runs // 2, runs}
        self.failed: list[str] = []

    def __call__(self, job, event) -> None:
        if event["event"] == "started" and not self.first:
            self.first = time.perf_counter()
        if event["event"] != "finished":
            return
        self.done += 1
        result = event["result"]
        if "timings" not in result:
            self.failed.append(str(result))
            return
        self.training += result["timings"]["total_s"]
        if self.done == 1:
            self.cpu = -sum(map(cpu_seconds, processes()))
        if self.done == self.runs:
            self.wall = time.perf_counter() - self.first
            self.cpu += sum(map(cpu_seconds, processes()))
        if self.done in self.marks:
            sizes = " ".join(f"{memory_mb(worker.pid):.1f}" for worker in processes()[1:])
            print(
                f"{self.done:>6} runs   {time.perf_counter() - self.first:6.1f} s   "
                f"command {memory_mb(os.getpid()):.1f} MB   workers {sizes} MB",
                flush=True,
            )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ["LTBENCH_PLUGIN_PATH"] = str(HERE / "do_nothing.py")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LTBENCH_CACHE"] = scratch
        measure(options.out or Path(scratch) / "runs", options.runs, options.jobs, Path(scratch))


def measure(out: Path, runs: int, jobs: int, scratch: Path) -> None:
    """Pass the runs through the executor."""
    from ltbench.data.store import open_store, store_folder
    from ltbench.executors.local import LocalExecutor
    from ltbench.executors.slots import Slots
    from ltbench.plugins.hparams import HParams
    from ltbench.session.plan import Request, plan_runs
    from ltbench.training.job import Job

    before = time.perf_counter()
    plan = plan_runs(Request(["nothing"], ["pixels"], range(runs), "fp32", scratch, {}))
    print(f"planned {runs} runs in {time.perf_counter() - before:.2f} s")
    ((dataset, split),) = plan.datasets
    open_store(dataset, split)
    store = store_folder(dataset, split)
    todo = [Job(spec, spec.folder(out), scratch, "cpu", 1, None, store) for spec in plan.specs]
    watch = Watch(runs)
    LocalExecutor(Slots(("cpu",) * jobs), HParams()).run(todo, watch)
    overhead = (watch.wall * jobs - watch.training) / runs
    print(
        f"{runs} runs in {watch.wall:.1f} s on {jobs} slots, {watch.training:.1f} s in training: "
        f"{overhead * 1000:.1f} ms of overhead each; {len(watch.failed)} failed"
    )
    print(
        f"all processes together computed {watch.cpu / runs * 1000:.1f} ms a run, training included"
    )


if __name__ == "__main__":
    main()
