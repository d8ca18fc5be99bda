"""Presets: names that stand for options of ``ltbench run``."""

from __future__ import annotations

import json
import shlex

import pytest
from click.testing import CliRunner

from ltbench.cli.main import cli
from ltbench.cli.plugins import plugins
from ltbench.cli.run import run
from ltbench.cli.tune import tune
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry

for command in (run, tune, plugins):
    if command.name not in cli.commands:
        cli.add_command(command)

OWN = {
    "algo": "ldam@ema",
    "protocol": {"like": "mdlt", "lr": 2e-4, "epochs": 3},
    "backbone": "digits-cnn-narrow",
    "pretrained": False,
    "batch_size": 8,
    "seeds": [0, 3],
    "then": ["soup {out} --uniform"],
}


@pytest.fixture
def own(monkeypatch):
    def register(given, name="own"):
        entry = Entry("preset", name, given, "of a test", "test", "1")
        monkeypatch.setitem(get_plugins()["presets"]._entries, name, [entry])

    register(OWN)
    return register


def typed(*words, code=0):
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == code, result.output
    return result


def planned(*words):
    words = ("run", *words, "--precision", "fp32", "--dry-run", "--json")
    return json.loads(typed(*words).stdout)


def hashes(*words):
    return [(run["hash"], run["seed"]) for run in planned(*words)]


def stands_for(*words):
    result = typed("run", *words, "--precision", "fp32", "--dry-run")
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("  ltbench run ")]
    return line.strip(), result


ON = ("--dataset", "digits-mini-mlt")


def test_it_stands_for_the_options_in_it(own):
    plain = ("--algo", "ldam@ema", "--protocol", "mdlt[lr=2e-4,epochs=3]", "--seeds", "0,3")
    network = ("--backbone", "digits-cnn-narrow", "--no-pretrained", "--batch-size", "8")
    assert hashes("--preset", "own", *ON) == hashes(*plain, *network, *ON)


@pytest.mark.parametrize(
    "beside",
    [
        (),
        ("--algo", "erm"),
        ("--lr", "0.1"),
        ("--steps", "7"),
        ("--protocol", "digits-mini"),
        ("--protocol", "domainbed", "--lr", "0.1"),
        ("--batch-size", "4", "--backbone", "digits-cnn"),
    ],
)
def test_what_it_stands_for_is_printed_in_full_and_plans_the_same(own, beside):
    command, result = stands_for("--preset", "own", *ON, *beside)
    words = shlex.split(command)[2:]
    assert "--preset" not in words
    again, once = hashes(*words), hashes("--preset", "own", *ON, *beside)
    assert again == once
    assert "then: ltbench soup runs --uniform" in result.output


def test_what_comes_then_can_be_typed(own, tmp_path):
    out = tmp_path / "my runs"
    result = typed("run", "--preset", "own", *ON, "--out", str(out), "--dry-run")
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("then: "))
    assert shlex.split(line) == ["then:", "ltbench", "soup", str(out), "--uniform"]


def test_what_is_typed_wins(own):
    (first, *_) = planned("--preset", "own", *ON, "--algo", "erm", "--lr", "0.1", "--steps", "7")
    command, _ = stands_for("--preset", "own", *ON, "--algo", "erm", "--lr", "0.1", "--steps", "7")
    assert "erm" in first["label"]
    assert "--algo erm " in command
    assert "--lr 0.1" in command
    assert "lr=0.0002" not in command
    assert "epochs" not in command


def test_a_sweep_file_may_name_one_and_wins_over_it(own, tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text('preset = "own"\ndataset = "digits-mini-mlt"\nlr = 0.1\nseeds = 1\n')
    beside = ("--lr", "0.1", "--seeds", "1")
    assert hashes(str(file)) == hashes("--preset", "own", *ON, *beside)
    assert hashes(str(file), "--lr", "0.3") == hashes(
        "--preset", "own", *ON, "--lr", "0.3", "--seeds", "1"
    )
    command, _ = stands_for(str(file))
    assert hashes(*shlex.split(command)[2:]) == hashes(str(file))


@pytest.mark.parametrize("order", [0, 1])
def test_a_file_beside_one_wins_in_either_order(own, tmp_path, order):
    file = tmp_path / "sweep.toml"
    file.write_text('dataset = "digits-mini-mlt"\nsteps = 9\nbackbone = "digits-cnn"\n')
    words = [[str(file)], ["--preset", "own"]]
    found = hashes(*words[order], *words[1 - order])
    assert found == hashes("--preset", "own", *ON, "--steps", "9", "--backbone", "digits-cnn")


def test_tune_takes_one(own):
    words = ("--preset", "own", *ON, "--trials", "2", "--precision", "fp32", "--dry-run")
    result = typed("tune", *words)
    assert "ltbench tune --algo ldam@ema" in result.stderr
    assert "ldam@ema" in result.stdout


def test_json_has_nothing_beside_it(own):
    result = typed("run", "--preset", "own", *ON, "--precision", "fp32", "--dry-run", "--json")
    assert len(json.loads(result.stdout)) == 2
    assert "stands for" not in result.stderr


def test_info_prints_it_in_full(own):
    text = typed("plugins", "info", "own").stdout
    assert "mdlt[lr=0.0002,epochs=3]" in text
    assert "ltbench run --algo ldam@ema --dataset DATASET --protocol 'mdlt[" in text
    assert "--backbone digits-cnn-narrow --no-pretrained --batch-size 8 --seeds 0,3" in text
    assert "ltbench soup RUNS --uniform" in text
    assert "Presets (run --preset NAME)" in typed("plugins", "list").stdout


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"algo": "erm", "out": "x"}, "preset 'own' has no option 'out' to set"),
        ({"algo": "erm", "dataset": "x"}, "preset 'own' has no option 'dataset' to set"),
        ({"algo": "erm", "lrr": 1}, "has no option 'lrr' to set; did you mean 'lr'?"),
        ({"algo": "erm", "lr": "x"}, "preset 'own': lr = 'x': 'x' is not a valid float"),
        ({"algo": "erm", "then": "soup"}, "preset 'own': 'then' is a list of commands"),
        ({"algo": 3}, "preset 'own': algo = 3 is not a list of names"),
        (["erm"], "preset 'own' is no mapping of options"),
    ],
)
def test_what_no_preset_can_hold_is_said_in_a_sentence(own, given, sentence):
    own(given)
    assert sentence in typed("run", "--preset", "own", *ON, "--dry-run", code=2).stderr


def test_an_unknown_one_suggests_the_nearest(own):
    result = typed("run", "--preset", "owm", *ON, code=2)
    assert "there is no preset 'owm'; did you mean 'own'?" in result.stderr


def test_without_an_algorithm_one_is_asked_for(own):
    own({"lr": 0.1})
    assert "--algo" in typed("run", "--preset", "own", *ON, code=2).stderr
