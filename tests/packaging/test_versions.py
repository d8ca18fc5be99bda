"""What the page of versions promises of hashes, asked of the code."""

from __future__ import annotations

from dataclasses import replace

import pytest

import ltbench
from ltbench.plugins.hparams import HParams, hparam
from ltbench.results.backbone import BackboneSpec
from ltbench.results.component import Component
from ltbench.results.protocol import Protocol, protocol_settings
from ltbench.results.run import RunSpec


@pytest.fixture
def spec() -> RunSpec:
    return RunSpec(
        algorithm=Component("erm", {}),
        stages=(),
        dataset=Component("digits-mini-mlt", {}),
        split="0" * 64,
        protocol=Protocol(),
        backbone=BackboneSpec("digits-cnn-narrow", pretrained=False),
        precision="fp32",
        seed=0,
        method="erm",
    )


def test_a_version_is_no_part_of_a_hash(spec, monkeypatch):
    before = spec.hash
    monkeypatch.setattr(ltbench, "__version__", "9.9.9")
    assert replace(spec, method="erm ").hash == before


def test_what_came_later_is_no_part_of_a_hash_at_its_default(spec):
    written = spec.identity()["protocol"]
    later = {name: one.default for name, one in protocol_settings().items() if one.later}
    assert len(later) > 10
    assert not set(later) & set(written)
    other = replace(spec, protocol=replace(spec.protocol, min_lr=0.1))
    assert other.hash != spec.hash


def test_a_later_hyper_parameter_is_written_only_where_it_is_not_what_runs_did():
    class Settings(HParams):
        weight: float = hparam(1.0)
        later: float = hparam(0.5, later=True)
        other: float = hparam(2.0, before=0.0)

    def written(**options: float) -> set[str]:
        values = Settings.from_options(options, "settings")
        return set(values.as_dict())

    assert written() == {"weight", "other"}
    assert written(later=0.6, other=0.0) == {"weight", "later"}


def test_versions_of_plugins_precision_and_images_are_parts(spec):
    others = [
        replace(spec, plugins={"my-plugin": "1.0 abc"}),
        replace(spec, precision="bf16"),
        replace(spec, images="1" * 64),
        replace(spec, split="1" * 64),
        replace(spec, memory_format="channels-last"),
    ]
    assert len({spec.hash, *(other.hash for other in others)}) == 6


def test_the_place_of_files_is_none(spec):
    assert replace(spec, places={"root": "/somewhere"}, weights_file="here.pt").hash == spec.hash
