"""Bad input: one sentence, exit code 2, no traceback, nothing written."""

from __future__ import annotations

import os

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ltbench.cli.main import cli
from ltbench.cli.run import run

if "run" not in cli.commands:
    cli.add_command(run)


@pytest.fixture
def attempt(tmp_path):
    def attempt(*args: str, out=None):
        command = ["run", "--out", str(out or tmp_path / "runs"), "--no-leaderboard", *args]
        done = CliRunner().invoke(cli, command)
        assert "Traceback" not in done.output
        return done

    return attempt


ERM = ("--algo", "erm", "--dataset", "tiny-mlt")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--algo", "boad", "--dataset", "tiny-mlt"), "did you mean 'boda'"),
        (("--algo", "erm+ctr", "--dataset", "tiny-mlt"), "did you mean 'crt'"),
        (("--algo", "erm", "--dataset", "tiny-mtl"), "did you mean 'tiny-mlt'"),
        (("--algo", "focal[gama=1]", "--dataset", "tiny-mlt"), "did you mean 'gamma'"),
        (("--algo", "focal[gamma=-1]", "--dataset", "tiny-mlt"), "the least is 0"),
        (("--algo", "focal[gamma", "--dataset", "tiny-mlt"), "unclosed bracket"),
        (("--algo", "boda", "--dataset", "tiny-mlt[domains=1]"), "at least 2 domains"),
        (("--algo", "erm", "--dataset", "image-folder[root=/nowhere]"), "ltbench data prepare"),
        (("--algo", "erm", "--dataset", "image-folder"), "needs its folder"),
        ((*ERM, "--backbone", "digits-cmm"), "did you mean 'digits-cnn'"),
        ((*ERM, "--backbone", "resnet5O"), "did you mean 'resnet50'"),
        ((*ERM, "--protocol", "tyni"), "did you mean 'tiny'"),
        ((*ERM, "--executor", "locl"), "did you mean 'local'"),
        ((*ERM, "--seeds", "0"), "--seeds 0"),
        ((*ERM, "--seeds", "some"), "--seeds some"),
        ((*ERM, "--seeds", "1,1"), "different numbers"),
        ((*ERM, "--steps", "0"), "the least is 1"),
        ((*ERM, "--lr", "nan"), "finite number"),
        ((*ERM, "--device", "tpu9"), "--device"),
        ((*ERM, "--weights", "/nowhere.pt"), "--weights /nowhere.pt cannot be read"),
    ],
)
def test_one_sentence_and_exit_code_2(attempt, tmp_path, args, message):
    done = attempt(*args)
    assert done.exit_code == 2
    assert message in done.output
    lines = [line for line in done.output.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="/proc refuses root alone in the same way")
def test_an_out_folder_that_cannot_be_written(attempt):
    done = attempt(*ERM, out="/proc/ltbench")
    assert done.exit_code == 2
    assert "--out /proc/ltbench cannot be written" in done.output


def test_an_out_folder_that_is_a_file(attempt, tmp_path):
    (tmp_path / "file").touch()
    assert attempt(*ERM, out=tmp_path / "file").exit_code == 2


def test_a_corrupt_image_is_named(attempt, tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(np.full((16, 16, 3), i, np.uint8)).save(
                tmp_path / "pets" / label / f"{i}.png"
            )
    broken = tmp_path / "pets" / "cat" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    dataset = f"image-folder[root={tmp_path / 'pets'},val=1,test=1,size=16]"
    done = attempt("--algo", "erm", "--dataset", dataset, "--backbone", "digits-cnn",
                   "--no-pretrained")  # fmt: skip
    assert done.exit_code == 2
    assert str(broken) in done.output
