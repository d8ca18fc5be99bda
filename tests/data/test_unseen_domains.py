"""Which image is used for what where domains are unseen, and what such settings are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ltbench.data.catalogue import create_dataset, dataset_names, open_dataset
from ltbench.data.content import content_sha256
from ltbench.data.store import open_store, store_folder
from ltbench.errors import DataError, UsageError
from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import HParams, hparam
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_name
from ltbench.plugins.registry import Entry
from ltbench.plugins.split import PARTS, Split
from ltbench.results.documents import read_data_facts
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs
from ltbench.session.retry import plan_retry
from ltbench.testing.conformance import check_entry, prepare
from ltbench.testing.point import FAILED
from ltbench.testing.small_data import COUNTS, SmallDataset, register_small_data

DIGITS = "digits-mini-mlt"
DOMAINS = ("mnist", "mnist-m", "optdigits")
GOLDEN = "4e849c549a5d"  # of before there were unseen domains


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(path)


def opened(text: str, data_dir: Path = Path()) -> tuple[Any, Split]:
    return open_dataset(parse_name(text), data_dir)


def names(text: str) -> list[str]:
    return [str(name) for name in dataset_names(text, Path())]


def planned(dataset: str) -> list[RunSpec]:
    return list(plan_runs(Request(["erm"], [dataset], [0], "fp32", Path())).specs)


def used(split: Split, facts: Facts) -> dict[str, dict[str, int]]:
    """Return how many images of each domain are in each part."""
    counts = {part: split.counts(part).sum(axis=1) for part in PARTS}
    return {
        domain: {part: int(counts[part][d]) for part in PARTS if counts[part][d]}
        for d, domain in enumerate(facts.domains)
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            "unseen=mnist",
            {
                "mnist-m": {"train": 417, "val": 250},
                "optdigits": {"train": 244, "val": 250},
                "mnist": {"test": 1167},
            },
        ),
        (
            "unseen=[optdigits,mnist]",
            {"mnist-m": {"train": 417, "val": 250}, "mnist": {"test": 1167},
             "optdigits": {"test": 994}},
        ),
        (
            "unseen=mnist-m,validation=mnist",
            {"optdigits": {"train": 244, "val": 0}, "mnist": {"val": 1167},
             "mnist-m": {"test": 1167}},
        ),
    ],
)  # fmt: skip
def test_what_each_domain_is_used_for(options: str, expected: dict[str, Any]) -> None:
    dataset, split = opened(f"{DIGITS}[{options}]")
    expected = {d: {p: n for p, n in parts.items() if n} for d, parts in expected.items()}
    assert used(split, dataset.facts) == expected
    assert list(dataset.facts.domains) == list(expected)
    whole = opened(DIGITS)[1]
    assert split.images.tolist() == whole.images.tolist()
    assert split.y.tolist() == whole.y.tolist()
    named = np.array(dataset.facts.domains)[split.d]
    assert named.tolist() == np.array(DOMAINS)[whole.d].tolist()


def test_images_of_domains_that_train_stay_in_their_parts() -> None:
    split, whole = opened(f"{DIGITS}[unseen=mnist]")[1], opened(DIGITS)[1]
    trains = whole.d != DOMAINS.index("mnist")
    for part in ("train", "val"):
        assert split.rows(part).tolist() == [r for r in whole.rows(part) if trains[r]]
    assert set(split.part[trains & (whole.part == PARTS.index("test"))].tolist()) == {-1}


def test_a_fifth_of_each_class_is_held_out_and_is_what_the_oracle_sees() -> None:
    every = opened(f"{DIGITS}[unseen=mnist]")[1]
    oracle = opened(f"{DIGITS}[unseen=mnist,validation=oracle]")[1]
    rest = opened(f"{DIGITS}[unseen=mnist,unseen_test=heldout]")[1]
    fifth = set(oracle.rows("val").tolist())
    assert oracle.rows("test").tolist() == rest.rows("test").tolist()
    assert fifth | set(rest.rows("test").tolist()) == set(every.rows("test").tolist())
    assert not fifth & set(rest.rows("test").tolist())
    assert oracle.counts("train").tolist() == every.counts("train").tolist()
    assert rest.counts("val").tolist() == every.counts("val").tolist()
    for images, held in zip(every.counts("test")[2], oracle.counts("val")[2], strict=True):
        assert held == int(images / 5 + 0.5)


def test_the_fifth_is_drawn_by_the_seed_of_the_data_and_of_each_pair() -> None:
    oracle = f"{DIGITS}[unseen={{}},validation=oracle{{}}]"
    first = opened(oracle.format("mnist", ""))[1]
    again = opened(oracle.format("mnist", ""))[1]
    other = opened(oracle.format("mnist", ",data_seed=1"))[1]
    both = opened(oracle.format("[mnist,optdigits]", ""))[1]

    def held(split: Split, domain: str) -> set[str]:
        rows = split.rows("val")
        return {name for name in split.images[rows].tolist() if name.startswith(f"{domain}/")}

    assert first.sha256 == again.sha256
    assert held(first, "mnist") != held(other, "mnist")
    assert held(first, "mnist") == held(both, "mnist")


def test_shots_of_an_unseen_domain_are_those_of_the_classes_that_trained() -> None:
    register_small_data()
    _, split = opened("small-mlt[unseen=b]")
    trained = np.array([COUNTS[0], COUNTS[2]])
    assert split.counts("train").tolist() == [*trained.tolist(), [0] * 5]
    assert split.shot_counts().tolist() == [*trained.tolist(), trained.sum(axis=0).tolist()]
    whole = opened("small-mlt")[1]
    assert whole.shot_counts().tolist() == whole.counts("train").tolist()
    (spec,) = planned("small-mlt[unseen=b]")
    assert spec.data["shot_counts"] == split.shot_counts().tolist()
    assert "shot_counts" not in planned("small-mlt")[0].data


def test_reports_read_by_what_shots_are_told(tmp_path: Path) -> None:
    register_small_data()
    for dataset in ("small-mlt", "small-mlt[unseen=b]"):
        (spec,) = planned(dataset)
        (tmp_path / "spec.json").write_text(json.dumps(spec.as_dict()))
        facts = read_data_facts(tmp_path)
        expected = spec.data.get("shot_counts", spec.data["counts"]["train"])
        assert facts["shot_counts"].tolist() == expected
        assert facts["counts"]["train"].tolist() == spec.data["counts"]["train"]
        assert facts["held_out"] == spec.data.get("held_out")
    for wrong in ({"shot_counts": [[1, 2]]}, {"held_out": -1}, {"held_out": 9}, {"held_out": "x"}):
        text = json.dumps(spec.as_dict() | {"data": spec.data | wrong})
        (tmp_path / "spec.json").write_text(text)
        with pytest.raises(DataError, match="does not hold"):
            read_data_facts(tmp_path)


def test_the_conformance_kit_takes_a_setting(tmp_path: Path) -> None:
    prepare()
    entry = get_plugins()["datasets"].get("tiny-mlt")
    results = check_entry(entry, "tiny-mlt[unseen=bright]", tmp_path)
    failed = {result.point.name: result.cause for result in results if result.status == FAILED}
    assert failed.keys() <= {"source"}, failed  # which it has none of at all


def test_settings_at_their_defaults_leave_no_trace() -> None:
    typed = f"{DIGITS}[unseen=none,validation=seen,unseen_test=all]"
    plain, same = planned(DIGITS)[0], planned(typed)[0]
    assert plain.hash == same.hash == GOLDEN
    assert plain.dataset.hparams == same.dataset.hparams == {"data_seed": 0}
    assert plain.as_dict() == same.as_dict()
    assert type(create_dataset(parse_name(typed), Path())) is type(
        create_dataset(Name(DIGITS), Path())
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("unseen=mnist", "unseen=MNIST"),
        ("unseen=mnist", "unseen=[mnist]"),
        ("unseen=[mnist,optdigits]", "unseen=[optdigits,mnist,mnist]"),
        ("unseen=mnist,validation=oracle", "unseen=mnist,validation=oracle,unseen_test=heldout"),
    ],
)
def test_one_setting_has_one_hash_and_one_name(one: str, other: str) -> None:
    (first,), (second,) = planned(f"{DIGITS}[{one}]"), planned(f"{DIGITS}[{other}]")
    assert first.hash == second.hash
    assert first.dataset_name == f"{DIGITS}[{one}]"


def test_what_a_run_is_known_by() -> None:
    (spec,) = planned(f"{DIGITS}[unseen=mnist,unseen_test=heldout]")
    assert spec.identity()["dataset"]["options"] == {
        "data_seed": 0, "unseen": "mnist", "unseen_test": "heldout",
    }  # fmt: skip
    assert spec.data["domains"] == ["mnist-m", "optdigits", "mnist"]
    (both,) = planned(f"{DIGITS}[unseen=[mnist,optdigits]]")
    read = RunSpec.from_dict(json.loads(json.dumps(both.as_dict())))
    assert read.hash == both.hash
    assert read.dataset.hparams["unseen"] == ["mnist", "optdigits"]
    assert read.dataset_name == f"{DIGITS}[unseen=[mnist,optdigits]]"
    _, split = open_dataset(Name(read.dataset.name, read.dataset_options), Path())
    assert split.sha256 == both.split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{DIGITS}[unseen=each]", [f"{DIGITS}[unseen={d}]" for d in DOMAINS]),
        (
            f"{DIGITS}[unseen=mnist,validation=leave-one-domain-out]",
            [f"{DIGITS}[unseen=mnist,validation={d}]" for d in DOMAINS[1:]],
        ),
        (
            f"{DIGITS}[unseen=[[mnist,optdigits],mnist-m]],{DIGITS}",
            [f"{DIGITS}[unseen=[mnist,optdigits]]", f"{DIGITS}[unseen=mnist-m]", DIGITS],
        ),
        (
            f"{DIGITS}[unseen=mnist,validation=[seen,oracle]]",
            [f"{DIGITS}[unseen=mnist,validation={v}]" for v in ("seen", "oracle")],
        ),
    ],
)
def test_names_that_stand_for_several_settings(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_every_domain_with_every_other_one_to_validate() -> None:
    found = names(f"{DIGITS}[unseen=each,validation=leave-one-domain-out]")
    pairs = [(u, v) for u in DOMAINS for v in DOMAINS if u != v]
    assert found == [f"{DIGITS}[unseen={u},validation={v}]" for u, v in pairs]


def test_dann_is_refused_where_one_domain_is_left() -> None:
    with pytest.raises(UsageError, match=r"unseen=\[mnist,optdigits\]\]' has 1: choose"):
        plan_runs(Request(["dann"], [f"{DIGITS}[unseen=[mnist,optdigits]]"], [0], "fp32", Path()))


def test_one_setting_is_asked_for_where_a_plugin_is_built() -> None:
    for options in ("unseen=each", "unseen=mnist,validation=leave-one-domain-out"):
        with pytest.raises(UsageError, match="settings, and one is asked for here"):
            create_dataset(parse_name(f"{DIGITS}[{options}]"), Path())


def test_all_settings_share_the_decoded_images() -> None:
    whole = opened(DIGITS)
    stored = store_folder(*whole)
    for options in ("unseen=mnist", "unseen=optdigits,validation=oracle"):
        dataset, split = opened(f"{DIGITS}[{options}]")
        assert store_folder(dataset, split) == stored
        assert content_sha256(dataset, split) == content_sha256(*whole)
        store = open_store(dataset, split)
        assert store.folder == stored
        assert store.split.sha256 == split.sha256
        decode = dataset.decoder(split)
        for row in split.rows("test")[:3].tolist():
            assert np.array_equal(store.images[row], decode(row).transpose(2, 0, 1))


def test_a_folder_of_images(tmp_path: Path) -> None:
    for domain in ("038", "[odd", "each", "night, wet"):
        for i in range(12):
            for label in ("moth", "wasp"):
                write_image(tmp_path / domain / label / f"{i}.jpg")
    folder = f"image-folder[root={tmp_path},{{}}]"
    dataset, split = opened(folder.format("unseen=038"), tmp_path)
    assert dataset.facts.domains == ("[odd", "each", "night, wet", "038")
    assert used(split, dataset.facts)["038"] == {"test": 24}
    for once in ("38", '"038"'):
        again, _ = opened(folder.format(f"unseen={once}"), tmp_path)
        assert again.hparams == dataset.hparams
    assert str(dataset.root) == str(tmp_path)
    found = dataset_names(folder.format("unseen=each"), tmp_path)
    unseen = [create_dataset(name, tmp_path).hparams.unseen for name in found]
    assert unseen == ["038", "[odd", ("each",), "night, wet"]
    for name in found:
        again = parse_name(str(name))
        assert open_dataset(again, tmp_path)[1].sha256 == open_dataset(name, tmp_path)[1].sha256


def test_a_folder_is_listed_once_for_all_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ltbench_datasets.image_folder import ImageFolder

    for domain in "abc":
        for i in range(12):
            for label in ("moth", "wasp"):
                write_image(tmp_path / domain / label / f"{i}.jpg")
    split, asked = ImageFolder.split, []
    monkeypatch.setattr(ImageFolder, "split", lambda self: asked.append(1) or split(self))
    dataset = f"image-folder[root={tmp_path},size=16,unseen=each]"
    request = Request(["erm"], [dataset], [0], "fp32", tmp_path, backbone="digits-cnn")
    assert len(plan_runs(request).specs) == 3
    assert len(asked) == 1


def test_a_parameter_of_a_plugins_own_stays_the_plugins() -> None:
    class Parameters(HParams):
        validation: str = hparam("none")

    class Own(SmallDataset):
        HParams = Parameters  # type: ignore[assignment]

    plugins = get_plugins()
    if "own-validation" not in plugins["datasets"]:
        plugins["datasets"].add(Entry("data set", "own-validation", Own, "", "test", "1"))
    dataset = create_dataset(parse_name("own-validation[validation=x]"), Path())
    assert type(dataset) is Own
    assert dataset.hparams.validation == "x"
    with pytest.raises(UsageError, match="no hyper-parameter 'unseen'"):
        create_dataset(parse_name("own-validation[unseen=a]"), Path())


def test_a_third_partys_data_set_knows_nothing_of_it() -> None:
    dataset, split = opened("tiny-mlt[unseen=bright]")
    assert dataset.facts.domains == ("dark", "bright")
    assert split.counts("train").tolist() == [[3, 9, 0], [0, 0, 0]]
    oracle = opened("tiny-mlt[unseen=bright,validation=oracle]")[1]
    assert oracle.counts("val").tolist() == [[0, 0, 0], [4, 2, 2]]


def test_runs_that_failed_are_tried_again(tmp_path: Path) -> None:
    plan = plan_runs(Request(["erm"], [f"{DIGITS}[unseen=[mnist,optdigits]]"], [0], "fp32", Path()))
    folder = plan.specs[0].folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(plan.specs[0].as_dict()))
    again = plan_retry([folder], Path())
    assert again.specs[0].hash == plan.specs[0].hash
    assert again.datasets[0][1].sha256 == plan.specs[0].split
