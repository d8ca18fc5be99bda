"""Names are found without regard to case wherever one is typed, and a run stays the same run."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.clean import clean
from ltbench.cli.figures import figures
from ltbench.cli.leaderboard import leaderboard
from ltbench.cli.plugins import plugins
from ltbench.cli.run import run
from ltbench.cli.show import show
from ltbench.cli.tables import tables
from ltbench.data.catalogue import create_dataset
from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone, check_backbone
from ltbench.plugins.names import Name
from ltbench.plugins.registry import Entry, Registry
from ltbench.plugins.resolve import registered, resolve
from ltbench.plugins.scaffold import name_project
from ltbench.plugins.spelling import spelled
from ltbench.session.observers import choose_watchers
from ltbench.session.session import Session


def test_only_one_name_of_other_case_is_meant():
    assert spelled("ERM", ["erm", "boda"]) == "erm"
    assert spelled("Erm", ["erm", "ERM", "Erm"]) == "Erm"
    assert spelled("eRM", ["erm", "ERM"]) == "eRM"
    assert spelled("irm", ["erm"]) == "irm"


def test_a_registry_finds_it_and_refuses_what_two_could_be():
    registry = Registry("algorithm")
    registry.add(Entry("algorithm", "BCL", "a:b", "", "one", "1"))
    assert registry.get("bcl").name == "BCL"
    assert "bCl" in registry
    registry.add(Entry("algorithm", "bcl", "a:b", "", "two", "1"))
    assert registry.get("bcl").name == "bcl"
    with pytest.raises(UsageError, match="there is no algorithm 'bCl'; did you mean"):
        registry.get("bCl")


@pytest.fixture(scope="module")
def hashes():
    def hashes(algo, dataset="tiny-mlt", **options):
        session = Session(device="cpu", quiet=True)
        plan = session.plan([algo], [dataset], [0], precision="fp32", **options)
        return [(run.hash, run.label, run.dataset.name) for run in plan.specs]

    return hashes


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("ERM",), ("erm",)),
        (("BoDA[weight=0.5]+CRT",), ("boda[weight=0.5]+crt",)),
        (("CRT",), ("crt",)),
        (("coral[loss='LDAM[s=10]']",), ("coral[loss=ldam[s=10]]",)),
        (("erm", "Tiny-MLT"), ("erm", "tiny-mlt")),
        (("erm", "tiny-mlt", "DIGITS-CNN"), ("erm", "tiny-mlt", "digits-cnn")),
        (("erm", "tiny-mlt", "ResNet34"), ("erm", "tiny-mlt", "resnet34")),
        (("erm", "tiny-mlt", None, "TINY"), ("erm", "tiny-mlt", None, "tiny")),
    ],
)
def test_a_run_is_the_same_however_its_names_are_typed(hashes, typed, meant):
    keys = ("algo", "dataset", "backbone", "protocol")
    found = [hashes(**dict(zip(keys, names, strict=False))) for names in (typed, meant)]
    assert found[0] == found[1]


def test_a_sweep_file_may_spell_its_tables_otherwise(tmp_path):
    for name, text in (("a", "[hparams.BODA]"), ("b", "[hparams.boda]")):
        (tmp_path / f"{name}.toml").write_text(
            'algo = "BoDA"\ndataset = "tiny-mlt"\nseeds = 1\n'
            f"{text}\nweight = {{low = 0.1, high = 1, draws = 2}}\n"
        )
    out = ["--out", str(tmp_path / "runs"), "--dry-run", "--json"]
    planned = [
        CliRunner().invoke(run, [str(tmp_path / f"{name}.toml"), *out], catch_exceptions=False)
        for name in "ab"
    ]
    assert json.loads(planned[0].stdout) == json.loads(planned[1].stdout)


def test_two_tables_of_one_algorithm_are_refused(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(
        'algo = "boda"\ndataset = "tiny-mlt"\n'
        "[hparams.BODA]\nweight = 1.0\n[hparams.boda]\nweight = 0.5\n"
    )
    done = CliRunner().invoke(run, [str(path), "--dry-run"])
    assert isinstance(done.exception, UsageError)
    assert "'BODA' and 'boda' are the same" in str(done.exception)


def test_observers_executors_and_data_sets(tmp_path):
    (watcher,) = choose_watchers_of("CSV")
    assert watcher.entry.name == "csv"
    with pytest.raises(UsageError, match="--observer csv stands twice"):
        choose_watchers_of("csv,CSV")
    assert Session(executor="LOCAL", device="cpu", quiet=True).device == "cpu"
    assert create_dataset(Name("PACS-mlt"), tmp_path).name == "pacs-mlt"
    assert registered(Name("posthoc-LA", {"tau": 1}), "stages") == Name("posthoc-la", {"tau": 1})
    assert resolve("algorithms", "Focal", {})[0].__name__ == "Focal"


def choose_watchers_of(text):
    from ltbench.plugins.manager import get_plugins

    return choose_watchers(get_plugins(), [text], quiet=True)


def test_backbones_of_timm_keep_the_tag_of_their_weights():
    assert check_backbone("ViT_Tiny_Patch16_224.augreg_in21k") == (
        "vit_tiny_patch16_224.augreg_in21k"
    )
    assert build_backbone("ResNet32", (3, 32, 32), False).num_features == 64


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for algo in ("erm", "boda"):
        for seed in range(2):
            write_run(root, algo=algo, seed=seed, arrays=False)
    write_run(root, algo="erm", seed=7, error="Boom")
    return str(root)


def same(command, *pairs):
    texts = []
    for arguments in pairs:
        done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        texts.append(done.stdout)
    return texts[0] == texts[1]


def test_reports_take_names_as_they_come(runs, tmp_path):
    options = ("--algo", "ERM,Boda", "--dataset", "Digits-mini-MLT", "--metrics", "Accuracy_Worst",
               "--reference", "BODA")  # fmt: skip
    assert same(
        leaderboard, (runs, *options, "--format", "csv"),
        (runs, *map(str.lower, options), "--format", "csv"),
    )  # fmt: skip
    assert same(show, ("BODA", "--out", runs, "--seed", "0", "--dataset", "DIGITS-mini-mlt"),
                ("boda", "--out", runs, "--seed", "0"))  # fmt: skip
    assert same(clean, (runs, "--algo", "ERM", "--dry-run"), (runs, "--algo", "erm", "--dry-run"))
    assert same(plugins, ("info", "BODA"), ("info", "boda"))
    done = CliRunner().invoke(figures, ["Violin", runs, "-o", str(tmp_path / "v.svg")])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(tables, ["Ablation", "--help"])
    assert done.exit_code == 0
    assert "tables ablation" in done.output or "--components" in done.output


def test_a_table_that_does_not_exist_gets_a_suggestion():
    done = CliRunner().invoke(tables, ["ablatoin", "runs"])
    assert done.exit_code == 2
    assert "there is no table 'ablatoin'; did you mean 'ablation'?" in done.output


def test_a_name_that_differs_in_case_alone_is_taken():
    with pytest.raises(UsageError, match="the name 'erm' is taken by the algorithm of"):
        name_project("algorithm", "ERM")
