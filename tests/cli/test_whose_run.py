"""Which run a row means, and what is said where its plugin is not here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_runs import write_run

from ltbench.cli.run_argument import run_folders
from ltbench.errors import UsageError
from ltbench.session.chosen_run import chosen_folders

ROW = "erm@digits-mini-mlt"
PLUGIN = '''
from ltbench.api import Algorithm


class Mothnet(Algorithm):
    """The usual loss (2026)."""
'''


def chosen_by(folder: Path, accuracy: float, metric: str, value: float) -> None:
    path = folder / "result.json"
    document = json.loads(path.read_text())
    document["val"] = {"accuracy_average": accuracy}
    document["selection"] |= {"metric": metric, "value": value}
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(("metric", "best"), [("step", 1), ("macro_f1_average", 2)])
def test_the_best_seed_is_that_of_the_best_validation(tmp_path, metric, best):
    """A protocol that takes the last model has its step where others have a score."""
    scores = {0: (0.2, 0.3), 1: (0.9, 0.4), 2: (0.5, 0.5)}
    for seed, (accuracy, f1) in scores.items():
        folder = write_run(tmp_path, seed=seed)
        chosen_by(folder, accuracy, metric, 300 if metric == "step" else f1)
    (found,) = chosen_folders(ROW, tmp_path)
    assert found.name == f"seed-{best}"
    assert [f.name for f in chosen_folders(ROW, tmp_path, all_seeds=True)] == [
        "seed-0", "seed-1", "seed-2",
    ]  # fmt: skip


def test_settings_of_one_protocol_are_told_apart_by_their_folders(tmp_path):
    folders = [write_run(tmp_path, hparams=options, label="erm") for options in ({}, {"a": 1})]
    with pytest.raises(UsageError, match="has runs of 2 settings: name a run's folder") as said:
        chosen_folders(ROW, tmp_path)
    assert all(str(folder.parent) in str(said.value) for folder in folders)
    assert chosen_folders(str(folders[1]), tmp_path) == [folders[1]]


def test_settings_of_two_protocols_are_told_apart_by_these(tmp_path):
    folders = {steps: write_run(tmp_path, steps=steps) for steps in (100, 300)}
    with pytest.raises(UsageError, match=r"choose one with --protocol \(hashes (\w+), (\w+)\)"):
        chosen_folders(ROW, tmp_path)
    hashes = {
        steps: json.loads((folder / "spec.json").read_text())["protocol_hash"]
        for steps, folder in folders.items()
    }
    assert chosen_folders(ROW, tmp_path, [hashes[100]]) == [folders[100]]
    with pytest.raises(UsageError, match=r"no run of .* has the protocol none"):
        chosen_folders(ROW, tmp_path, ["none"])


def test_a_folder_of_another_protocol_than_is_asked_for_is_refused(tmp_path):
    folder = write_run(tmp_path / "runs", arrays=False)
    spec = json.loads((folder / "spec.json").read_text())
    name, hash_ = spec["identity"]["protocol"]["name"], spec["protocol_hash"]
    for place in (folder, folder.parent):
        for own in ([name], [hash_[:6]], ["none", name]):
            assert chosen_folders(str(place), tmp_path, own) == [folder]
        sentence = (
            f"the run in {folder} has the protocol {name} {hash_[:12]}, and --protocol asks for no"
        )
        with pytest.raises(UsageError, match=sentence):
            chosen_folders(str(place), tmp_path, ["none"])


def test_options_of_rows_are_refused_where_there_are_folders_alone(tmp_path):
    folder = write_run(tmp_path, arrays=False)
    focal = [write_run(tmp_path, algo="focal", seed=n, steps=100, arrays=False) for n in (0, 1)]
    hash_ = json.loads((focal[0] / "spec.json").read_text())["protocol_hash"]
    options = {"root": tmp_path, "protocol": ()}
    with pytest.raises(UsageError, match=r"^--all-seeds is about a row, METHOD@DATASET, and '/"):
        run_folders(str(folder), options, str(focal[0]), all_seeds=True)
    with pytest.raises(UsageError, match="--protocol asks for"):
        run_folders(str(folder), options | {"protocol": (hash_,)})
    row = "focal@digits-mini-mlt"
    found = run_folders(str(folder), options | {"protocol": (hash_,)}, row, all_seeds=True)
    assert found == [folder, *focal]


def test_a_row_of_which_nothing_is_done(tmp_path):
    write_run(tmp_path, error="failed")
    with pytest.raises(UsageError, match=r"no run of .* is done: seed 0 failed"):
        chosen_folders(ROW, tmp_path)


@pytest.fixture(scope="module")
def of_a_file(tmp_path_factory) -> Path:
    """Train a run of a plugin that is a file, and return the folder that both lie in."""
    place = tmp_path_factory.mktemp("file")
    (place / "mothnet.py").write_text(PLUGIN)
    typed("--plugin", "mothnet.py", "run", "--algo", "mothnet", "--dataset", "digits-mini-mlt",
          "--seeds", "1", "--steps", "2", "--eval-every", "2", "--precision", "fp32",
          "--no-leaderboard", cwd=place)  # fmt: skip
    return place


def typed(*words: str, cwd: Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ltbench", *words], cwd=cwd, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return " ".join(done.stderr.split())


def test_a_run_of_a_file_that_is_not_loaded(of_a_file):
    words = ["predict", "mothnet@digits-mini-mlt", "x.png"]
    said = typed(*words, cwd=of_a_file, code=2)
    assert "was made with the plugin file mothnet.py (content " in said
    assert "which is not loaded here: name it, as with `ltbench --plugin mothnet.py" in said
    said = typed("--plugin", "mothnet.py", *words, cwd=of_a_file, code=2)
    assert "there is no file or folder 'x.png'" in said


def test_a_run_of_a_file_that_was_edited_since(of_a_file, tmp_path):
    (tmp_path / "mothnet.py").write_text(PLUGIN.replace("2026", "2027"))
    runs = str(of_a_file / "runs")
    words = ["predict", "mothnet@digits-mini-mlt", "x.png", "--runs", runs]
    said = typed("--plugin", "mothnet.py", *words, cwd=tmp_path, code=2)
    assert "was made with mothnet.py " in said
    assert "and here is " in said


@pytest.mark.parametrize(
    ("plugins", "sentence"),
    [
        ({"ltbench-moths": "2.1 0123456789ab"}, "made with ltbench-moths 2.1, which is not inst"),
        ({"click": "0.1 0123456789ab"}, "was made with click 0.1 0123456789ab, and here others"),
    ],
)
def test_a_run_of_another_distribution(tmp_path, plugins, sentence):
    write_run(tmp_path / "runs")
    (folder,) = chosen_folders(ROW, tmp_path / "runs")
    path = folder / "spec.json"
    document = json.loads(path.read_text())
    document["identity"]["plugins"] = plugins
    path.write_text(json.dumps(document))
    assert sentence in typed("predict", str(folder), "x.png", cwd=tmp_path, code=2)
