"""Odd inputs end in a result or in a sentence: no crash, no hang, no memory without bound.

``LTBENCH_FUZZ_INPUTS=10000 pytest -m slow tests/fuzz`` reads that many of every surface, as it does
without the variable. ``LTBENCH_FUZZ_REPORT=FILE`` leaves the figures of ``docs/faults.md``, and
``LTBENCH_FUZZ_SEED`` makes other inputs.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from odd_inputs import SURFACES, Outcome, attack

FEW = 200


def check(outcome: Outcome, inputs: int) -> None:
    assert outcome.crashes == [], json.dumps(outcome.crashes[:3], indent=1)
    assert outcome.inputs == outcome.accepted + outcome.refused == inputs
    assert outcome.accepted > 0
    assert outcome.refused > 0


@pytest.mark.parametrize("surface", SURFACES)
def test_a_few_odd_inputs(surface: str) -> None:
    check(attack(surface, FEW, seed=1), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("surface", SURFACES)
def test_many_odd_inputs(surface: str) -> None:
    inputs = int(os.environ.get("LTBENCH_FUZZ_INPUTS", "10000"))
    seed = int(os.environ.get("LTBENCH_FUZZ_SEED", "0"))
    outcome = attack(surface, inputs, seed, commands=max(1, min(5, inputs // 2000)))
    if path := os.environ.get("LTBENCH_FUZZ_REPORT"):
        with Path(path).open("a") as file:
            file.write(json.dumps({**asdict(outcome), "seed": seed}) + "\n")
    check(outcome, inputs)


def test_the_campaign_sees_crashes_hangs_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a surface that does each of them."""
    (tmp_path / "bad_surface.py").write_text(
        "import ctypes, time\n"
        "from ltbench.errors import UsageError\n"
        "class Bad:\n"
        "    def __init__(self, folder): pass\n"
        "    def make(self, rng): return None\n"
        "    def read(self, made, number):\n"
        "        match number:\n"
        "            case 1: raise UsageError('no')\n"
        "            case 2: raise KeyError\n"
        "            case 3: ctypes.string_at(0)\n"
        "            case 4: time.sleep(999)\n"
        "            case 5: self.kept = b'x' * (3 << 27)\n"
        "            case 6: self.more = bytearray(1 << 30)\n"
        "            case 7: raise UsageError('')\n"
    )
    script = tmp_path / "small_campaign.py"
    source = (Path(__file__).parent / "odd_inputs.py").read_text()
    script.write_text(
        source.replace('"names": "text_surfaces:Names"', '"bad": "bad_surface:Bad"').replace(
            "HANG_S = 10\nMEMORY = 3 * 2**30", "HANG_S = 5\nMEMORY = 2**29"
        )
    )
    monkeypatch.setattr("odd_inputs.__file__", str(script))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    outcome = attack("bad", 9, seed=0)
    assert (outcome.inputs, outcome.accepted, outcome.refused) == (9, 2, 1)
    assert [crash["number"] for crash in outcome.crashes] == [2, 3, 4, 5, 6, 7]
    causes = [crash["cause"] for crash in outcome.crashes]
    for cause, words in zip(
        causes,
        ("KeyError", "Segmentation", "Timeout", "memory grew", "MemoryError", ""),
        strict=True,
    ):
        assert words in cause
