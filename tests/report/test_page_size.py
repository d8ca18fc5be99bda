"""The page stays small, however many runs it shows, and says where the rest is to be had."""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from ltbench_figures.convergence import sampled
from synthetic_runs import write_run

from ltbench.report.figure_data import Choices, FigureData
from ltbench.report.figures import draw
from ltbench.report.leaderboard import load_content
from ltbench.report.look import style
from ltbench.report.page_figures import Wish, draw_figures
from ltbench.report.report_page import write_report
from ltbench.results.frame import Runs, load_runs

LIMIT = 5_000_000
FOUR = ("art", "cartoon", "photo", "sketch")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    root = tmp_path_factory.mktemp("runs")
    for m, seed in itertools.product(range(8), range(2)):
        write_run(root, algo=f"m{m}", seed=seed, steps=10_000, per_class=3)
    return load_runs(root)


def nothing(done: int, figures: int) -> None:
    """Take no notice."""


def test_curves_and_maps_are_sampled_and_say_so(runs: Runs) -> None:
    wishes = [Wish("abcdef123456", kind, "T", runs) for kind in ("convergence", "tsne")]
    (curves, maps) = draw_figures(wishes, nothing)["abcdef123456"]
    assert "`ltbench figures convergence --protocol abcdef12`" in curves.note
    for figure, most in ((curves, 16 * 60), (maps, 8 * 400)):
        assert figure.packed
        numbers = gzip.decompress(base64.b64decode(figure.numbers.partition(",")[2]))
        frame = pd.read_csv(io.BytesIO(numbers))
        assert 100 < len(frame) <= most
    with style():
        _, whole = draw("convergence", FigureData(runs), Choices())
    assert len(whole) == 16 * 400


def test_samples_keep_the_ends_of_stages_and_the_same_steps_of_all_seeds() -> None:
    rows = [
        {"label": "a", "seed": seed, "stage": stage, "step": step}
        for seed in range(3)
        for stage, steps in (("erm", range(1, 1000)), ("crt", range(1000, 1300)))
        for step in steps
    ]
    few = sampled(pd.DataFrame(rows), 20)
    steps = few.groupby("seed")["step"].agg(list)
    assert steps[0] == steps[1] == steps[2]
    assert 20 <= len(steps[0]) <= 24
    assert {1, 999, 1000, 1299} <= set(steps[0])


def test_drawings_are_svg_or_webp_whichever_is_smaller(runs: Runs) -> None:
    wishes = [Wish("x", kind, "T", runs) for kind in ("violin", "distribution", "heatmap", "tsne")]
    found = {figure.kind: figure for figure in draw_figures(wishes, nothing)["x"]}
    assert found["distribution"].image.startswith("data:image/svg+xml")
    assert found["tsne"].image.startswith("data:image/webp")
    assert max(len(figure.image) for figure in found.values()) < 250_000


def test_what_finds_no_room_is_named_with_its_command(runs: Runs) -> None:
    wishes = [
        Wish(table, kind, "T", runs)
        for table in ("a" * 12, "b" * 12)
        for kind in ("violin", "tsne")
    ]
    room = 150_000
    sections = draw_figures(wishes, nothing, room)
    figures = [figure for found in sections.values() for figure in found]
    assert sum(len(figure.image) + len(figure.numbers) for figure in figures) <= room
    assert [figure.kind for figure in sections["a" * 12]] == ["violin", "tsne"]
    # Every table has its first figure before one has its second; equal ones stand there once.
    assert sections["a" * 12][0].image
    assert sections["b" * 12][0].reason == "As above: T."
    assert "`ltbench figures tsne --protocol bbbbbbbb`" in sections["b" * 12][1].reason


def size_of_page(root: Path) -> int:
    output = root / "page.html"
    write_report(load_content(root, resamples=50), output, title="T", command="ltbench report")
    text = output.read_text(encoding="utf-8")
    assert all(f"seed {seed}: " in text for seed in range(3))
    assert len(re.findall("<details", text)) > 10
    return output.stat().st_size


@pytest.mark.slow
def test_the_page_of_500_runs_stays_small(tmp_path: Path) -> None:
    for seed, m, (dataset, classes) in itertools.product(
        range(10), range(25), (("pacs-mlt", 7), ("officehome-mlt", 65))
    ):
        write_run(tmp_path, algo=f"method-{m}", seed=seed, dataset=dataset, domains=FOUR,
                  classes=classes, per_class=6, steps=5_000)  # fmt: skip
    assert size_of_page(tmp_path) < LIMIT


@pytest.mark.slow
def test_the_page_of_500_runs_in_many_tables_stays_small(tmp_path: Path) -> None:
    for seed, m, d in itertools.product(range(5), range(4), range(25)):
        write_run(tmp_path, algo=f"method-{m}", seed=seed, dataset=f"data-{d}", domains=FOUR,
                  classes=30, per_class=6, steps=5_000)  # fmt: skip
    assert size_of_page(tmp_path) < LIMIT


@pytest.mark.parametrize("terminal", [True, False])
def test_the_command_shows_that_it_works(tmp_path: Path, terminal: bool) -> None:
    write_run(tmp_path / "runs", arrays=False)
    ours, theirs = pty.openpty() if terminal else os.pipe()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    words = [sys.executable, "-m", "ltbench", "report", "runs", "--resamples", "0"]
    process = subprocess.Popen(words, stderr=theirs, cwd=tmp_path, env=env | {"TERM": "xterm"})
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # the last one closed it
        pass
    assert process.wait() == 0
    text = seen.decode()
    assert text.index("Drawing the figures") < text.index("Wrote")
    assert ("\x1b[" in text) == terminal
    assert ("7/7" in text) == terminal


def test_the_command_of_a_figure_chooses_what_it_shows(runs: Runs) -> None:
    """Without its methods a sweep's curves and a map of many methods would be refused."""
    labels = list(dict.fromkeys(runs.table["label"]))
    assert "--algo" not in Wish("x" * 12, "violin", "T", runs).command
    for label in labels:
        assert f"--algo {label}" in Wish("x" * 12, "heatmap", "T", runs).command
    swept = Runs(
        runs.table.assign(algorithm="m0", stages=[("crt",)] * len(runs.table)), runs.scores
    )
    command = Wish("x" * 12, "sensitivity", "T", swept).command
    assert command.endswith("--protocol xxxxxxxx --algo m0+crt")
    command = Wish("", "cd", "T", runs, Choices(metric="accuracy_worst")).command
    assert command.endswith("figures cd --metric accuracy_worst")
