"""``ltbench race`` as it is typed: a short race, stopped by its budget and gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ltbench.cli.main import cli
from ltbench.cli.race import race
from ltbench.results.index import read_runs

DATA = ("--dataset", "digits-mini-mlt")
TINY = (
    *DATA, "--algo", "erm,bsoftmax", "--seeds", "3", "--steps", "2", "--eval-every", "2",
    "--backbone", "digits-cnn-narrow", "--no-pretrained", "--precision", "fp32",
    "--device", "cpu", "--jobs", "1", "--quiet",
)  # fmt: skip


def run(*words: str, code: int = 0):
    if "race" not in cli.commands:
        cli.add_command(race)
    found = CliRunner().invoke(cli, ["race", *words])
    assert getattr(found.exception, "exit_code", found.exit_code) == code, found.output
    return found


@pytest.fixture(scope="module")
def raced(tmp_path_factory) -> Path:
    """Return the folder of a race that a budget of a moment stopped and that then went on."""
    out = tmp_path_factory.mktemp("raced") / "runs"
    stopped = run(*TINY, "--budget", "0.01", "--out", str(out), "--json")
    found = json.loads(stopped.stdout)
    assert "budget was used up during seed 0 of 2 methods" in found["unfinished"]
    assert found["best"] is None
    run(*TINY, "--budget", "1h", "--out", str(out))
    return out


def test_a_race_trains_ordinary_runs(raced):
    runs = [run for run in read_runs(raced) if run.status == "done"]
    assert sorted((r.algo, r.seed) for r in runs) == [
        (algo, seed) for algo in ("bsoftmax", "erm") for seed in range(3)
    ]


def test_a_race_that_is_over_is_told_again_without_training(raced):
    found = json.loads(run(*TINY, "--budget", "1m", "--out", str(raced), "--json").stdout)
    assert found["trained"] == 0
    assert found["best"] in ("erm", "bsoftmax")
    assert found["metric"] == "macro_f1_average"
    values = {m["label"]: m["val"] for m in found["methods"]}
    for record in read_runs(raced):
        result = json.loads((Path(record.path) / "result.json").read_text())
        assert values[record.algo][record.seed] == result["selection"]["value"]
    said = run(*TINY, "--budget", "1m", "--out", str(raced)).stdout
    assert said.splitlines()[0].split() == ["method", "seeds", "validation", "test"]
    assert " ".join(found["verdict"].split()) in " ".join(said.split())


def test_a_metric_of_which_less_is_better_is_raced_the_other_way(raced):
    loss = ("--metric", "loss_average", "--budget", "1m")
    found = json.loads(run(*TINY, *loss, "--out", str(raced), "--json").stdout)
    means = {m["label"]: sum(m["val"]) / 3 for m in found["methods"]}
    assert found["best"] == min(means, key=means.get)
    assert min(means.values()) > 0


def picture(rng: np.random.Generator) -> Image.Image:
    """Return a picture whose colours change slowly from place to place."""
    coarse = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC)


def test_a_race_says_first_what_stands_out_in_the_images(tmp_path):
    rng = np.random.default_rng(0)
    numbers = {"train": (8, 7, 3), "val": (3, 3, 3), "test": (4, 4, 4)}
    for part, counts in numbers.items():
        for name, count in zip(("a b", "Ünï", "蛾 [x]"), counts, strict=True):
            folder = tmp_path / "my photos" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                picture(rng).save(folder / f"no {i}.png")
    photos = tmp_path / "my photos"
    copy = Image.open(photos / "train" / "a b" / "no 3.png")
    copy.resize((88, 66)).save(photos / "test" / "a b" / "again (1).PNG")
    words = [word for word in TINY if word != "--quiet"]
    words[words.index("digits-mini-mlt")] = f"image-folder[root='{photos}']"
    found = run(
        *words, "--image-size", "28", "--budget", "0.01", "--out", str(tmp_path / "runs")
    )  # fmt: skip
    said = " ".join(found.stderr.split())
    few, twice = (
        "to do: 1 class has under 5 training images: '蛾 [x]'. Find more, or expect no method to "
        "learn it.",
        "to do: 1 test image is nearly the same as a training or validation image: "
        "'test/a b/again (1).PNG' and 'train/a b/no 3.png'. Scores on such are too high: remove "
        "one of each two, or put both into the same part.",
    )
    assert few in said
    assert twice in said
    assert said.index("racing erm, bsoftmax") < said.index(few)
    assert said.count("to do: ") == 2


def test_the_next_runs_are_printed(tmp_path):
    found = run(*TINY, "--budget", "1m", "--out", str(tmp_path / "none"), "--dry-run")
    assert "2 runs, 0 of them done" in found.output
    assert "seed 0" in found.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*DATA, "--algo", "erm", "--budget", "1m"), "a race takes two methods or more"),
        ((*DATA, "--algo", "erm,focal", "--budget", "0"), "'0' is not a time"),
        ((*DATA, "--algo", "erm,focal"), "Missing option '--budget'"),
        ((*DATA, "--algo", "erm,focal", "--budget", "1m", "--seeds", "2"), "is not in the range"),
        ((*DATA, "--algo", "erm,focl", "--budget", "1m"), "did you mean 'focal'"),
        (
            (*DATA, "--algo", "erm,focal", "--budget", "1m", "--metric", "acuracy_average"),
            "there is no metric 'acuracy_average'; did you mean 'accuracy_average'",
        ),
        (
            (*DATA, "--algo", "erm,focal", "--budget", "1m", "--metric", "accuracy_wrost"),
            "there is no metric 'accuracy_wrost'; did you mean 'accuracy_worst'",
        ),
        (
            (*DATA, "--algo", "erm,focal", "--budget", "1m", "--metric", "brier_score_average"),
            "computed on test images alone",
        ),
        (
            ("--dataset", "digits-mini-mlt,pacs-mlt", "--budget", "1m"),
            "a race is on one data set, and --dataset names 2",
        ),
    ],
)
def test_what_is_not_possible_is_one_sentence(words, said, tmp_path):
    found = run(*words, "--out", str(tmp_path / "runs"), code=2)
    assert said in f"{found.output} {found.exception}"
    assert not (tmp_path / "runs").exists()
