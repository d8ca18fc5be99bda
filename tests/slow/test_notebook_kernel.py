"""In a kernel of Jupyter: worker processes, interrupts, and how things show themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client import KernelManager

pytestmark = pytest.mark.slow

TRAIN = """
import ltbench
runs = ltbench.run(
    "erm", "digits-mini-mlt", 2, jobs=2, steps=80, eval_every=10, precision="fp32", device="cpu"
)
runs
"""


class Kernel:
    """A kernel in a folder, whose outputs are kept."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(folder), extra_arguments=["--log-level=ERROR"])
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=300)
        self.folder = folder

    def run(self, code: str) -> list[dict[str, Any]]:
        """Execute a cell, and return its outputs."""
        messages: list[dict[str, Any]] = []
        self.client.execute_interactive(code, output_hook=messages.append, timeout=1200)
        told = ("status", "execute_input")  # of the kernel's state, and the cell itself
        return [m["content"] for m in messages if m["header"]["msg_type"] not in told]

    def workers(self) -> list[list[str]]:
        """Return the command lines of what it started, without the helper of multiprocessing."""
        started = psutil.Process(self.manager.provisioner.pid).children(recursive=True)
        lines = [process.cmdline() for process in started]
        return [line for line in lines if line and "resource_tracker" not in " ".join(line)]

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.close()


def logs(kernel: Kernel) -> list[str]:
    """Return what the runs have written of their evaluations."""
    return [path.read_text() for path in sorted(kernel.folder.rglob("log.jsonl"))]


def test_an_interrupted_cell_leaves_no_process_and_the_next_goes_on(kernel: Kernel) -> None:
    workers: list[list[str]] = []

    def interrupt() -> None:
        while sum("\n" in text for text in logs(kernel)) < 2:  # both have something to go on from
            time.sleep(0.1)
        workers.extend(kernel.workers())
        kernel.manager.interrupt_kernel()

    interrupting = threading.Thread(target=interrupt, daemon=True)
    interrupting.start()
    *_, error = kernel.run(TRAIN)
    interrupting.join()
    assert error["ename"] == "KeyboardInterrupt"
    assert error["evalue"] == "stopped with 0 of 2 runs done; the same call goes on"
    assert len(workers) >= 2
    assert kernel.workers() == []

    before = logs(kernel)
    *progress, runs = kernel.run(TRAIN)
    assert runs["data"]["text/plain"] == "<2 runs of erm on digits-mini-mlt>"
    assert "[2/2] erm on digits-mini-mlt seed" in "".join(one.get("text", "") for one in progress)
    assert kernel.workers() == []
    for first, whole in zip(before, logs(kernel), strict=True):  # times are in it, too
        assert whole.startswith(first)
        assert whole.count("\n") == 8

    (board,) = kernel.run("runs.leaderboard()")
    assert "<table>" in board["data"]["text/html"]
    (figure,) = kernel.run('runs.figure("confusion")')
    assert figure["data"]["image/png"]
    (chosen,) = kernel.run(
        "%config InlineBackend.figure_formats = ['svg']\n%matplotlib inline\n"
        'runs.figure("confusion")'
    )
    assert "image/svg+xml" in chosen["data"]
    assert "image/png" not in chosen["data"]
