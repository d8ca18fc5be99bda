"""What a run leaves in its process does not reach the next run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from local_sweep import Sweep
from PIL import Image

from ltbench.plugins.manager import get_plugins
from ltbench.results.folder import RunFolder
from ltbench.training.device_errors import loses_device
from ltbench.training.run import execute

QUIET = (lambda event: None, lambda: False)
PROGRAM = Path(__file__).parent / "look_at_changes.py"

WORDS = {
    "function": "torch.nn.functional.cross_entropy",
    "torch_function": "torch.nn.functional.relu",
    "method": "torch.nn.modules.conv.Conv2d.forward",
    "inherited": "torch.nn.modules.conv.Conv2d.__call__",
    "operator": "torch.Tensor.__mul__",
    "code": "torch.nn.functional.relu",
    "numpy": "numpy.sqrt",
    "core": "ltbench.training.loop.derive_seed",
    "constant": "ltbench.training.final_test.FEATURE_IMAGES",
    "hook": "global hooks of modules",
    "autocast": "autocast",
    "dtype": "the default dtype",
    "device": "the default device",
    "grad": "anomaly",
    "deterministic": "deterministic",
    "mkldnn": "mkldnn",
    "precision": "precision",
    "denormal": "arithmetic",
    "threads": "the number of threads",
    "cwd": "the working directory",
    "environment": "environment variable LTBENCH_CACHE",
    "umask": "the umask",
    "signals": "signal handlers",
    "warnings": "warnings that are errors",
    "path": "sys.path",
    "stdout": "the standard files",
    "seterr": "numpy's error handling",
    "child": "child processes",
    "thread": "running threads",
}


def answers(job):
    folder = RunFolder(job.folder)
    result = json.loads(folder.result.read_text())
    kept = {k: result[k] for k in ("test", "domains", "val", "selection", "confusion")}
    return kept, {k: v.tobytes() for k, v in np.load(folder.predictions).items()}


def test_whatever_is_left_behind_is_noticed_and_named(neighbour, tmp_path):
    lines = tmp_path / "lines"
    with lines.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(neighbour)], stdout=file, start_new_session=True
        )
    assert process.wait(200) == 0
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the child that was left behind
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    named = {name: "; ".join(changed) for name, _, changed, _ in found}
    assert {name for name, text in named.items() if text} == set(WORDS), named
    assert {name: named[name] for name, word in WORDS.items() if word not in named[name]} == {}
    assert [name for name, unchanged, *_ in found if unchanged] == []
    assert sorted(took for *_, took in found)[len(found) // 2] < 0.05, "seconds of computing"


def test_the_runs_after_it_are_those_of_a_new_process(neighbour, make_jobs):
    left = ("function", "denormal", "rng", "threads", "thread")
    after = ("erm", "focal", "bsoftmax", "boda", "ldam")
    jobs, cost = [], 20.0
    for does, algo in zip(left, after, strict=True):
        for job in make_jobs(f"neighbour[does={does}]", algo):
            cost -= 1
            jobs.append(replace(job, cost=cost))
    sweep = Sweep()
    sweep.run(jobs)
    assert all("test" in result for result in sweep.results.values())
    told = [text for text in sweep.said if "changed what later runs in its process" in text]
    assert len(told) == len(sweep.said) == 4, "the generators are seeded anew by every run"
    assert all("algorithm 'neighbour' of neighbour.py" in text for text in told)
    words = [WORDS[does] for does in ("function", "denormal", "threads", "thread")]
    assert [word for word, text in zip(words, told, strict=True) if word not in text] == []
    for job in jobs[1::2]:
        (alone,) = make_jobs(job.spec.algorithm.name, out="alone")
        execute(alone, *QUIET)
        assert answers(alone) == answers(job), job.spec.label


def test_no_algorithm_of_the_suite_changes_its_process(make_jobs):
    """In a worker's process: this one has the children and threads of other tests."""
    plugins = get_plugins()
    ours = [e for e in plugins["algorithms"] if e.distribution == "ltbench"]
    names = [e.name for e in ours if not e.load().needs_texts]  # which no network of digits has
    names += [f"erm+{e.name}" for e in plugins["stages"] if e.distribution == "ltbench"]
    assert len(names) > 30
    jobs = make_jobs(*names, steps=2, eval_every=2)
    sweep = Sweep().run(jobs)
    assert len(sweep.results) == len(jobs)
    assert {name: r["error"] for name, r in sweep.results.items() if "test" not in r} == {}
    assert [text for text in sweep.said if "changed what later runs" in text] == []


def test_after_a_device_error_no_run_gets_the_process_again(neighbour, make_jobs):
    jobs = make_jobs("neighbour[does=cuda]", "erm", "neighbour[does=cuda_memory]", "focal")
    jobs = [replace(job, cost=10.0 - place) for place, job in enumerate(jobs)]
    processes = []

    def note(job, event):
        if event["event"] == "evaluated":
            processes.append((job.spec.label, sweep.executor.workers[0].process.pid))

    sweep = Sweep()
    sweep.meanwhile = note
    sweep.run(jobs)
    of = dict(processes)
    assert of["neighbour[does=cuda]"] != of["erm"]
    assert of["erm"] == of["neighbour[does=cuda_memory]"] == of["focal"], "nothing is lost then"
    assert "AcceleratorError" in sweep.results["neighbour[does=cuda] 0"]["error"]
    assert sweep.said == [
        "neighbour[does=cuda] on tiny-mlt seed 0 lost its device; later runs get a new process"
    ]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling"), True),
        (RuntimeError("HIP error: unspecified launch failure"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (torch.AcceleratorError("CUDA error: out of memory"), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (RuntimeError("No CUDA GPUs are available"), False),
        (ValueError("CUDA error: said by something else"), False),
    ],
)
def test_which_errors_lose_the_device(error, lost):
    assert loses_device(error) is lost
    wrapped = KeyError("while it was handled")
    wrapped.__context__ = error
    assert loses_device(wrapped) is lost


def test_the_first_image_that_is_opened_changes_nothing(tmp_path):
    """Pillow registers its formats then; in a process of its own, as others here have done so."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    code = (
        "import sys; from pathlib import Path\n"
        "from ltbench.executors.process_state import ProcessState\n"
        "import ltbench.data.image_files as files\n"
        "state = ProcessState()\n"
        "files.read_image(Path(sys.argv[1]), 3)\n"
        "print(state.changes())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_what_torch_wraps_in_classes_that_inherit_it_is_no_change():
    code = (
        "import timm.optim, torch\n"
        "from ltbench.executors.patches import Patches\n"
        "patches, weights = Patches(frozenset()), [torch.nn.Parameter(torch.zeros(1))]\n"
        "torch.optim.AdamW(weights), timm.optim.Lamb(weights)\n"
        "assert torch.optim.AdamW.step is not torch.optim.Adam.__mro__[1].step\n"
        "assert not patches.changes(), patches.changes()\n"
        "torch.optim.AdamW.step = lambda self: None\n"
        "assert patches.changes() == ['torch.optim.adamw.AdamW.step'], patches.changes()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
