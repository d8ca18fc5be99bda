"""Protocols by name, with settings in brackets, as files, and in sweep files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ltbench.api import UsageError
from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name
from ltbench.plugins.registry import Entry
from ltbench.report.leaderboard import load_content
from ltbench.report.provenance import run_commands
from ltbench.results.folder import RunFolder
from ltbench.results.protocol import Protocol, ProtocolSetting, protocol_settings
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs
from ltbench.session.protocols import asked_protocols, own_protocols, protocol_of

if "run" not in cli.commands:
    cli.add_command(run)

ERM = ("--algo", "erm", "--dataset", "tiny-mlt", "--seeds", "1", "--precision", "fp32")
SETTINGS = list(protocol_settings().values())
each = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


@pytest.fixture
def mine() -> Iterator[None]:
    settings = {"backbone": "digits-cnn", "epochs": 3, "lr": 0.25}
    get_plugins()["protocols"].add(Entry("protocol", "mine", settings, "", "their-lab", "1"))
    yield
    get_plugins.cache_clear()


def plans(protocol: str | None, dataset: str = "tiny-mlt", **settings: Any) -> list[RunSpec]:
    backbone = settings.pop("backbone", None)
    request = Request(
        ["erm"],
        [dataset],
        [0],
        "fp32",
        Path("/nowhere"),
        settings,
        protocol=protocol,
        backbone=backbone,
    )
    return list(plan_runs(request).specs)


def spec(protocol: str | None = None, **settings: Any) -> RunSpec:
    (found,) = plans(protocol, **settings)
    return found


def backbone_for(setting: ProtocolSetting) -> str:
    """Return a backbone that has what a setting speaks of."""
    return "resnet18" if setting.name in ("drop_path", "layer_decay") else "digits-cnn"


def other(setting: ProtocolSetting) -> Any:
    if setting.bounds.choices:
        return setting.bounds.choices[-1]
    return {bool: True, int: 7, float: 0.375, str: "photo", tuple[float, ...]: [0.5, 0.75]}[
        setting.kind
    ]


def planned(*words: str) -> list[str]:
    done = CliRunner().invoke(cli, ["run", *words, "--out", "/nowhere", "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    return [run["hash"] for run in json.loads(done.stdout)]


def own() -> str:
    return spec().protocol.name


@each
def test_a_setting_in_brackets_is_the_setting_typed(setting: ProtocolSetting) -> None:
    value, net = other(setting), backbone_for(setting)
    text = str(Name("x", {setting.name: value})).removeprefix("x")
    expected = spec(**{setting.name: value}, backbone=net).hash
    hashes = {spec(asked, backbone=net).hash for asked in (own() + text, text)}
    assert hashes == {expected} != {spec(backbone=net).hash}
    assert planned(*ERM, "--backbone", net, "--protocol", text) == [expected]


@each
def test_a_setting_in_a_file_is_the_setting_typed(setting: ProtocolSetting, tmp_path: Path) -> None:
    value, net = other(setting), backbone_for(setting)
    file = tmp_path / "other.toml"
    file.write_text(f'like = "{own()}"\n{setting.name} = {json.dumps(value)}\n')
    found = spec(str(file), backbone=net)
    assert found.protocol == Protocol.from_options(
        {**spec(**{setting.name: value}, backbone=net).protocol.as_dict(), "name": "other.toml"}, ""
    )
    assert found.backbone == spec(backbone=net).backbone


@each
def test_a_setting_in_the_table_of_a_sweep_file_is_the_setting_typed(
    setting: ProtocolSetting, tmp_path: Path
) -> None:
    file, value = tmp_path / "sweep.toml", other(setting)
    file.write_text(f"[protocol]\n{setting.name} = {json.dumps(value)}\n")
    net = backbone_for(setting)
    expected = spec(**{setting.name: value}, backbone=net).hash
    assert planned(str(file), *ERM, "--backbone", net) == [expected]


def test_a_setting_may_be_spelled_as_its_option() -> None:
    assert spec("[batch-size=7]").protocol.batch_per_domain == 7
    with pytest.raises(UsageError, match="'batch_per_domain' stands twice"):
        spec("[batch_size=7,batch_per_domain=8]")


def test_lists_sweep() -> None:
    found = plans("[weight_decay=[0,1e-3],lr=[0.1,0.2,0.3]]")
    pairs = {(s.protocol.weight_decay, s.protocol.lr) for s in found}
    assert len(found) == len(pairs) == 6
    shares = plans("[decay_at=[0.5,0.75]],[decay_at=[[0.5],[0.25,0.75]]]")
    assert [s.protocol.decay_at for s in shares] == [(0.5, 0.75), (0.5,), (0.25, 0.75)]


def test_runs_of_several_protocols_have_names_of_their_own() -> None:
    found = plans("[weight_decay=[0,1e-3],lr=0.1]")
    assert [s.apart for s in found] == [", weight_decay 0.0", ", weight_decay 0.001"]
    assert spec("[lr=0.1]").apart == ""
    done = CliRunner().invoke(cli, ["run", *ERM, "--dry-run", "--protocol", "[lr=[0.1,0.2]]"])
    assert "erm on tiny-mlt, lr 0.2 seed 0" in done.output


def test_lists_in_the_table_of_a_sweep_file_sweep(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(f'[protocol]\nlike = "{own()}"\nweight-decay = [0.0, 1e-3]\n')
    expected = [spec(weight_decay=value).hash for value in (0.0, 1e-3)]
    assert planned(str(file), *ERM) == expected
    assert planned(str(file), *ERM, "--protocol", own()) == [spec().hash]  # typed, it wins


@pytest.mark.parametrize("name", get_plugins()["protocols"].names())
def test_any_data_set_can_be_trained_under_a_registered_protocol(name: str) -> None:
    found = spec(f"{name}[backbone=digits-cnn,pretrained=false,image_size=0]")
    settings = get_plugins()["protocols"].get(name).load()
    for key in settings.keys() & protocol_settings().keys() - {"freeze_bn", "image_size"}:
        value = getattr(found.protocol, key)
        assert value == (tuple(settings[key]) if isinstance(value, tuple) else settings[key])
    assert found.protocol.name == name


def test_a_plugin_offers_protocols(mine: None) -> None:
    found = spec("mine")
    assert (found.protocol.lr, found.backbone.name) == (0.25, "digits-cnn")
    assert found.protocol.steps == 3 * spec("mine[epochs=1]").protocol.steps


def test_what_the_data_set_calls_so_comes_first() -> None:
    facts = registry_facts("domainnet-mlt")
    assert protocol_of(facts, Name("mdlt"))["steps"] == 15001
    assert protocol_of(registry_facts("digits-mini-mlt"), Name("mdlt"))["steps"] == 5001
    assert own_protocols(facts)["mdlt"]["lr"] == 5e-5


def test_steps_and_epochs_stand_for_one_another() -> None:
    facts = registry_facts("cifar100-lt")
    assert "epochs" not in protocol_of(facts, Name("cifar-lt", {"steps": 7}))
    assert "steps" not in protocol_of(facts, Name("mdlt", {"epochs": 7}))
    found = plans("cifar-lt", steps=9)[0].protocol
    assert found.steps == 9


def test_a_file_without_a_model_has_the_defaults_and_names_its_backbone(tmp_path: Path) -> None:
    file = tmp_path / "plain.toml"
    file.write_text('backbone = "digits-cnn"\nsteps = 3\ndecay_at = [0.5]\n')
    found = spec(str(file))
    assert found.protocol == Protocol(name="plain.toml", steps=3, decay_at=(0.5,))
    assert spec(f"{file}[lr=[0.5]]").protocol.lr == 0.5
    file.write_text("steps = 3\n")
    with pytest.raises(UsageError, match=r"plain\.toml names no backbone"):
        spec(str(file))


def test_the_same_file_in_another_folder_is_the_same_protocol(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "p.toml", tmp_path / "b" / "p.toml"]
    for file in files:
        file.parent.mkdir()
        file.write_text(f'like = "{own()}"\nlr = 0.5\n')
    assert spec(str(files[0])).hash == spec(str(files[1])).hash


@pytest.mark.parametrize("text", ["mdlt[backbone=digits-cnn,pretrained=false]", "FILE", "[lr=0.5]"])
def test_the_printed_command_means_the_same_run(text: str, tmp_path: Path) -> None:
    file = tmp_path / "p q.toml"
    file.write_text('backbone = "digits-cnn"\nweight_decay = 0.125\nmax_loss = 5.0\n')
    asked = spec(str(file) if text == "FILE" else text)
    RunFolder(asked.folder(tmp_path / "runs")).start(asked.as_dict())
    (board,) = load_content(tmp_path / "runs").boards
    words = shlex.split(run_commands(board)[0])
    file.unlink()
    assert planned(*words[2:]) == [asked.hash]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mdlt[weight_decya=1]", "a protocol has no 'weight_decya'; did you mean 'weight_decay'"),
        ("mdltt", "there is no protocol 'mdltt'; did you mean 'mdlt'"),
        ("[lr=-1]", r"\[lr=-1\]: lr=-1 is out of range"),
        ("[epochs=soon]", r"epochs=soon.* must be a whole number"),
        ("[epochs=0]", "out of range: the least is 1"),
        ("[pretrained=maybe]", "must be true or false"),
        ("[lr=[]]", "'lr' has no value"),
        ("mdlt[lr=1", "unclosed bracket"),
        ("nowhere.toml", "--protocol nowhere.toml cannot be read: No such file"),
        ("[schedule=cosine,steps=0]", "out of range: the least is 1"),
        ("[steps=10,epochs=2]", "'epochs' and 'steps' say one thing"),
        ("mdlt[name=mine]", "a protocol's 'name' is that of its file"),
        ("'a,b.txt'", "is not a name"),
    ],
)
def test_what_is_not_possible_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plans(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("lr = 0.1\nlearning = 3\n", "a protocol has no 'learning'"),
        ('like = "mdltt"\n', "there is no protocol 'mdltt'"),
        ("like = 3\n", "'like' is the name of a protocol, not 3"),
        ("lr = [0.1, 0.2]\n", "'lr' takes one value; lists sweep where they are typed"),
        ("lr = {low = 1}\n", "a setting takes a value"),
        ("lr = -1\n", r"mine\.toml: lr=-1 is out of range"),
        ("lr = \n", "is not TOML"),
        ("lr = " + "[" * 5000, "is not TOML"),
        ("lr = 0x" + "f" * 6000, "'lr' holds a number of more than 64 bits"),
        ("like = 0x" + "f" * 6000, "'like' holds a number of more than 64 bits"),
        ('like = "mdlt"\naugmentation = "a\\u001b[31m"', "unprintable character"),
        ("[lr]\nx = 1\n", "a setting takes a value"),
    ],
)
def test_what_is_not_possible_in_a_file_is_one_sentence_that_names_it(
    content: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(UsageError, match=message):
        plans(str(file))


def test_what_contradicts_itself_is_refused() -> None:
    for text in ("[lr=0.1,steps=4]", "[lr=0.1,epochs=4]"):
        for settings in ({"lr": 0.5}, {"steps": 3}):
            with pytest.raises(UsageError, match="--protocol and an option both give"):
                plans(text, **settings)
    done = CliRunner().invoke(
        cli, ["run", *ERM, "--protocol", "[backbone=digits-cnn]", "--backbone", "resnet32"]
    )
    assert done.exit_code == 2 or isinstance(done.exception, UsageError)


def test_what_is_typed_wins_over_the_table_of_a_sweep_file(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text("[protocol]\nlr = 1e-3\nepochs = 4\n")
    typed = planned(str(file), *ERM, "--lr", "0.5", "--steps", "7")
    assert typed == [spec(lr=0.5, steps=7).hash]
    file.write_text("[protocol]\nlr = {low = 1e-3, high = 1e-2}\n")
    done = CliRunner().invoke(cli, ["run", str(file), *ERM, "--dry-run"])
    assert "a setting takes a value, or a list of those that are tried" in done.output


def test_a_path_with_commas_and_brackets_goes_in_quotes(tmp_path: Path) -> None:
    file = tmp_path / "my, own [1]" / "a.toml"
    file.parent.mkdir()
    file.write_text('backbone = "digits-cnn"\nsteps = 3\n')
    assert spec(f"'{file}'").protocol.steps == 3
    assert [s.protocol.lr for s in plans(f'"{file}"[lr=[0.5,0.25]]')] == [0.5, 0.25]


def test_protocols_count_in_the_size_of_a_sweep() -> None:
    values = ",".join(str(1 + i / 1000) for i in range(300))
    text = f"[lr=[{values}],weight_decay=[{values}]]"
    request = Request(
        ["erm,boda"], ["tiny-mlt"], list(range(1000)), "fp32", Path("/nowhere"), protocol=text
    )
    with pytest.raises(UsageError, match=r"180,000,000 runs: ask for 100,000 at most"):
        plan_runs(request)


def test_the_text_of_a_protocol_is_read_as_it_is_written() -> None:
    text = "mdlt[augmentation=photo,decay_at=[0.5,0.75],name=x.toml]"
    assert [str(name) for name in asked_protocols(text)] == [text]
    assert asked_protocols(None) == [None]
