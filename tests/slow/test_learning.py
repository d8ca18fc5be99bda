"""Every algorithm and stage learns digits-mini-mlt about as well as ERM, or the docs say why not.

Set ``LTBENCH_LEARNING_RUNS`` to a folder to keep the runs there, and to go on from those it holds.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ltbench.plugins.manager import get_plugins
from ltbench.results.frame import load_runs

pytestmark = pytest.mark.slow

DATASET = "digits-mini-mlt"
PROTOCOL = "digits-mini-full"
CHANCE = 0.1
FAR_ABOVE_CHANCE = 0.4
FEW_POINTS = 5.0
DOCS = Path(__file__).parents[2] / "docs" / "algorithms"
COLUMNS = ["accuracy_average", "accuracy_worst", "macro_f1_average", "accuracy_few"]


def names() -> list[str]:
    """Return the project's own algorithms, and its stages, each on its default algorithm.

    Those that train nothing say what their network knows, and that of digits starts from a draw.
    """
    plugins = get_plugins()
    ours = [e for k in ("algorithms", "stages") for e in plugins[k] if e.distribution == "ltbench"]
    learns = (e.kind == "stage" or e.load().steps(1, e.load().HParams()) for e in ours)
    return [e.name for e, does in zip(ours, learns, strict=True) if does]


def documented_deficits() -> dict[str, tuple[float, str]]:
    """Return, by name, the points below ERM that the docs account for, with the reason.

    They are the rows ``| `name` | points | reason |`` of the tables headed "points below ERM".
    """
    found = {}
    for page in sorted(DOCS.glob("*.md")):
        for table in re.findall(
            r"\| name \| points below ERM \| reason \|\n\|[-| ]+\|\n((?:\|.*\n?)*)",
            page.read_text(encoding="utf-8"),
        ):
            for row in table.splitlines():
                name, points, reason = (cell.strip() for cell in row.strip("|").split("|"))
                found[name.strip("`")] = (float(points), reason)
    return found


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = os.environ.get("LTBENCH_LEARNING_RUNS") or str(tmp_path_factory.mktemp("runs"))
    command = ["run", "--algo", ",".join(names()), "--dataset", DATASET, "--seeds", "1"]
    command += ["--protocol", PROTOCOL]
    subprocess.run(
        [sys.executable, "-m", "ltbench", *command, "--out", out, "--no-leaderboard"], check=True
    )
    runs = load_runs(Path(out))
    # A stage alone has its default algorithm in its label.
    labels = runs.table["label"].str.replace(r".*\+", "", regex=True)
    table = runs.scores[COLUMNS].set_axis(labels).sort_values(COLUMNS[0], ascending=False)
    table["points below ERM"] = 100 * (table.loc["erm", COLUMNS[0]] - table[COLUMNS[0]])
    print(f"\n{table.round(3).to_string()}")
    return table


def test_every_name_was_run(scores: pd.DataFrame) -> None:
    assert sorted(scores.index) == sorted(names())


def test_all_beat_chance_by_far(scores: pd.DataFrame) -> None:
    low = scores[scores["accuracy_average"] < FAR_ABOVE_CHANCE]
    assert low.empty, f"near chance ({CHANCE}):\n{low}"


def test_none_is_far_below_erm_without_a_reason(scores: pd.DataFrame) -> None:
    documented = documented_deficits()
    below = {
        name: points
        for name, points in scores["points below ERM"].items()
        if points > max(FEW_POINTS, documented.get(str(name), (0.0, ""))[0])
    }
    assert not below, f"points below ERM without a reason in {DOCS}: {below}"


def test_reasons_are_of_plugins_that_exist() -> None:
    assert documented_deficits().keys() <= set(names())
    assert all(reason for _, reason in documented_deficits().values())
