"""Runs that are compared were made by the same code of ltbench, or the table says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ltbench.report.leaderboard import load_content
from ltbench.report.wording import footnotes
from ltbench.testing.synthetic_runs import write_run


def notes(tmp_path: Path, codes: dict[tuple[str, int], str | None]) -> str:
    for (algo, seed), code in codes.items():
        path = write_run(tmp_path, algo=algo, seed=seed, arrays=False) / "result.json"
        result = json.loads(path.read_text())
        result["environment"] = {} if code is None else {"code": code}
        path.write_text(json.dumps(result))
    (board,) = load_content([tmp_path]).boards
    return " ".join(footnotes(board))


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ({("erm", 0): "a+1", ("erm", 1): "a+1", ("boda", 0): "a+2", ("boda", 1): "a+2"}, ""),
        ({("erm", 0): None, ("erm", 1): "a+1", ("boda", 0): None, ("boda", 1): "a+2"}, ""),
        ({("erm", 0): "a+1", ("erm", 1): "a+3"}, "Seeds made by different code of ltbench: erm."),
        ({("erm", 0): "a+1", ("erm", 1): "b+1"}, "Seeds made by different code of ltbench: erm."),
        (
            {("erm", 0): "a+1", ("boda", 0): "b+2"},
            "Some methods were run by other code of ltbench than others.",
        ),
    ],
)
def test_different_code_is_said(
    tmp_path: Path, codes: dict[tuple[str, int], str | None], said: str
) -> None:
    found = notes(tmp_path, codes)
    assert said in found
    assert ("code of ltbench" in found) is bool(said)
