"""Sweep files: the same runs as the equivalent command line, and errors that name file and line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltbench.cli.main import cli
from ltbench.cli.run import run

if "run" not in cli.commands:
    cli.add_command(run)

BASE = 'dataset = "tiny-mlt"\n'
TWO = 'algo = ["boda", "brl"]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture
def invoke(folder):
    def invoke(text: str, *args: str):
        path = folder / "sweep.toml"
        path.write_text(text)
        return CliRunner().invoke(cli, ["run", str(path), "--out", str(folder / "no"), *args])

    return invoke


def planned(done) -> list[dict]:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def labels(done) -> list[str]:
    return [entry["label"] for entry in planned(done)]


VALUES = {
    "focal": {"gamma": st.floats(0.1, 5)},
    "brl": {"alpha": st.floats(1e-7, 1e4), "cb": st.booleans(), "refine": st.integers(1, 9)},
    "logit-adjust": {"tau": st.floats(0, 3), "prior": st.sampled_from(["class", "pair"])},
}


@st.composite
def sweeps(draw) -> tuple[dict, dict]:
    """Draw options and the hyper-parameters of each algorithm, some of them as grids."""
    algos = draw(st.lists(st.sampled_from(["erm", *VALUES]), min_size=1, unique=True))
    seeds = draw(st.integers(1, 3) | st.lists(st.integers(0, 9), min_size=1, unique=True))
    options = {"algo": algos, "dataset": "tiny-mlt", "seeds": seeds, "precision": "fp32"}
    for name, values in {
        "steps": st.integers(1, 9),
        "lr": st.floats(1e-5, 1.0),
        "batch-size": st.integers(1, 9),
        "select": st.sampled_from(["f1", "accuracy"]),
        "protocol": st.sampled_from(["tiny", "long"]),
        "pretrained": st.just(False),
    }.items():
        if draw(st.booleans()):
            options[name] = draw(values)
    hparams = {}
    for algo in algos:
        for key, values in VALUES.get(algo, {}).items():
            value = draw(st.none() | values | st.lists(values, min_size=1, max_size=3, unique=True))
            if value is not None:
                hparams.setdefault(algo, {})[key] = value
    return options, hparams


def as_toml(options: dict, hparams: dict) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    for algo, table in hparams.items():
        lines += [f"[hparams.{algo}]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines)


def as_command(options: dict, hparams: dict) -> list[str]:
    words = []
    for key, value in options.items():
        if key == "algo":
            for algo in value:
                typed = ",".join(f"{k}={json.dumps(v)}" for k, v in hparams.get(algo, {}).items())
                words += ["--algo", f"{algo}[{typed}]" if typed else algo]
        elif key == "pretrained":
            words += ["--no-pretrained"]
        elif isinstance(value, list):
            words += [f"--{key}", ",".join(map(str, value)) + ","]
        else:
            words += [f"--{key}", str(value)]
    return words


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sweeps())
def test_a_file_and_the_same_command_line_give_identical_plans(invoke, folder, sweep):
    from_file = planned(invoke(as_toml(*sweep), "--dry-run", "--json"))
    command = ["run", *as_command(*sweep), "--out", str(folder / "no"), "--dry-run", "--json"]
    typed = planned(CliRunner().invoke(cli, command))
    assert from_file == typed
    assert typed


def test_what_is_typed_wins_over_the_file(invoke):
    text = f'algo = "focal"\nseeds = 3\nsteps = 5\n{BASE}[hparams.focal]\ngamma = [1.5, 2.5]'
    both = planned(invoke(text, "--seeds", "1", "--dry-run", "--json"))
    assert [entry["label"] for entry in both] == ["focal[gamma=1.5]", "focal[gamma=2.5]"]
    assert {entry["seed"] for entry in both} == {0}
    longer = planned(invoke(text, "--steps", "7", "--dry-run", "--json"))
    assert {e["hash"] for e in longer}.isdisjoint(e["hash"] for e in both)
    fixed = labels(invoke(text, "--algo", "focal[gamma=3]", "--seeds", "1", "--dry-run", "--json"))
    assert fixed == ["focal[gamma=3.0]"]
    other = labels(invoke(text, "--algo", "erm", "--seeds", "1", "--dry-run", "--json"))
    assert other == ["erm"]


def test_draws_depend_on_the_files_own_seed_and_on_nothing_else(invoke):
    table = "alpha = {low = 1e-3, high = 1, log = true, draws = 6}\n"
    text = f'algo = "brl"\nseeds = 1\n{BASE}%s[hparams.brl]\n{table}'
    first = labels(invoke(text % "", "--dry-run", "--json"))
    assert first == labels(invoke(text % "", "--dry-run", "--json"))
    assert first == labels(invoke(text % "draw-seed = 0\n", "--dry-run", "--json"))
    assert first != labels(invoke(text % "draw-seed = 1\n", "--dry-run", "--json"))
    assert len(set(first)) == 6
    values = [float(label.split("=")[1].rstrip("]")) for label in first]
    assert all(1e-3 <= value <= 1 for value in values)
    more = labels(invoke((text % "") + "beta = [1, 2]\n", "--dry-run", "--json"))
    assert len(more) == 12
    assert {label.split(",")[0].rstrip("]") for label in more} == {
        label.rstrip("]") for label in first
    }


def test_distributions_are_drawn_together_and_may_be_the_algorithms_own(invoke):
    text = f'algo = "brl"\nseeds = 1\ndraws = 5\n{BASE}[hparams.brl]\nalpha = "search"\n'
    text += "beta = {search = true}\nrefine = {low = 1, high = 2}"
    assert len(labels(invoke(text, "--dry-run", "--json"))) == 5


def test_an_ablation_is_every_combination_of_the_switches(invoke):
    text = f'algo = ["erm", "brl"]\nseeds = 1\n{BASE}[hparams.brl]\nalpha = 0.5\n[ablation]\nbrl = '
    assert len(labels(invoke(text + "true", "--dry-run", "--json"))) == 1 + 2**4
    some = labels(invoke(text + '["cb", "gamma"]', "--dry-run", "--json"))
    assert set(some) == {
        "erm",
        "brl[alpha=0.5]",
        "brl[alpha=0.5,cb=false]",
        "brl[alpha=0.5,gamma=0.0]",
        "brl[alpha=0.5,gamma=0.0,cb=false]",
    }


def test_stages_have_tables_too(invoke):
    text = f'algo = "erm+tau-norm"\nseeds = 1\n{BASE}[hparams.tau-norm]\npoints = [5, 9]'
    assert labels(invoke(text, "--dry-run", "--json")) == [
        "erm+tau-norm[points=5]",
        "erm+tau-norm[points=9]",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('alog = "erm"', 2, "did you mean 'algo'"),
        ('algo = "erm"\nstpes = 3', 3, "did you mean 'steps'"),
        ("algo = 3", 2, "is not a list of names"),
        ("algo = []", 2, "is not a list of names"),
        ('algo = "erm"\nsteps = "many"', 3, "not a valid integer"),
        ('algo = "erm"\nsteps = 1.5', 3, "not a valid integer"),
        ('algo = "erm"\nsteps = true', 3, "not a single value"),
        ('algo = "erm"\nselect = "f2"', 3, "'f2' is not one of"),
        ('algo = "erm"\npretrained = "no"', 3, "neither true nor false"),
        ('algo = "erm"\nseeds = "some"', 3, "neither a number from 1 nor a list of seeds"),
        ('algo = "erm"\nseeds = [1, 1]', 3, "neither a number from 1 nor a list of seeds"),
        ('algo = "erm"\nbatch-size = 2\nbatch_size = 3', 4, "stands twice"),
        ('algo = "erm"\ndraws = 0', 3, "not a whole number from 1"),
        ('algo = "erm"\nhparams = "bset"', 3, "'bset' is not one of 'default', 'best'"),
        ('algo = "erm"\nhparams = 3', 3, "[hparams.NAME]"),
        ('algo = "erm"\n[hparams]\nbrl = 3', 4, "[hparams.brl]"),
        ('algo = "brl"\n[hparams.brll]\nalpha = 1', 3, "did you mean 'brl'"),
        ('algo = "brl"\n[hparams.brl]\nalhpa = 1', 4, "did you mean 'alpha'"),
        ('algo = "brl"\n[hparams.brl]\nalpha = -1', 4, "the least is 0"),
        ('algo = "brl"\n[hparams.brl]\nalpha = "much"', 4, "finite number"),
        ('algo = "brl"\n[hparams.brl]\nalpha = []', 4, "the list is empty"),
        ('algo = "brl"\n[hparams.brl]\nalpha = [[1]]', 4, "a value, a list or a distribution"),
        ('algo = "brl"\n[hparams.brl]\nalpha = {low = 1, hihg = 2}', 4, "did you mean 'high'"),
        ('algo = "brl"\n[hparams.brl]\nalpha = {low = 1, high = 2}', 4, "draws = 8"),
        ('algo = "brl"\ndraws = 2\n[hparams.brl]\nalpha = {low = 1}', 5, "{low = 0, high = 1"),
        ('algo = "brl"\ndraws = 2\n[hparams.brl]\nalpha = {low = 2, high = 1}', 5, "{low = 0"),
        ('algo = "brl"\ndraws = 2\n[hparams.brl]\nalpha = {low = 0, high = 1, log = true}', 5,
         "low is above 0"),
        ('algo = "boda"\ndraws = 2\n[hparams.boda]\nstart = "search"', 5, "where to search"),
        ('algo = "brl"\n[hparams.brl]\nalpha = {low = 1, high = 2, draws = 2}\n'
         "beta = {low = 1, high = 2, draws = 3}", 4, "drawn together"),
        ('algo = "brl"\n[ablation]\nbrl = ["cbb"]', 4, "did you mean 'cb'"),
        ('algo = "brl"\n[ablation]\nbrl = 3', 4, "an ablation is true, or a list"),
        ('algo = "erm"\n[ablation]\nerm = true', 4, "no hyper-parameter is true or false"),
        ('algo = "brl[cb=true]"\n[ablation]\nbrl = ["cb"]', 4, "fixes 'cb'"),
        ('algo = "brl"\n[hparams.brl]\nalpha = [1, 2]\n[ablation]\nbrl = ["alpha"]', 4,
         "has one value"),
        ('algo = "brl"\n[hparams.brl]\nalpha = 0\n[ablation]\nbrl = ["alpha"]', 4,
         "off by default"),
        (f'{TWO}[hparams.boda]\nnu = [0.5, 1.0]\n\n[hparams.brl]\nnu = 3', 7, "brl has no hyper-"),
        (f'{TWO}[hparams.boda]\nnu = -1\n\n[hparams.brl]\nalpha = 3', 4, "nu"),
        (f"{TWO}[hparams.brl]\nalpha = 3\n[ hparams . 'boda' ] # its own\nnu = -1", 6, "nu"),
        (f'{TWO}[hparams]\nboda.nu = 1\nbrl.nu = 3', 5, "brl has no hyper-parameter 'nu'"),
        (f'{TWO}hparams.boda.nu = 1\nhparams.brl.nu = 3', 4, "brl has no hyper-parameter 'nu'"),
        (f'{TWO}[hparams]\nboda = {{nu = 1}}\nbrl = {{alpha = 3, nu = 3}}', 5, "brl has no hyper-"),
        (f'{TWO}hparams = {{boda = {{nu = 1}}, brl = {{nu = 3}}}}', 3, "brl has no hyper-"),
        (f'{TWO}[hparams.boda]\nnu = 1\n[hparams.brl.nu]\nlow = 3', 5, "brl has no hyper-"),
        (f'{TWO}[hparams.brl]\nalpha = 3\n[ablation]\nbrl = ["cbb"]', 6, "did you mean 'cb'"),
        (f'{TWO}[hparams.brl]\nalpha = 3\n[ablation]\nbrll = true', 6, "did you mean 'brl'"),
    ],
)  # fmt: skip
def test_errors_name_the_file_and_the_line(invoke, folder, text, line, message):
    done = invoke(BASE + text, "--dry-run")
    assert done.exit_code == 2
    assert f"Error: {folder / 'sweep.toml'}, line {line}: " in done.output
    assert message in done.output
    assert done.output.count("Error") == 1


def test_a_file_that_is_none(invoke, folder):
    assert "is not TOML" in invoke("algo = ", "--dry-run").output
    missing = CliRunner().invoke(cli, ["run", "erm"])
    assert missing.exit_code == 2
    assert "there is no sweep file 'erm'" in missing.output
    assert CliRunner().invoke(cli, ["run", str(folder)]).exit_code == 2


def test_without_algorithms_the_option_is_asked_for(invoke):
    done = invoke(BASE, "--dry-run")
    assert done.exit_code == 2
    assert "--algo" in done.output
