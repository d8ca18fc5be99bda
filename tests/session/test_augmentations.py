"""Chains of augmentations: how they are typed, what a run's identity holds, what is refused."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from ltbench.api import Algorithm, Augmentation, HParams, UsageError, hparam
from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.plugins.augmentation_names import augmentation_chain, joined, spelled_out
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.plugins.source_code import source_sha256
from ltbench.report.leaderboard import load_content
from ltbench.report.provenance import run_commands
from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs
from ltbench.session.protocols import own_protocols
from ltbench.testing.small_data import SmallDataset, register_small_data

if "run" not in cli.commands:
    cli.add_command(run)

ERM = ("--algo", "erm", "--dataset", "tiny-mlt", "--seeds", "1", "--precision", "fp32")


class FogHParams(HParams):
    """Of fog."""

    densities: tuple[float, ...] = hparam((0.1, 0.2), low=0.0, high=1.0)
    colour: str = hparam("grey")


class Fog(Augmentation):
    """Fog (2026)."""

    HParams = FogHParams

    def augment(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return x


class OneChannel(SmallDataset):
    """Images without colour (2026)."""

    @property
    def facts(self):
        return replace(super().facts, channels=1, mean=(0.5,), std=(0.5,))


class OwnLoss(Algorithm):
    """A loss that knows of no second labels (2026)."""

    def loss(self, batch):
        return self.predict(batch.x).square().mean()


@pytest.fixture(autouse=True)
def _theirs() -> Iterator[None]:
    register_small_data()
    plugins = get_plugins()
    plugins["augmentations"].add(Entry("augmentation", "fog", Fog, "Fog", "their-fog", "1.5"))
    plugins["datasets"].add(Entry("data set", "one-channel", OneChannel, "Grey", "theirs", "1"))
    plugins["algorithms"].add(Entry("algorithm", "own-loss", OwnLoss, "Own", "theirs", "1"))
    yield
    get_plugins.cache_clear()


def plans(
    protocol: str | None = None, dataset: str = "tiny-mlt", algo: str = "erm", **settings: Any
) -> list[RunSpec]:
    request = Request([algo], [dataset], [0], "fp32", Path("/nowhere"), settings, protocol=protocol)
    return list(plan_runs(request).specs)


def spec(augmentation: Any, **others: Any) -> RunSpec:
    (found,) = plans(augmentation=augmentation, **others)
    return found


def spelling(augmentation: Any) -> str:
    return spec(augmentation).protocol.augmentation


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli, ["run", *words, "--out", "/nowhere", "--dry-run", "--json"])


def planned(*words: str) -> list[str]:
    done = invoke(*words)
    assert done.exit_code == 0, done.output
    return [run["hash"] for run in json.loads(done.stdout)]


CHAIN = "crop-flip>randaugment[m=10]>random-erasing"


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("none", "none"),
        ("none>none", "none"),
        ("None", "none"),
        ("none>cutout>none", "cutout"),
        ("crop-flip > RandAugment[ m = 10, n=2 ] > random-erasing[p=.5]", CHAIN),
        (["crop-flip", "randaugment[n=2,m=10]", "random-erasing"], CHAIN),
        ([], "none"),
        ("randaugment[m=3,n=1]", "randaugment[n=1,m=3]"),
        ("autoaugment[policy=imagenet]", "autoaugment"),
        ("fog[densities=[[0.5,0.25]]]", "fog[densities=[[0.5,0.25]]]"),
        ("fog[densities=[[0.1,0.2]]]", "fog"),
        ('fog[colour="a>b"]>cutout', "fog[colour=a>b]>cutout"),
        ("fog[colour='a,b']", 'fog[colour="a,b"]'),
    ],
)
def test_an_identity_has_one_spelling_of_a_chain(typed: Any, canonical: str) -> None:
    assert spelling(typed) == canonical
    assert spelling(canonical) == canonical
    if isinstance(typed, str):
        assert planned(*ERM, "--augmentation", typed) == [spec(canonical).hash]


def test_runs_of_before_have_the_identity_that_they_had() -> None:
    for name in ("none", "crop-flip", "photo", "imagenet"):
        found = spec(name)
        assert found.identity()["protocol"]["augmentation"] == name
        assert "plugins" not in found.identity() or "ltbench" not in found.plugins


def test_a_list_in_brackets_sweeps_and_one_within_it_is_a_chain() -> None:
    def chains(text: str) -> list[str]:
        return [found.protocol.augmentation for found in plans(text)]

    assert chains("[augmentation=[crop-flip,cutout]]") == ["crop-flip", "cutout"]
    assert chains("[augmentation=[[crop-flip,cutout]]]") == ["crop-flip>cutout"]
    assert chains("[augmentation=[[crop-flip,cutout],mixup]]") == ["crop-flip>cutout", "mixup"]
    assert chains(f"[augmentation={CHAIN},lr=0.1]") == [CHAIN]
    assert chains("[augmentation=cutout[size=[4,8]]>mixup]") == [
        "cutout[size=4]>mixup", "cutout[size=8]>mixup",
    ]  # fmt: skip
    assert chains("[augmentation=[[crop-flip,randaugment[n=[1,2],m=10]]]]") == [
        "crop-flip>randaugment[n=1,m=10]", "crop-flip>randaugment[m=10]",
    ]  # fmt: skip


def test_in_the_table_of_a_sweep_file_lists_do_the_same(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"

    def hashes(value: str) -> list[str]:
        file.write_text(f"[protocol]\naugmentation = {value}\n")
        return planned(str(file), *ERM)

    assert hashes('["crop-flip", "cutout"]') == [spec("crop-flip").hash, spec("cutout").hash]
    chain = '["crop-flip", "randaugment[n=2,m=10]", "random-erasing"]'
    assert hashes(f"[{chain}]") == [spec(CHAIN).hash]
    assert hashes(f'"{CHAIN}"') == [spec(CHAIN).hash]
    file.write_text(f'augmentation = "{CHAIN}"\n')
    assert planned(str(file), *ERM) == [spec(CHAIN).hash]


def test_in_the_file_of_a_protocol_a_list_is_a_chain(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('augmentation = ["crop-flip", "randaugment[n=2,m=10]", "random-erasing"]\n'
                    'backbone = "digits-cnn"\n')  # fmt: skip
    assert [found.protocol.augmentation for found in plans(str(file))] == [CHAIN]
    file.write_text('backbone = "digits-cnn"\naugmentation = "cutout[size=[4,8]]"\n')
    with pytest.raises(UsageError, match="'augmentation' takes one value; lists sweep where"):
        plans(str(file))


def test_in_a_protocol_of_a_plugin_a_list_is_a_chain() -> None:
    settings = {"backbone": "digits-cnn", "steps": 3, "augmentation": ["crop-flip", "cutout"]}
    get_plugins()["protocols"].add(Entry("protocol", "mine", settings, "", "their-lab", "1"))
    assert [found.protocol.augmentation for found in plans("mine")] == ["crop-flip>cutout"]
    (kit,) = plans("mine[augmentation=cutout]")
    assert kit.protocol.augmentation == "cutout"


def test_data_info_shows_a_chain_as_it_is_typed() -> None:
    own = {"backbone": "digits-cnn", "augmentation": ["crop-flip", "cutout"]}
    facts = replace(registry_facts("digits-mini-mlt"), protocols={"own": own})
    assert own_protocols(facts)["own"]["augmentation"] == "crop-flip>cutout"


@pytest.mark.parametrize(
    "typed", [CHAIN, "none", "fog[colour=\"it's, '>' and \\\"]>mixup", "fog[densities=[[0.5]]]"]
)
def test_the_printed_command_means_the_same_run(typed: str, tmp_path: Path) -> None:
    asked = spec(typed)
    RunFolder(asked.folder(tmp_path)).start(asked.as_dict())
    (board,) = load_content(tmp_path).boards
    words = shlex.split(run_commands(board)[0])
    assert words[:2] == ["ltbench", "run"]
    assert planned(*words[2:]) == [asked.hash]


def test_the_versions_of_others_augmentations_are_part_of_a_run() -> None:
    code = source_sha256(__name__)
    assert spec("crop-flip>fog").plugins == {
        **spec("crop-flip").plugins, "their-fog": f"1.5 {code}",
    }  # fmt: skip


REFUSED = {
    "randaugmnt": "there is no augmentation 'randaugmnt'; did you mean 'randaugment'?",
    "crop-flip>cutuot": "there is no augmentation 'cutuot'; did you mean 'cutout'?",
    "randaugment[k=2]": "randaugment has no hyper-parameter 'k'",
    "randaugment[m=31]": "randaugment[m=31] is out of range: the most is 30",
    "randaugment[n=two]": "randaugment[n=two] is out of place: the value must be a whole number",
    "autoaugment[policy=mnist]": "choose one of imagenet, cifar10, svhn",
    "cutout>crop-flip": "'crop-flip' cuts from the stored images: put it first, before 'cutout'",
    "photo>imagenet": "'imagenet' cuts from the stored images: put it first, before 'photo'",
    "mixup[alpha=.5]>cutmix": "'mixup[alpha=0.5]' and 'cutmix' both make an image of two",
    "crop-flip,cutout": "is not a chain of augmentations: join them with '>'",
    "cutout[size=[4,8]]": "stands for 2 chains: lists sweep in brackets",
    "cutout>": "has an empty part around '>'",
    "": "an augmentation has no name: write 'none'",
    "none[x=1]": "none has no hyper-parameter 'x'",
    "cutout[size=4": "bracket",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_what_cannot_be_is_one_sentence(typed: str) -> None:
    done = invoke(*ERM, "--augmentation", typed)
    assert done.exit_code == 2
    assert REFUSED[typed] in done.output
    assert len(done.output.strip().splitlines()) == 1


@pytest.mark.parametrize("value", ["3", "[3]", '[["cutout", 3]]', "[{a = 1}]", "[[[]]]", "{a = 1}"])
def test_what_is_no_name_in_a_file_is_one_sentence(value: str, tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(f"[protocol]\naugmentation = {value}\n")
    done = invoke(str(file), *ERM)
    assert done.exit_code == 2
    assert done.output.startswith("Error: ")
    assert len(done.output.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["randaugment", "autoaugment", "crop-flip>trivialaugment"])
def test_what_needs_colour_is_refused_without_it(name: str) -> None:
    with pytest.raises(UsageError, match=r"needs colour and the images of 'one-channel' have 1 ch"):
        spec(name, dataset="one-channel")
    assert spec("crop-flip>cutout>mixup", dataset="one-channel").protocol.augmentation


@pytest.mark.parametrize("algo", ["own-loss", "boda", "erm,own-loss"])
def test_mixed_labels_are_refused_where_an_algorithm_knows_of_none(algo: str) -> None:
    with pytest.raises(UsageError, match=r"'.*' does not honour augmentation=cutmix"):
        plans(augmentation="crop-flip>cutmix", algo=algo)
    if algo == "own-loss":
        assert plans(augmentation="crop-flip>cutout", algo=algo)


def test_losses_on_logits_take_mixed_labels() -> None:
    for algo in ("erm", "focal", "bsoftmax", "erm+crt"):
        assert plans(augmentation="mixup", algo=algo)


def test_a_list_holds_names() -> None:
    assert joined(["a", "b"]) == "a>b"
    assert joined(3) == "3"
    with pytest.raises(UsageError, match="a list of their names, not of 3"):
        joined(["a", 3])
    assert spelled_out(augmentation_chain("a[x=1]>b")) == "a[x=1]>b"
