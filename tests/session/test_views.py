"""What is said of the views of an algorithm before anything is trained, and what a run is then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from click.testing import CliRunner

from ltbench.api import Algorithm, HParams, hparam
from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.registry import Entry
from ltbench.testing.small_data import SmallDataset, register_small_data

if "run" not in cli.commands:
    cli.add_command(run)


class OneChannel(SmallDataset):
    """Images without colour (2026)."""

    @property
    def facts(self):
        return replace(super().facts, channels=1, mean=(0.5,), std=(0.5,))


class Alike(Algorithm):
    """Two views of the protocol (2026)."""

    views = 2


class FirstHParams(HParams):
    """Of first."""

    first: str = hparam("protocol", names="augmentations")


class First(Algorithm):
    """Chooses what its first view is (2026)."""

    HParams = FirstHParams

    @classmethod
    def view_augmentations(cls, hparams):
        return (hparams.first,)


class Deaf(First):
    """Chooses its first view, and knows of no second labels (2026)."""

    def loss(self, batch):
        return self.predict(batch.x).square().mean()


class Nothing(Algorithm):
    """No view at all (2026)."""

    @classmethod
    def view_augmentations(cls, hparams):
        return ()


@pytest.fixture(autouse=True)
def _theirs() -> Iterator[None]:
    register_small_data()
    plugins = get_plugins()
    plugins["datasets"].add(Entry("data set", "one-channel", OneChannel, "Grey", "theirs", "1"))
    for cls in (Alike, First, Deaf, Nothing):
        name = cls.__name__.lower()
        plugins["algorithms"].add(Entry("algorithm", name, cls, name, "theirs", "1"))
    yield
    get_plugins.cache_clear()


def planned(algo: str, *words: str, dataset: str = "tiny-mlt"):
    given = ["run", "--algo", algo, "--dataset", dataset, "--seeds", "1", "--precision", "fp32"]
    return CliRunner().invoke(cli, [*given, "--out", "/nowhere", "--dry-run", "--json", *words])


def labels(*args: str, dataset: str = "tiny-mlt") -> list[str]:
    done = planned(*args, dataset=dataset)
    assert done.exit_code == 0, done.output
    return [run["label"] for run in json.loads(done.output)]


REFUSED = {
    "alike --augmentation none": "views 1 and 2 of 'alike' would be the same, for nothing "
    "augments them: choose --augmentation crop-flip, say",
    "bcl[strong=none]": "views 2 and 3 of 'bcl' would be the same, for nothing augments them: "
    "choose an augmentation for one",
    "bcl[strong=protocol>none] --augmentation none": "views 1 and 2 of 'bcl' would be the same",
    "bcl[strong=nonesuch]": "view 2 of 'bcl', nonesuch: there is no augmentation 'nonesuch'",
    "bcl[strong=simclr[size=3]]": "view 2 of 'bcl', simclr[size=3]: simclr has no hyper-parameter",
    "bcl[strong=simclr[area=2]]": "simclr[area=2] is out of range: the most is 1",
    "bcl[strong=cutout>simclr]": "'simclr' cuts from the stored images: put it first",
    "bcl[strong=protocol>photo] --augmentation crop-flip": "view 2 of 'bcl', crop-flip>photo: "
    "'photo' cuts from the stored images",
    "bcl[strong=cutout>protocol]": "'protocol' in cutout>protocol stands for the augmentations of "
    "the protocol, and only at the beginning",
    "bcl[strong=]": "a view has no augmentation: write 'none' where there shall be none",
    "bcl[strong=>]": "has an empty part around '>'",
    "bcl[strong=mixup]": "view 2 of 'bcl', mixup: 'mixup' mixes labels, and the labels of a batch",
    "bcl[views=2]": "bcl[views=2] is not possible: choose one of 1, 3",
    "bcl[views=1,strong=photo]": "bcl[strong=photo] has no effect with views=1",
    "bcl --augmentation cutmix": "'bcl' does not honour augmentation=cutmix",
    "alike --augmentation mixup": "view 2 of 'alike', mixup: 'mixup' mixes labels",
    "deaf[first=protocol>cutmix]": "'deaf' does not honour the 'cutmix' of its first view",
    "first[first=mixup>cutmix]": "'mixup' and 'cutmix' both make an image of two",
    "coral[loss=alike]": "'alike' looks at more than one view of each image, or at a second batch",
    "coral[loss=first]": "'first' looks at more than one view of each image, or at a second batch",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_not_possible_is_one_sentence_before_any_training(words: str) -> None:
    algo, *options = words.split()
    done = planned(algo, *options)
    assert done.exit_code == 2, done.output
    assert done.output.startswith("Error: ")
    assert len(done.output.strip().splitlines()) == 1
    assert REFUSED[words] in done.output


@pytest.mark.parametrize("view", ["randaugment", "protocol>autoaugment"])
def test_a_view_that_needs_colour_is_refused_without_it(view: str) -> None:
    done = planned(f"bcl[strong={view}]", "--augmentation", "crop-flip", dataset="one-channel")
    assert done.exit_code == 2
    assert "needs colour and the images of 'one-channel' have 1 channel" in done.output
    assert done.output.startswith("Error: view 2 of 'bcl', ")
    assert labels("bcl", "--augmentation", "none", dataset="one-channel") == ["bcl"]


def test_an_algorithm_without_views_is_a_broken_plugin() -> None:
    done = planned("nothing")
    assert done.exit_code != 0
    assert "Nothing.view_augmentations returns (): it must return a tuple" in done.output


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("bcl[strong=simclr[area=0.2]]", "bcl"),
        ("bcl[strong=SimCLR]", "bcl"),
        ("bcl[strong=Protocol>RandAugment]", None),
        ("bcl[strong=protocol>RandAugment[m=9,n=1]>none]", "bcl[strong=protocol>randaugment[n=1]]"),
        ("bcl[strong=protocol>none]", "bcl[strong=protocol]"),
        ("bcl[scale=0,strong=Photo]", "bcl[scale=0.0,strong=photo]"),
        ("first[first=mixup]", "first[first=mixup]"),
        ("alike", "alike"),
    ],
)
def test_views_are_spelled_in_one_way(typed: str, label: str | None) -> None:
    if label is None:
        assert planned(typed).exit_code == 2
    else:
        assert labels(typed, "--augmentation", "crop-flip") == [label]


def test_a_list_of_views_sweeps() -> None:
    found = labels("bcl[strong=[photo,protocol>cutout]]", "--augmentation", "crop-flip")
    assert found == ["bcl[strong=photo]", "bcl[strong=protocol>cutout]"]
