"""What is declared of a protocol's setting holds wherever settings are typed, kept or listed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ltbench.cli.data import data
from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.cli.tune import tune
from ltbench.report.leaderboard import load_content
from ltbench.report.provenance import run_commands
from ltbench.results.folder import RunFolder
from ltbench.results.protocol import Protocol, ProtocolSetting, protocol_settings, protocol_words
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs

if "run" not in cli.commands:
    cli.add_command(run)

SETTINGS = list(protocol_settings().values())
ERM = ("--algo", "erm", "--dataset", "tiny-mlt", "--seeds", "1", "--precision", "fp32")
each = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


def other(setting: ProtocolSetting) -> Any:
    """Return a value that neither the class nor the data set's protocol gives the setting."""
    if setting.bounds.choices:
        return setting.bounds.choices[-1]
    return {
        bool: True,
        int: 7,
        float: 0.375,
        str: "photo",
        tuple[float, ...]: (0.5, 0.75),
    }[setting.kind]  # fmt: skip


OF_TIMM = {"drop_path", "layer_decay"}
"""Settings that speak of what the data set's own backbone has not."""


def spec(**settings: Any) -> RunSpec:
    backbone = settings.pop("backbone", "resnet18" if OF_TIMM & settings.keys() else None)
    request = Request(
        ["erm"], ["tiny-mlt"], [0], "fp32", Path("/nowhere"), settings, backbone=backbone
    )
    return plan_runs(request).specs[0]


def erm_with(setting: ProtocolSetting) -> list[str]:
    """Return the words for ERM on a backbone that has what a setting speaks of."""
    return [*ERM, *(["--backbone", "resnet18"] if setting.name in OF_TIMM else [])]


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli, ["run", *words, "--out", "/nowhere", "--dry-run", "--json"])


def planned(*words: str) -> str:
    """Return the hash of the one run that the words ask for."""
    done = invoke(*words)
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    return found["hash"]


def test_a_protocols_own_name_is_no_setting():
    assert {setting.name for setting in SETTINGS} == Protocol.bounds().keys() - {"name"}


@each
def test_it_can_be_typed_and_makes_another_run(setting):
    asked = spec(**{setting.name: other(setting)})
    assert asked.hash != spec(backbone=asked.backbone.name).hash
    assert planned(*erm_with(setting), *setting.words(other(setting))) == asked.hash
    assert setting.option in {option for p in tune.params for option in p.opts}


@each
def test_it_stands_in_a_sweep_file(setting, tmp_path):
    value = other(setting)
    file = tmp_path / "sweep.toml"
    toml = list(value) if isinstance(value, tuple) else value
    file.write_text(f"{setting.option.removeprefix('--')} = {json.dumps(toml)}\n")
    assert planned(str(file), *erm_with(setting)) == spec(**{setting.name: value}).hash


@each
def test_its_help_is_a_sentence_under_the_heading_of_the_protocol(setting):
    done = CliRunner().invoke(run, ["--help"], terminal_width=80)
    section = done.output.partition("Protocol, by default")[2].partition("\n\n")[0]
    assert f"  {setting.option} " in section
    assert setting.bounds.help
    assert max(map(len, section.splitlines())) <= 80


@each
def test_the_printed_command_names_it_and_means_the_same_run(setting, tmp_path):
    asked = spec(**{setting.name: other(setting)})
    RunFolder(asked.folder(tmp_path)).start(asked.as_dict())
    (board,) = load_content(tmp_path).boards
    words = shlex.split(run_commands(board)[0])
    assert words[:2] == ["ltbench", "run"]
    assert {setting.option, setting.off} & set(words)
    assert planned(*words[2:]) == asked.hash


@each
def test_an_identity_leaves_out_what_came_later_and_has_its_default(setting):
    default = Protocol.from_options({}, "").as_dict()
    changed = Protocol.from_options({setting.name: other(setting)}, "").as_dict()
    assert (setting.name in default) is not setting.later
    assert changed[setting.name] == other(setting)


def test_what_the_first_runs_were_hashed_by_is_always_in_an_identity():
    assert {setting.name for setting in SETTINGS if not setting.later} == {
        "steps", "batch_per_domain", "optimizer", "lr", "momentum", "weight_decay", "schedule",
        "decay_at", "decay", "warmup", "eval_every", "select", "augmentation", "freeze_bn",
        "max_loss",
    }  # fmt: skip


@each
def test_data_info_prints_it(setting):
    text = CliRunner().invoke(data, ["info", "tiny-mlt"]).output
    assert f" {setting.name} " in text


BOUNDED = [setting for setting in SETTINGS if setting.bounds.low is not None]


@pytest.mark.parametrize("setting", BOUNDED, ids=lambda setting: setting.name)
def test_what_is_out_of_bounds_is_one_sentence_that_names_the_option(setting):
    done = invoke(*ERM, setting.option, "-1")
    assert done.exit_code == 2
    assert f"Invalid value for '{setting.option}': -1" in done.output
    assert "out of range: the least is" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--decay-at", "0.5,x"), "'x' is not a valid float"),
        (("--optimizer", "adamm"), "'adamm' is not one of"),
        (("--optimizer", "lam"), "did you mean 'lamb'?"),
        (("--optimizer", "lbfgs"), "that there are: adam, adamw, sgd, "),
        (("--augmentation", "fotos"), "did you mean 'photo'"),
        (("--eval-every", "1.5"), "'1.5' is not a valid integer"),
    ],
)
def test_what_has_another_type_is_one_sentence(words, message):
    done = invoke(*ERM, *words)
    assert done.exit_code == 2
    assert message in done.output


def test_what_is_typed_wins_over_a_sweep_file_under_another_name(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text("eval-every = 4\n")
    assert planned(str(file), *ERM, "--evaluations", "3") == spec(evaluations=3).hash
    file.write_text("evaluations = 3\n")
    assert planned(str(file), *ERM, "--eval-every", "4") == spec(eval_every=4).hash
    done = invoke(*ERM, "--eval-every", "4", "--evaluations", "3")
    assert done.exit_code == 2
    assert "'eval_every' and 'evaluations' say one thing: leave one out" in done.output


def test_a_printed_command_has_evaluations_or_the_steps_between_them():
    words = protocol_words(spec(evaluations=3).protocol.as_dict())
    assert "--evaluations" in words
    assert "--eval-every" not in words
    assert "--eval-every" in protocol_words(spec().protocol.as_dict())


def test_lists_may_have_one_number_or_none():
    assert planned(*ERM, "--decay-at", "0.5") == spec(decay_at=[0.5]).hash
    assert planned(*ERM, "--decay-at", "") == spec().hash


def test_what_the_pretrained_protocol_froze_can_be_unfrozen():
    assert planned(*ERM, "--freeze-bn", "--no-freeze-bn") == spec().hash


def test_settings_of_hostile_files_do_no_harm():
    words = protocol_words({"name": "\x1b", "steps": {"a": 1}, "freeze_bn": "no", "more": 3})
    assert words[:4] == ["--protocol", "\x1b", "--steps", "{'a': 1}"]
    assert "--more" not in words
