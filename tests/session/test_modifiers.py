"""Modifiers behind algorithms and stages: how they are typed, what a run's identity holds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ltbench.api import PARTS, Modifier, UsageError
from ltbench.cli.main import cli
from ltbench.cli.retry import retry
from ltbench.cli.run import run
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import parse_chains
from ltbench.plugins.registry import Entry
from ltbench.report.leaderboard import load_content
from ltbench.report.provenance import run_commands
from ltbench.results.index import read_runs
from ltbench.results.parse_record import parse_record
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.untrusted import UnreadableRun
from ltbench.session.asked import check_asked
from ltbench.session.expand import expand_algos
from ltbench.session.plan import PlannedMethod, Request, plan_runs
from ltbench.session.search import Space
from ltbench.session.sweep_file import read_sweep_file
from ltbench.testing.small_data import register_small_data
from ltbench.testing.small_run import plan_small
from ltbench.training.first_stage import shared_folder

for command in (run, retry):
    if str(command.name) not in cli.commands:
        cli.add_command(command)

QUICK = ("--dataset", "tiny-mlt", "--steps", "2", "--precision", "fp32")


def ltbench(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def refused(name: str) -> str:
    with pytest.raises(UsageError) as found:
        plan_small(name)
    return str(found.value)


@pytest.fixture
def _fresh_plugins() -> Iterator[None]:
    yield
    get_plugins.cache_clear()


# Names


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("erm@ema", ["erm@ema"]),
        ("boda[weight=0.5]@ema[decay=.999]+crt", ["boda[weight=0.5]@ema[decay=0.999]+crt"]),
        ("erm @ sam[rho=.1] @ ema , focal", ["erm@sam[rho=0.1]@ema", "focal"]),
        ("erm@ema[decay=[.9,.99]]", ["erm@ema[decay=0.9]", "erm@ema[decay=0.99]"]),
        ("erm+crt@ema", ["erm+crt@ema"]),
        ("boda[weight=[1,2]]@ema[decay=[0,1]]", [
            f"boda[weight={w}]@ema[decay={d}]" for w in (1, 2) for d in (0, 1)
        ]),
    ],
)  # fmt: skip
def test_names(typed, means):
    assert ["+".join(map(str, chain)) for chain in parse_chains(typed)] == means
    for text in means:
        assert "+".join(map(str, parse_chains(text)[0])) == text


@pytest.mark.parametrize(
    "typed", ["erm@", "@ema", "erm@@ema", "erm@+crt", "erm@ema[decay=1", "a@b c"]
)
def test_what_is_no_name(typed):
    with pytest.raises(UsageError):
        parse_chains(typed)


def test_an_at_sign_in_an_option_is_text():
    ((name,),) = parse_chains("image-folder[root=/data/a@b]")
    assert name.options == {"root": "/data/a@b"}
    assert not name.modifiers


def test_labels_are_as_typed_with_what_is_not_the_default():
    assert plan_small("ERM@EMA[decay=0.999]").label == "erm@ema"
    assert plan_small("erm@ema[decay=.9]+crt@sam").label == "erm@ema[decay=0.9]+crt@sam"
    assert plan_small("crt@ema").label == "erm+crt@ema"


# Identity

BEFORE_MODIFIERS = {
    "erm": "bf37e4807145",
    "boda[weight=0.5]+crt": "518327d32109",
    "balpoe+lws+posthoc-la": "b1d57f292bde",
}


@pytest.mark.parametrize("name", BEFORE_MODIFIERS)
def test_runs_without_modifiers_are_the_runs_that_they_were(name):
    spec = plan_small(name)
    assert spec.hash == BEFORE_MODIFIERS[name]
    assert "modifiers" not in json.dumps(spec.as_dict())


def test_a_modifier_is_part_of_the_run():
    spec = plan_small("erm@sam@ema[decay=0.9]+crt@swad")
    identity = spec.identity()
    assert identity["algorithm"] == {
        "name": "erm",
        "hparams": {},
        "modifiers": [
            {"name": "sam", "hparams": {"rho": 0.05}},
            {"name": "ema", "hparams": {"decay": 0.9}},
        ],
    }
    assert [one["modifiers"][0]["name"] for one in identity["stages"]] == ["swad"]
    assert spec.algo == "erm@sam@ema+crt@swad"
    assert spec.folder(Path("runs")).parts[2] == "erm@sam@ema+crt@swad"
    again = RunSpec.from_dict(json.loads(json.dumps(spec.as_dict())))
    assert (again, again.hash) == (spec, spec.hash)
    names = (
        "erm",
        "erm@ema",
        "erm@ema[decay=0.9]",
        "erm@sam",
        "erm+crt",
        "erm@ema+crt",
        "erm+crt@ema",
    )
    assert len({plan_small(name).hash for name in names}) == len(names)


def test_a_table_holds_runs_with_and_without():
    hashes = {
        plan_small(name).as_dict()["protocol_hash"] for name in ("erm", "erm@ema", "boda@sam")
    }
    assert len(hashes) == 1


def test_a_record_names_them():
    spec = plan_small("erm@ema[decay=0.9]+crt@sam").as_dict()
    record = parse_record("run", spec, None, None)
    assert (record.algorithm, record.stages) == ("erm@ema", ("crt@sam",))
    assert record.algo == "erm@ema+crt@sam"
    assert record.hparams == {"ema.decay": 0.9}


@pytest.mark.parametrize(
    "bad", ["ema", 3, [3], [{}], [{"name": 3, "hparams": {}}], [{"name": "ema"}]]
)
def test_a_record_from_anywhere_is_judged(bad):
    spec = plan_small("erm").as_dict()
    spec["identity"]["algorithm"]["modifiers"] = bad
    with pytest.raises(UnreadableRun):
        parse_record("run", spec, None, None)


def test_runs_share_their_first_stage_with_those_of_the_same_modifiers():
    folders = {
        name: shared_folder(plan_small(name), Path("runs"))
        for name in ("boda", "boda@ema", "boda@ema+crt", "boda@ema+crt@sam", "boda@ema[decay=0.9]")
    }
    assert folders["boda@ema"] == folders["boda@ema+crt"] == folders["boda@ema+crt@sam"]
    assert len(set(folders.values())) == 3


class Mean(Modifier):
    """Nothing (2026)."""


@pytest.mark.usefixtures("_fresh_plugins")
def test_the_versions_of_others_modifiers_are_part_of_a_run():
    register_small_data()
    get_plugins()["modifiers"].add(Entry("modifier", "mean", Mean, "Mean", "their-mean", "1.5"))
    plugins = plan_small("erm@mean").plugins
    assert plugins["their-mean"].startswith("1.5 ")
    assert "their-mean" in plan_small("erm+crt@mean").plugins
    assert "their-mean" not in plan_small("erm").plugins


# What is refused


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("erm@ema@ema", "'erm@ema@ema' names the modifier 'ema' twice: leave one of them out"),
        ("erm@ema@EMA", "twice"),
        ("erm@emma", "did you mean 'ema'"),
        ("erm@ema[dekay=1]", "did you mean 'decay'"),
        ("erm@ema[decay=2]", "the most is 1"),
        ("erm@crt", "'crt' is a stage, not a modifier: write erm+crt"),
        ("erm@ema@swad", "'ema' and 'swad' both give the weights of 'erm'"),
        ("erm@sam@imbsam", "'sam' and 'imbsam' both take the steps of 'erm'"),
        ("mldg@sam", "'mldg' does not honour @sam, for its 'step' is its own"),
        ("fish@sam", "'fish' does not honour @sam"),
        ("erm+weight-balancing@sam", "'weight-balancing' does not honour @sam"),
        ("coral@imbsam", "'coral' does not honour @imbsam, for its 'loss' is its own"),
        ("erm+tau-norm@ema", "'tau-norm' is not trained"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(name, says):
    assert says in refused(name)


@pytest.mark.parametrize("name", ["mldg@sam", "erm@ema@ema", "erm@emma"])
def test_and_ends_the_command_with_code_2(name, tmp_path):
    result = ltbench("run", "--algo", name, *QUICK, "--out", str(tmp_path / "runs"))
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) <= 4


def test_a_name_is_found_to_be_wrong_before_anything_is_imported():
    for name, says in (
        ("erm@emma", "did you mean"),
        ("erm@ema@ema", "twice"),
        ("erm@crt", "stage"),
    ):
        with pytest.raises(UsageError, match=says):
            check_asked([name], [])


@pytest.mark.usefixtures("_fresh_plugins")
def test_swad_without_validation_images_is_refused(monkeypatch):
    from ltbench.testing.small_data import SmallDataset

    register_small_data()
    split = SmallDataset.split

    def without(self):
        whole = split(self)
        training = PARTS.index("train")
        return replace(whole, part=np.where(whole.part == PARTS.index("val"), training, whole.part))

    monkeypatch.setattr(SmallDataset, "split", without)
    request = Request(["erm@swad"], ["small-mlt"], [0], "fp32", Path(), {"select": "last"})
    with pytest.raises(UsageError, match="'swad' looks at validation losses"):
        plan_runs(request)
    plan_runs(replace(request, algos=["erm@ema"]))


# Sweep files, protocols and tuning


def test_a_sweep_file_speaks_of_modifiers(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text('algo = ["erm@ema", "erm@sam+crt@ema"]\n[hparams.ema]\ndecay = [0.9, 0.99]\n')
    found = expand_algos(["erm@ema", "erm@sam+crt@ema"], read_sweep_file(path, ["algo"]), own=True)
    assert found == [
        "erm@ema[decay=0.9]",
        "erm@ema[decay=0.99]",
        "erm@sam+crt@ema[decay=0.9]",
        "erm@sam+crt@ema[decay=0.99]",
    ]
    path.write_text("[hparams.ema]\ndekay = [0.9, 0.99]\n")
    file = read_sweep_file(path, ["algo"])
    with pytest.raises(UsageError, match="no hyper-parameter 'dekay'"):
        expand_algos(["erm@ema"], file, own=True)


def test_what_tuning_varies_and_what_it_found():
    chain = parse_chains("brl[alpha=1]@ema+crt@sam")[0]
    space = Space(chain)
    assert {"brl@ema.decay", "crt@sam.rho"} <= set(space.axes)
    assert space.defaults["brl@ema.decay"] == 0.999
    found = space.at({"brl@ema.decay": 0.9, "crt@sam.rho": 0.2})
    assert "+".join(map(str, found)) == "brl[alpha=1]@ema[decay=0.9]+crt@sam[rho=0.2]"
    assert "erm@ema.decay" not in Space(parse_chains("erm@ema[decay=0.9]")[0]).axes


def test_studies_of_a_method_with_and_without_are_others():
    def task(name: str) -> dict:
        chain = parse_chains(name)[0]
        return PlannedMethod(plan_small(name), tuple(chain)).tuning_task()

    assert task("erm@ema[decay=0.9]")["algorithm"] == ["erm@ema"]
    assert task("erm@ema[decay=0.9]")["fixed"] == {"erm@ema.decay": 0.9}
    assert canonical_hash(task("erm")) != canonical_hash(task("erm@ema"))


def test_a_protocol_may_set_them(tmp_path):
    register_small_data()
    path = tmp_path / "own.toml"
    path.write_text('like = "small"\n[methods.ema]\ndecay = 0.5\n')
    request = Request(["erm@ema"], ["small-mlt"], [0], "fp32", Path(), protocol=str(path))
    (spec,) = plan_runs(request).specs
    assert spec.algorithm.modifiers[0].hparams == {"decay": 0.5}
    assert spec.label == "erm@ema[decay=0.5]"


# Commands


def test_runs_are_made_listed_shown_and_made_again(tmp_path):
    out = str(tmp_path / "runs")
    algos = "erm,erm@ema[decay=0.9],erm@ema[decay=0.9]+crt"
    result = ltbench("run", "--algo", algos, *QUICK, "--seeds", "1", "--out", out)
    assert result.exit_code == 0, result.output
    records = {record.method: record for record in read_runs(Path(out))}
    assert set(records) == {"erm", "erm@ema[decay=0.9]", "erm@ema[decay=0.9]+crt"}
    assert {Path(record.path).parts[-3] for record in records.values()} == {
        "erm", "erm@ema", "erm@ema+crt",
    }  # fmt: skip

    for asked in ("erm@ema", "erm@ema+crt", "erm@ema[decay=0.9]"):
        content = load_content([Path(out)], algos=[asked])
        assert content.boards
    (command,) = run_commands(load_content([Path(out)]).boards[0])
    words = shlex.split(command)
    assert "erm@ema[decay=0.9]+crt" in words
    again = ltbench(*words[1:], "--out", out, "--dry-run")
    assert again.exit_code == 0, again.output
    assert "3 runs, 3 of them done" in again.output
