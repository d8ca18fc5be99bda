"""What is left to do for a run whose process was lost for good."""

from __future__ import annotations

import contextlib
from typing import Any

from ltbench.results.claim import Owner, acquire
from ltbench.results.folder import RunFolder
from ltbench.results.untrusted import read_json
from ltbench.training.job import Job
from ltbench.training.run import claimed


def bury(job: Job, sentence: str) -> dict[str, Any]:
    """Record that a run failed with its process, and return the content of ``error.json``.

    Nothing is recorded if the run is done, or if another command took it over meanwhile; the
    outcome is then that of :func:`ltbench.training.run.execute`.

    Args:
        job: the run; its process is gone.
        sentence: why.
    """
    error = {
        "status": "failed",
        "error": sentence,
        "traceback": "",
        "stage": job.spec.algorithm.name,
        "step": None,
    }
    with contextlib.suppress(OSError):  # on a full disk the observers still hear of it
        job.folder.mkdir(parents=True, exist_ok=True)
        claim = acquire(job.folder, job.gone)
        if isinstance(claim, Owner):
            return claimed(claim)
        with claim:
            folder = RunFolder(job.folder, claim.check)
            if folder.done:  # it died between its result and its farewell
                return read_json(folder.result) or {}
            folder.fail(error)
    return error
