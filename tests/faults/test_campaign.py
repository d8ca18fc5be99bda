"""Whatever happens to a sweep, every run is done once and every result is the quiet sweep's.

``LTBENCH_FAULT_RUNS=200 pytest -m slow tests/faults`` attacks a sweep of at least 200 runs, and
``LTBENCH_FAULT_REPORT=FILE`` leaves the figures of ``docs/faults.md``. On a machine that has other
work, where a worker takes long to start, ``LTBENCH_FAULT_MOST=80`` lets the sweep come to its end.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from campaign import ORDERS, Campaign, Report, answers, litter, small_disk

MEGABYTES_A_RUN = 12  # a begun run holds its optimiser's state, and twice so while it writes it


def attack(folder: Path, runs: int, most: float = math.inf, pause: float = 3.0) -> Report:
    """Run a campaign and check all that it must show."""
    seeds = -(-runs // 3)
    with small_disk(folder / "disk", 64 + 3 * seeds * MEGABYTES_A_RUN) as disk:
        out = (disk or folder) / "runs"
        campaign = Campaign(folder, out, seeds, disk=disk, most=most, pause=pause)
        report = campaign.run()
        if disk is None:
            print("no disk was filled: mounting one is not permitted here")
        print(json.dumps(report.as_dict(), indent=1))
        quiet, attacked = answers(folder / "quiet"), answers(out)
        assert attacked.keys() == quiet.keys()
        assert [key for key in quiet if quiet[key] != attacked[key]] == []
        assert len(attacked) == report.runs
        counts = campaign.done_counts()
        assert set(counts.values()) == {1}, counts.most_common(3)
        assert report.overwritten == []
        assert litter(out) == []
        assert report.silent == []
    if path := os.environ.get("LTBENCH_FAULT_REPORT"):
        Path(path).write_text(json.dumps(report.as_dict(), indent=1) + "\n")
    return report


def test_a_short_campaign(tmp_path):
    for runs in (24, 72, 216):  # a fast machine is done before it has met as many
        (folder := tmp_path / str(runs)).mkdir()
        report = attack(folder, runs, most=6)
        if report.faults.total() >= 6:
            break
    assert report.faults.total() >= 6


@pytest.mark.slow
def test_a_long_campaign(tmp_path):
    runs = int(os.environ.get("LTBENCH_FAULT_RUNS", "200"))
    report = attack(tmp_path, runs, float(os.environ.get("LTBENCH_FAULT_MOST", "inf")), pause=6.0)
    assert report.faults["worker killed"] > 5
    assert report.faults["command killed"] > 0
    for fault in (*ORDERS.values(), "worker stopped for good", "bit flipped in a checkpoint"):
        assert report.faults[fault] > 0
    assert report.noticed > 0
