"""What a run gives, without what no two runs share."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ltbench.results.folder import RunFolder
from ltbench.training.job import Job


def answers(job: Job) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, bytes]]:
    """Return numbers of the result, lines of the log and predictions of a run that is done."""
    folder = RunFolder(job.folder)
    result = json.loads(folder.result.read_text())
    kept = {k: result[k] for k in ("test", "domains", "val", "selection", "confusion")}
    log = [json.loads(line) for line in folder.log.read_text().splitlines()]
    log = [{k: v for k, v in line.items() if k != "seconds"} for line in log]
    return kept, log, {k: v.tobytes() for k, v in np.load(folder.predictions).items()}
