from __future__ import annotations

import json

import pytest

from ltbench.errors import UsageError
from ltbench.plugins.source_code import source_sha256
from ltbench.results.protocol import Protocol
from ltbench.results.run import RunSpec, canonical_hash


def test_a_spec_survives_its_json(make_job):
    spec = make_job("boda[weight=0.5]+crt").spec
    again = RunSpec.from_dict(json.loads(json.dumps(spec.as_dict())))
    assert again == spec
    assert again.hash == spec.hash


def test_the_hash_covers_the_identity_and_not_the_seed(make_job):
    base = make_job("erm").spec
    assert make_job("erm", seed=4).spec.hash == base.hash
    for other in (
        make_job("focal").spec,
        make_job("erm+crt").spec,
        make_job("erm", steps=13).spec,
        make_job("erm", dataset="tiny-mlt[data_seed=1]").spec,
    ):
        assert other.hash != base.hash


def test_algorithms_share_the_protocol_hash_and_settings_do_not(make_job):
    def protocol(job):
        return job.spec.as_dict()["protocol_hash"]

    assert protocol(make_job("erm")) == protocol(make_job("boda+crt"))
    assert protocol(make_job("erm")) != protocol(make_job("erm", lr=0.1))


def test_a_default_spelled_out_is_the_same_run(make_job):
    assert make_job("focal[gamma=1]").spec.hash == make_job("focal").spec.hash
    assert make_job("focal[gamma=1]").spec.label == "focal"
    assert make_job("focal[gamma=2]").spec.label == "focal[gamma=2.0]"


def test_third_party_versions_are_part_of_the_identity(make_job):
    found = make_job().spec.identity()["plugins"]
    assert found == {"tiny-mlt": f"1.0 {source_sha256('tiny_mlt_dataset')}"}


def test_canonical_json_ignores_the_order_of_keys():
    assert canonical_hash({"a": 1, "b": [2]}) == canonical_hash({"b": [2], "a": 1})


@pytest.mark.parametrize(
    ("settings", "factors"),
    [
        ({}, {0: 1, 99: 1}),
        ({"schedule": "cosine"}, {0: 1, 50: 0.5}),
        ({"schedule": "step", "decay_at": [0.5, 0.75]}, {49: 1, 50: 0.1, 75: 0.01}),
        ({"warmup": 0.1}, {0: 0.1, 4: 0.5, 9: 1, 10: 1}),
    ],
)
def test_learning_rate_schedules(settings, factors):
    protocol = Protocol.from_options(settings, "protocol")
    for step, factor in factors.items():
        assert protocol.lr_factor(step, 100) == pytest.approx(factor)


def test_an_unknown_setting_of_a_protocol_is_refused():
    with pytest.raises(UsageError, match="did you mean 'steps'"):
        Protocol.from_options({"stepps": 3}, "protocol")
