"""Runs from Python: trained, read, filtered, compared, drawn and looked into."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import ltbench
from ltbench.cli.leaderboard import leaderboard
from ltbench.cli.stats import stats
from ltbench.data.catalogue import open_dataset
from ltbench.errors import UsageError
from ltbench.plugins.names import parse_name
from ltbench.testing import write_run

SETTINGS = {"steps": 20, "eval_every": 10, "batch_size": 8, "precision": "fp32", "quiet": True}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> ltbench.Runs:
    out = tmp_path_factory.mktemp("python") / "runs"
    return ltbench.run(["erm", "bsoftmax"], "digits-mini-mlt", 2, out=str(out), **SETTINGS)


def test_what_was_trained_is_a_sequence_of_runs(trained):
    assert len(trained) == 4
    assert {(run.method, run.seed) for run in trained} == {
        (m, s) for m in ("erm", "bsoftmax") for s in (0, 1)
    }
    assert not trained.failed
    assert len(trained[1:3]) == 2
    assert "4 runs of" in repr(trained)
    assert all(run.status == "done" for run in trained.done)
    assert trained[0].record.protocol["batch_per_domain"] == 8
    again = ltbench.run(
        "erm", ["digits-mini-mlt"], [0], out=trained[0].folder.parents[3], **SETTINGS
    )
    assert [run.folder for run in again] == [trained.where(algo="erm", seed=0)[0].folder]


def test_the_command_counts_them_as_done(trained, command_line):
    words = "run --algo erm,bsoftmax --dataset digits-mini-mlt --seeds 3 --steps 20 --dry-run"
    same = "--eval-every 10 --batch-size 8 --precision fp32 --out"
    root = str(trained[0].folder.parents[3])
    found = CliRunner().invoke(command_line, [*words.split(), *same.split(), root])
    assert found.exit_code == 0, found.output
    assert "6 runs, 4 of them done" in found.output


def test_filters(trained):
    assert {run.method for run in trained.where(algo="erm")} == {"erm"}
    assert [run.seed for run in trained.where(algo=["erm", "bsoftmax"], seed=[1])] == [1, 1]
    assert len(trained.where(dataset="digits-mini-mlt", protocol="digits-mini")) == 4
    with pytest.raises(UsageError, match="did you mean 'bsoftmax'"):
        trained.where(algo="bsoftmx")
    for seed in (np.int64(1), [np.int64(1)], np.array([1]), 1):
        assert {run.seed for run in trained.where(seed=seed)} == {1}
    for seed in ("1", 1.0, [None], True):
        with pytest.raises(UsageError, match="seed is a number, or a list of them, and not"):
            trained.where(seed=seed)
    with pytest.raises(UsageError, match="algo is a name, or a list of names, and not 3"):
        trained.where(algo=3)


def test_numbers_and_paths_may_be_of_other_types(trained, tmp_path):
    file = tmp_path / "mine, too.toml"
    file.write_text('like = "digits-mini"\nsteps = -1\n')
    out = trained[0].folder.parents[3]
    same = SETTINGS | {"jobs": np.int64(1)}
    for seeds in (np.int64(2), np.arange(2), {0, 1}, (np.int64(0), 1)):
        found = ltbench.run("erm", "digits-mini-mlt", seeds, out=out, **same)
        assert {run.folder for run in found} == {r.folder for r in trained.where(algo="erm")}
    with pytest.raises(UsageError, match=r"mine, too.toml.*steps=-1.*the least is 1"):
        ltbench.run("erm", "digits-mini-mlt", 1, out=tmp_path, protocol=file, quiet=True)


def test_no_hash_of_nothing_is_suggested(trained):
    with pytest.raises(UsageError, match=r"there is [0-9a-f]{12}, digits-mini$"):
        trained.where(protocol="zzzzzzzzzzzz")


def test_the_frame_is_tidy(trained):
    frame = trained.frame()
    assert not frame.duplicated(["method", "seed", "metric"]).any()
    run = trained[0]
    own = frame[(frame["hash"] == run.hash) & (frame["seed"] == run.seed)]
    assert dict(zip(own["metric"], own["value"], strict=True)) == run.metrics
    document = json.loads((run.folder / "result.json").read_text())
    assert run.metrics["accuracy_average"] == document["test"]["accuracy_average"]


def test_tables_are_those_of_the_commands(trained):
    root = str(trained[0].folder.parents[3])
    for command, shown in (
        (leaderboard, trained.leaderboard()),
        (stats, trained.stats(resamples=0)),
    ):
        more = [] if command is leaderboard else ["--resamples", "0"]
        found = CliRunner().invoke(command, [root, "--format", "markdown", *more])
        assert shown.to_markdown() == found.stdout == shown._repr_markdown_()
        assert isinstance(shown.frame(), pd.DataFrame)
        assert "erm" in str(shown)
        html = shown._repr_html_()
        ElementTree.fromstring(html.replace("<br>", "<br/>"))  # what is opened is closed
        assert html.count("<tr>") == sum(
            len(g.body) + 1 for s in shown.report.sections for g in s.grids
        )
        assert not re.search("<style|<script|[|]---", html)
    assert set(trained.leaderboard(metrics="accuracy_worst").frame()["method"]) >= {"erm"}


def test_tables_are_written(trained, tmp_path):
    for name, begin in (("a.md", "###"), ("a.html", "<!"), ("a.csv", "dataset"), ("a.tex", "")):
        text = trained.leaderboard().write(tmp_path / name).read_text()
        assert text.lower().lstrip().startswith(begin)
    with pytest.raises(UsageError, match="does not say its format"):
        trained.leaderboard().write(tmp_path / "a.doc")


def test_figures_are_of_matplotlib(trained, tmp_path):
    from matplotlib.figure import Figure

    figure = trained.figure("violin", score="accuracy")
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "violin.png")
    with pytest.raises(UsageError, match="violin"):
        trained.figure("violine")
    with pytest.raises(UsageError, match="'f1' or 'accuracy'"):
        trained.figure("violin", score="auc")


def test_a_run_tells_what_it_holds(trained):
    run = trained[0]
    confusion, answers = run.confusion, run.predictions
    right = (answers["class"] == answers["prediction"]).mean()
    assert np.trace(confusion) / confusion.to_numpy().sum() == pytest.approx(right)
    assert list(confusion.index) == list(run.classes)
    parts = sum(run.confusion_in(d).to_numpy() for d in ("mnist", "mnist-m", "optdigits"))
    assert (parts == confusion.to_numpy()).all()
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        run.confusion_in("mnst")
    assert list(run.log["step"]) == [10, 20]
    assert "val.accuracy_average" in run.log
    features, images = run.features
    assert len(features) == len(images)
    assert features.shape[1] == run.model().trained.algorithm.num_features


def test_the_model_reproduces_the_predictions(trained):
    run = trained[0]
    model = run.model()
    dataset, split = open_dataset(parse_name("digits-mini-mlt"), Path())
    decode, rows = dataset.decoder(split), split.rows("test")
    x = torch.stack([model.transform(decode(row)) for row in rows])
    with torch.no_grad():
        p = torch.cat([model(part) for part in x.split(model.trained.batch)]).softmax(1)
    confidence, answer = p.max(1)
    assert [model.classes[c] for c in answer] == list(run.predictions["prediction"])
    assert np.abs(confidence.double().numpy() - run.predictions["confidence"]).max() == 0.0
    assert not model.training


def test_images_of_all_kinds(trained, tmp_path):
    run = trained[0]
    model = run.model()
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    expected = model.transform(pixels)
    for image in (tmp_path / "digit.png", str(tmp_path / "digit.png"), Image.fromarray(pixels)):
        assert torch.equal(model.transform(image), expected)
    assert model.transform(pixels[..., 0]).shape == expected.shape
    for shape in ((4, 28, 28, 3), (28, 28, 4), (28, 28, 2), (28,)):
        said = rf"takes images \(H, W, 3\) of uint8, and this one is {re.escape(str(shape))} of"
        with pytest.raises(UsageError, match=said):
            model.transform(np.zeros(shape, np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by the camera
    Image.new("RGBA", (28, 20), (200, 10, 10, 80)).save(tmp_path / "odd.webp", exif=exif)
    Image.fromarray(257 * pixels[..., 0].astype(np.uint16)).save(tmp_path / "deep.png")
    for path in (tmp_path / "odd.webp", tmp_path / "deep.png"):
        assert torch.equal(model.transform(Image.open(path)), model.transform(path))
        path.unlink()
    with pytest.raises(UsageError, match="cannot be used: its pixels are floating-point"):
        model.transform(Image.new("F", (28, 28)))
    found = run.predict(tmp_path / "digit.png", top=2)
    assert found["prediction"][0] == model.classes[int(model(expected[None]).argmax())]
    assert list(run.predict([str(tmp_path)])["image"]) == [str(tmp_path / "digit.png")]


def test_the_confusion_is_of_what_was_tested(tmp_path):
    write_run(tmp_path, options={"unseen": "mnist-m"}, domains=("mnist", "mnist-m"))
    run = ltbench.load(tmp_path)[0]
    assert run.confusion.to_numpy().sum() == len(run.predictions)
    with pytest.raises(UsageError, match="there is no domain 'mnist'; did you mean 'mnist-m'"):
        run.confusion_in("mnist")


def test_a_domain_may_have_no_test_images(tmp_path):
    folder = write_run(tmp_path)
    spec, result = (
        json.loads((folder / name).read_text()) for name in ("spec.json", "result.json")
    )
    spec["data"]["counts"]["test"][1] = [0] * 10
    del result["confusion"]["mnist-m"]
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "result.json").write_text(json.dumps(result))
    runs = ltbench.load(tmp_path)
    assert runs[0].confusion.to_numpy().sum() == 200
    with pytest.raises(UsageError, match="there is no domain 'mnist-m'"):
        runs[0].confusion_in("mnist-m")
    for kind in ("confusion", "heatmap"):
        assert runs.figure(kind).axes


def test_failed_runs_are_told_apart(tmp_path):
    write_run(tmp_path, algo="erm", seed=0)
    folder = write_run(tmp_path, algo="erm", seed=1)
    (folder / "result.json").unlink()
    (folder / "error.json").write_text('{"status": "failed", "error": "OSError: no space"}')
    runs = ltbench.load(tmp_path)
    assert [run.reason for run in runs.failed] == ["OSError: no space"]
    assert runs.frame()["status"].value_counts()["failed"] == 1
    with pytest.raises(UsageError, match="no space"):
        runs.failed[0].model()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"algo": "erm", "stepz": 3}, "there is no setting 'stepz'; did you mean 'steps'"),
        ({"algo": "erm", "steps": "many"}, "steps: "),
        ({"algo": "emr"}, "did you mean 'erm'"),
        ({"algo": "erm", "seeds": []}, "there is no seed"),
        ({"algo": "erm", "weights": "gone.pt"}, "gone.pt"),
        ({"algo": "erm", "precision": "FP32"}, "there is no precision 'FP32'"),
        ({"algo": "erm", "memory_format": "nhwc"}, "there is no memory format 'nhwc'"),
        ({"algo": "erm", "pretrained": "no"}, "pretrained is true or false"),
        ({"algo": "erm", "seeds": "5"}, "seeds is how many .* and not '5'"),
        ({"algo": "erm", "seeds": "0,3"}, "seeds is how many .* and not '0,3'"),
        ({"algo": "erm", "seeds": [0.5]}, r"seeds is how many .* and not \[0.5\]"),
        ({"algo": "erm", "seeds": 2.0}, "seeds is how many .* and not 2.0"),
        ({"algo": "erm", "seeds": [0, 0]}, r"seeds is how many .* and not \[0, 0\]"),
        ({"algo": "erm", "seeds": [-1]}, r"seeds is how many .* and not \[-1\]"),
        ({"algo": "erm", "seeds": None}, "seeds is how many .* and not None"),
        ({"algo": "erm", "seeds": 10**12}, "ask for 100,000 at most"),
        ({"algo": "erm", "seeds": 0}, "there is no seed"),
        ({"algo": "erm", "jobs": 0}, "jobs is a number from 1, or None, and not 0"),
        ({"algo": "erm", "jobs": -1}, "jobs is a number from 1, or None, and not -1"),
        ({"algo": "erm", "jobs": "2"}, "jobs is a number from 1, or None, and not '2'"),
        ({"algo": None}, "algo is a name, or a list of names, and not None"),
        ({"algo": ["erm", 3]}, "algo is a name, or a list of names, and not 3"),
        ({"algo": []}, "algo is an empty list"),
        ({"algo": "erm", "protocol": 3}, "protocol is a text, and not 3"),
        ({"algo": "erm", "protocol": Path("gone.toml")}, "gone.toml"),
        ({"algo": "erm", "device": None}, "device is a text, and not None"),
    ],
)
def test_bad_input(tmp_path, words, sentence):
    with pytest.raises(UsageError, match=sentence):
        ltbench.run(dataset="digits-mini-mlt", out=tmp_path, quiet=True, **words)


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match="There is no folder"):
        ltbench.load(tmp_path / "gone")
    with pytest.raises(UsageError, match="There are no runs"):
        ltbench.load(str(tmp_path))


SCRIPT = """
import ltbench
print("script", __name__)
runs = ltbench.run("erm", "digits-mini-mlt", 2, steps=4, precision="fp32", quiet=True, jobs=2)
print(len(runs.done))
"""


GUARDED = """
import ltbench
print("script", __name__)
if __name__ == "__main__":
    runs = ltbench.run("erm", "digits-mini-mlt", 2, steps=4, precision="fp32", quiet=True, jobs=2)
    print(len(runs.done))
"""


@pytest.mark.parametrize("script", [SCRIPT, GUARDED], ids=["plain", "guarded"])
def test_a_script_needs_no_guard_and_may_have_one(tmp_path, script):
    (tmp_path / "train.py").write_text(script)
    found = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["script", "__main__", "2"]


INTERRUPTED = """
import os, pathlib, signal, threading, time
import ltbench

def interrupt():
    while not list(pathlib.Path("runs").rglob("spec.json")):
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    ltbench.run("erm", "digits-mini-mlt", 1, steps=100_000, precision="fp32", quiet=True)
except KeyboardInterrupt as stopped:
    print(stopped)
"""


def test_an_interrupt_is_pythons_own(tmp_path):
    (tmp_path / "train.py").write_text(INTERRUPTED)
    found = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "stopped with 0 of 1 runs done; the same call goes on" in found.stdout, found.stderr
    assert not ltbench.load(tmp_path / "runs").done


def test_importing_is_light():
    code = (
        "import sys, time; t = time.process_time(); import ltbench;"
        "print(time.process_time() - t, *({'torch', 'numpy', 'pandas'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *heavy = found.stdout.split()
    assert not heavy
    assert float(seconds) < 0.1


def test_a_thousand_runs_are_read_at_once(tmp_path):
    import time

    for seed in range(1000):
        write_run(tmp_path, algo="erm", seed=seed, arrays=False)
    began = time.process_time()
    assert len(ltbench.load(tmp_path)) == 1000
    assert time.process_time() - began < 1.5, "0.6 s when the machine is quiet"
