"""The record of a sweep: complete, whole on the disk, and quick however many runs there are."""

from __future__ import annotations

import json
import os
import time

from ltbench.results.protocol import Protocol
from ltbench.results.run import BackboneSpec, Component, RunSpec
from ltbench.results.sweeps import PlannedRun, read_sweeps, write_record


def spec(method: str = "erm[x=0]", algo: str = "erm", **more) -> RunSpec:
    return RunSpec(
        algorithm=Component(algo, {"x": method}), dataset=Component("data"), split="",
        protocol=Protocol(), backbone=BackboneSpec("net"), precision="fp32",
        **{"seed": 0, "method": method, "stages": (), **more},
    )  # fmt: skip


def planned(count: int) -> list[PlannedRun]:
    return [PlannedRun(spec(f"erm[x={i}]"), 300) for i in range(count)]


def test_it_holds_what_status_needs(tmp_path):
    tuned = {"search": "random", "trials": 4, "seed": 0}
    other = spec("é", "é", seed=1, tuned=tuned)
    path = write_record(
        tmp_path, ["ltbench", "run"], [*planned(1), PlannedRun(other, 600, 12.5)], slots=2
    )
    record = json.loads(path.read_text())
    assert record["format"] == 1
    assert record["command"] == ["ltbench", "run"]
    assert (record["slots"], record["pid"]) == (2, os.getpid())
    assert record["host"]
    assert record["started"].endswith("+00:00")
    assert record["runs"][0]["estimate_s"] is None
    assert record["runs"][1] == {
        "folder": f"data/é/{other.hash}/seed-1", "label": "é (tuned: 4 trials)", "method": "é",
        "tuned": tuned, "dataset": "data", "algo": "é", "seed": 1, "steps": 600,
        "estimate_s": 12.5,
    }  # fmt: skip


def test_what_is_written_is_read(tmp_path):
    specs = [spec("erm[x=0]"), spec("boda+crt", "boda", stages=(Component("crt"),), seed=3)]
    write_record(tmp_path, ["ltbench", "run"], [PlannedRun(s, 300, 2.5) for s in specs], slots=2)
    (sweep,) = read_sweeps(tmp_path)
    assert (sweep.command, sweep.slots) == (("ltbench", "run"), 2)
    assert sweep.process.is_gone() is False
    for run, asked in zip(sweep.runs, specs, strict=True):
        assert run.path == str(asked.folder(tmp_path))
        assert (run.status, run.steps, run.estimate) == ("waiting", 300, 2.5)
        for name in ("method", "label", "algo", "seed"):
            assert getattr(run, name) == getattr(asked, name)
        assert run.dataset == asked.dataset.name


def test_the_same_runs_have_one_record_in_whatever_order(tmp_path):
    first = write_record(tmp_path, ["a"], planned(3), slots=1)
    again = write_record(tmp_path, ["b"], planned(3)[::-1], slots=1)
    other = write_record(tmp_path, ["a"], planned(2), slots=1)
    assert first == again != other
    assert sorted(tmp_path.rglob("*.json")) == sorted([first, other])
    assert not list(tmp_path.rglob("*.tmp"))


def test_ten_thousand_runs_take_well_under_a_second(tmp_path):
    runs = planned(10_000)
    assert len({run.spec.hash for run in runs}) == 10_000  # made when the sweep was planned
    began = time.process_time()
    path = write_record(tmp_path, ["ltbench"], runs, slots=8)
    assert time.process_time() - began < 1
    assert len(json.loads(path.read_text())["runs"]) == 10_000
