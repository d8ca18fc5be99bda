"""Every registered plugin, third parties' included, passes the conformance kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltbench.errors import PluginError, UsageError
from ltbench.plugins.manager import KINDS, Plugins, get_plugins
from ltbench.testing import check_conformance, find_points, find_subjects

# Of the third party that the other tests install: the algorithm, and the whole package's name.
FAILS_ON_PURPOSE = {"misbehave", "tiny-mlt"}
TAKES_MINUTES = {
    "convnext_base", "vit_base_patch16_224", "resnet50", "resnetv2_50", "mobilenetv2_100",
    "resnet18",
}  # fmt: skip
NAMES = sorted({n for kinds in KINDS for n in get_plugins()[kinds].names()} - FAILS_ON_PURPOSE)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TAKES_MINUTES])
def test_conforms(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_conformance(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TAKES_MINUTES))
def test_large_networks_conform(name: str, tmp_path: Path) -> None:
    check_conformance(name, tmp_path)


def test_hyper_parameters_can_be_given(tmp_path: Path) -> None:
    check_conformance("coral[loss=ldam[s=10]]", tmp_path)


@pytest.mark.parametrize("kind", KINDS.values())
def test_points_have_names_of_their_own_and_sentences(kind: str) -> None:
    names = [point.name for point in find_points(kind)]
    assert len(set(names)) == len(names) > 5
    for point in find_points(kind):
        assert point.sentence[0].isupper()
        assert not point.sentence.endswith(".")


def test_a_package_stands_for_all_that_it_registers() -> None:
    entries = {entry.name for entry, _ in find_subjects("tiny_mlt")}
    assert entries == {"tiny-mlt", "misbehave"}
    assert {entry.name for entry, _ in find_subjects("Tiny.-mlt")} == entries


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="called 'fokal'; did you mean 'focal'"):
        find_subjects("fokal")


def test_a_package_that_is_broken_says_why() -> None:
    plugins = Plugins()
    plugins.fail("mine", "my-package", "1", ImportError("no module"))
    with pytest.raises(PluginError, match="my-package 1 failed: ImportError: no module"):
        find_subjects("my_package", plugins)
