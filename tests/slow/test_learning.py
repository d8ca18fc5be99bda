"""Every method learns digits-mini-mlt about as well as ERM, or the docs say why not.

Each algorithm, each stage on its default algorithm and each modifier on ERM is run once under the
default protocol. Set ``LTBENCH_LEARNING_RUNS`` to a folder to keep the runs there, and to go on
from those it holds, whatever else is in it.
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
from ltbench.results.frame import Runs, load_runs

pytestmark = pytest.mark.slow

DATASET = "digits-mini-mlt"
PROTOCOL = "digits-mini"
CHANCE = 0.1
FAR_ABOVE_CHANCE = 0.4
FEW_POINTS = 5.0
DOCS = Path(__file__).parents[2] / "docs" / "algorithms"
COLUMNS = ["accuracy_average", "accuracy_worst", "macro_f1_average", "accuracy_few"]


def methods() -> dict[str, str]:
    """Return the project's own methods as they are labelled, with the name of what is tried.

    Those that train nothing say what their network knows, and that of digits starts from a draw.
    """
    ours = {
        kinds: [entry for entry in get_plugins()[kinds] if entry.distribution == "ltbench"]
        for kinds in ("algorithms", "stages", "modifiers")
    }
    trained = [e for e in ours["algorithms"] if e.load().steps(1, e.load().HParams())]
    return {
        **{entry.name: entry.name for entry in trained},
        **{f"{e.load().default_base or 'erm'}+{e.name}": e.name for e in ours["stages"]},
        **{f"erm@{entry.name}": entry.name for entry in ours["modifiers"]},
    }


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
    command = ["run", "--algo", ",".join(methods()), "--dataset", DATASET, "--seeds", "1"]
    command += ["--protocol", PROTOCOL, "--precision", "fp32"]
    subprocess.run(
        [sys.executable, "-m", "ltbench", *command, "--out", out, "--no-leaderboard"], check=True
    )
    table = of_this_test(load_runs(Path(out)))
    print(f"\n{table.round(3).to_string()}")
    return table


def of_this_test(runs: Runs) -> pd.DataFrame:
    """Return what the runs of the test scored, by the name of what is tried, the best first."""
    table = runs.table
    chosen = table["label"].isin(list(methods())) & (table["seed"] == 0)
    chosen &= (table["dataset"] == DATASET) & (table["precision"] == "fp32")
    chosen &= table["protocol"].map(lambda protocol: protocol["name"] == PROTOCOL)
    runs = runs.where(chosen)
    names = [methods()[label] for label in runs.table["label"]]
    found = runs.scores[COLUMNS].set_axis(names).sort_values(COLUMNS[0], ascending=False)
    found["points below ERM"] = 100 * (found.loc["erm", COLUMNS[0]] - found[COLUMNS[0]])
    return found


def test_every_method_was_run_once(scores: pd.DataFrame) -> None:
    assert sorted(scores.index) == sorted(methods().values())


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
    assert documented_deficits().keys() <= set(methods().values())
    assert all(reason for _, reason in documented_deficits().values())
