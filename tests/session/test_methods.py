"""What a protocol sets of methods: in the place of their defaults, below what is typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ltbench.api import UsageError
from ltbench.cli.data import data
from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.plugins.facts import registry_facts
from ltbench.plugins.hparams import HParams, hparam
from ltbench.report.leaderboard import load_content
from ltbench.report.provenance import run_commands
from ltbench.results.folder import RunFolder
from ltbench.results.method_settings import MethodSettings
from ltbench.results.run import RunSpec
from ltbench.session.plan import Request, plan_runs
from ltbench.session.protocols import protocol_of
from ltbench.session.space import find_axes
from ltbench.session.studies import Budget, Study
from ltbench.training.steps import stage_steps

for command in (data, run):
    if command.name not in cli.commands:
        cli.add_command(command)

CIFAR = {"backbone": "digits-cnn", "protocol": "cifar-lt"}
# What the protocol of this name was when the first runs were made.
FIRST = {
    "protocol": "digits-mini[backbone=digits-cnn,steps=300,batch_per_domain=32,lr=1e-3,"
    "schedule=constant,warmup=0.0,eval_every=25]"
}


def plan(method: str, **more: Any) -> RunSpec:
    settings = {key: more.pop(key) for key in list(more) if key in ("steps", "epochs", "lr")}
    request = Request([method], ["digits-mini-mlt"], [0], "fp32", Path(), settings, **more)
    return plan_runs(request).specs[0]


def test_the_protocol_sets_what_is_not_typed() -> None:
    spec = plan("mislas[rare=0.2]", **CIFAR)
    assert spec.algorithm.hparams["alpha"] == 1.0
    (stage,) = spec.stages
    assert stage.hparams["rare"] == 0.2
    assert stage.hparams["classifier_lr"] == 0.2
    assert plan("input-mixup[alpha=0.4]+mislas", **CIFAR).algorithm.hparams["alpha"] == 0.4


def test_a_name_says_what_differs_from_what_the_protocol_sets() -> None:
    assert plan("mislas", **CIFAR).method == "input-mixup+mislas"
    assert plan("erm+crt[shift_bn=false]", **CIFAR).method == "erm+crt[shift_bn=false]"
    assert plan("input-mixup[alpha=0.2]", **CIFAR).method == "input-mixup[alpha=0.2]"
    assert plan("input-mixup[alpha=1]", backbone="digits-cnn").method == "input-mixup[alpha=1.0]"


def test_stages_have_lengths_of_their_own_in_proportion_to_the_training() -> None:
    whole = plan("crt", **CIFAR)
    first, second = stage_steps(whole)
    assert (first, second) == (200 * second // 10, 10 * first // 200)
    assert stage_steps(plan("crt", steps=100, **CIFAR)) == [100, 5]
    assert stage_steps(plan("crt", steps=3, **CIFAR)) == [3, 1]
    assert stage_steps(plan("crt[steps=7]", steps=100, **CIFAR)) == [100, 7]
    assert stage_steps(plan("erm+crt+lws", steps=100, **CIFAR)) == [100, 5, 5]
    assert stage_steps(plan("erm+tau-norm+crt", steps=100, **CIFAR)) == [100, 0, 5]
    assert stage_steps(plan("wise-ft+posthoc-la+finetune", steps=100, **CIFAR)) == [100, 0, 0, 100]
    assert stage_steps(plan("crt", **FIRST)) == [300, 300]


def test_hashes_stay_where_a_protocol_sets_nothing() -> None:
    assert plan("crt", **FIRST).hash == "7e89fa740163"
    assert plan("bsoftmax", **FIRST).hash == "895ebcc7752c"
    assert plan("dann", **FIRST).hash == "8722b46ea34a"
    assert plan("boda", **FIRST).hash == "b223b2205e7f"
    assert plan("ldam", **FIRST).hash == "a179a83d069e"
    assert plan("mislas", **FIRST).hash == "b86e379e11b6"
    assert plan("erm", **CIFAR).hash == "a3cf2fc7ad11"
    assert plan("boda", steps=500, protocol="mdlt", backbone="digits-cnn").hash == "7010fb1f98c3"


def test_bodas_published_refreshes_hold_at_the_whole_length_alone() -> None:
    mdlt = {"protocol": "mdlt", "backbone": "digits-cnn"}
    assert plan("boda", **mdlt).algorithm.hparams["update"] == 120
    assert plan("boda", steps=5001, **mdlt).algorithm.hparams["update"] == 120
    assert plan("boda", steps=500, **mdlt).algorithm.hparams["update"] == 0
    assert plan("boda[update=7]", **mdlt).algorithm.hparams["update"] == 7


@pytest.mark.parametrize(
    "protocol", ["cifar-lt", "cifar-lt[weight_decay=1e-3]", "cifar-lt-cosine", "imagenet-lt"]
)
@pytest.mark.parametrize("steps", [{}, {"steps": 100}])
def test_the_command_under_a_table_plans_the_same_run(
    protocol: str, steps: dict[str, int], tmp_path: Path
) -> None:
    methods = "mislas,erm+crt[shift_bn=false],weight-balancing,bcl[temperature=0.1],balpoe"
    check_commands(tmp_path, methods, protocol, **steps)


MINE = """\
like = "{like}"
lr = 0.02

[methods.crt]
epochs = 3
lr = 0.5

[methods.bcl]
temperature = 0.1
"""


def test_a_file_of_ones_own_sets_methods_and_its_command_names_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE.format(like="imagenet-lt"))
    spec = plan("erm+crt", protocol=str(file), backbone="digits-cnn")
    first, second = stage_steps(spec)
    assert second * 90 == first * 3
    assert spec.stages[0].hparams == {"steps": second, "lr": 0.5, "shift_bn": True}
    assert spec.method == f"erm+crt[steps={second},lr=0.5,shift_bn=true]"
    bcl = plan("bcl", protocol=str(file), backbone="digits-cnn")
    assert (bcl.algorithm.hparams["temperature"], bcl.algorithm.hparams["width"]) == (0.1, 1024)
    check_commands(tmp_path, "erm+crt,bcl,mislas", str(file))


def check_commands(folder: Path, methods: str, protocol: str, **settings: Any) -> None:
    """Check that the commands of a table's runs plan runs of the same hashes."""
    request = Request(
        [methods], ["digits-mini-mlt"], [0], "fp32", Path(), settings, protocol=protocol,
        backbone="digits-cnn",
    )  # fmt: skip
    specs = plan_runs(request).specs
    runs = folder / "runs"
    for spec in specs:
        RunFolder(spec.folder(runs)).start(spec.as_dict())
    (board,) = load_content(runs).boards
    again = set()
    for command in run_commands(board):
        words = [*shlex.split(command)[1:], "--out", str(runs), "--dry-run", "--json"]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, (command, done.output)
        again |= {run["hash"] for run in json.loads(done.stdout)}
    assert again == {spec.hash for spec in specs}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("methods = 3", "'methods' are tables of a file"),
        ("[methods.crtt]\nepochs = 3", "there is no method 'crtt'; did you mean 'crt'"),
        ("[methods.crt]\nepochs = [3]", "methods.crt.epochs takes one value"),
        ("[methods.crt]\nepochs = 0", "methods.crt.epochs=0 is out of range"),
        ("[methods.crt]\nepoch = 3", "crt has no hyper-parameter 'epoch'"),
        ("[methods.tau-norm]\nepochs = 3", "'tau-norm' has no length of its own"),
    ],
)
def test_a_table_that_cannot_be_is_one_sentence(table: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'like = "cifar-lt"\n{table}\n')
    with pytest.raises(UsageError, match=message):
        plan("erm+crt+tau-norm", protocol=str(file), backbone="digits-cnn")


def test_brackets_take_no_tables() -> None:
    with pytest.raises(UsageError, match="'methods' are tables of a file"):
        plan("crt", protocol="cifar-lt[methods=crt]", backbone="digits-cnn")


def test_settings_of_methods_are_no_settings_of_the_protocol() -> None:
    assert "methods" not in protocol_of(registry_facts("cifar100-lt"), None)
    assert "methods" not in plan("erm", **CIFAR).protocol.as_dict()


def test_tuning_begins_with_what_the_protocol_sets() -> None:
    request = Request(
        ["mislas"], ["digits-mini-mlt"], [0], "fp32", Path(), protocol="cifar-lt",
        backbone="digits-cnn",
    )  # fmt: skip
    (method,) = plan_runs(request).methods
    study = Study(method, Budget(), Path("/nowhere"))
    space = study.space()
    assert space.defaults["input-mixup.alpha"] == 1.0
    assert "mislas.steps" not in space.axes
    assert "mislas.schedule" not in space.axes
    trial = study.spec(study._trial(0, {}))
    assert trial.algorithm.hparams["alpha"] == 1.0
    assert trial.stages == method.spec.stages


class Counted(HParams):
    start: int = hparam(0, low=0, steps="whole")
    steps: int = hparam(0, low=0, steps="proportion")
    width: int = hparam(8, low=1)


def test_counts_of_steps_follow_the_length_of_the_training() -> None:
    table = {"it": {"start": 30, "steps": 50, "width": 16}, "other": {"width": 3}}
    whole, half = MethodSettings(table), MethodSettings(table, share=0.5)
    assert whole.of("it", Counted) == {"start": 30, "steps": 50, "width": 16}
    assert half.of("it", Counted) == {"steps": 25, "width": 16}
    assert whole.of("third", Counted) == {}
    epochs = MethodSettings({"it": {"epochs": 2}}, share=0.5, an_epoch=10)
    assert epochs.of("it", Counted) == {"steps": 10}


def test_what_came_later_is_written_down_where_it_is_not_the_default() -> None:
    class Grown(HParams):
        old: float = hparam(1.0, low=0.0)
        new: bool = hparam(False, later=True)

    assert Grown().as_dict() == {"old": 1.0}
    assert Grown(new=True).as_dict() == {"old": 1.0, "new": True}
    assert Grown(old=2.0).changed(Grown(new=True)) == {"old": 2.0, "new": False}


def test_another_default_is_written_down_and_what_runs_had_before_is_not() -> None:
    class Turned(HParams):
        old: float = hparam(1.0, low=0.0, high=2.0)
        way: str = hparam("new", choices=("new", "old"), before="old")

    assert Turned().as_dict() == {"old": 1.0, "way": "new"}
    assert Turned(way="old").as_dict() == {"old": 1.0}
    assert set(find_axes(Turned, "turned")) == {"old"}


def test_a_study_of_another_default_is_another_study() -> None:
    """Trials of then are no trials of the method of now, and those of then typed are."""

    def task(method: str) -> dict[str, Any]:
        request = Request([method], ["digits-mini-mlt"], [0], "fp32", Path(), {})
        return plan_runs(request).methods[0].tuning_task()

    now, then = task("brl[alpha=1]"), task("brl[alpha=1,balance=weights,distance=moments]")
    assert now["defaults"] == {"brl.balance": "logits", "brl.distance": "means"}
    assert "defaults" not in then
    assert now["fixed"] == then["fixed"] == {"brl.alpha": 1.0}
    typed = task("brl[alpha=1,balance=logits]")
    assert typed["fixed"] == {"brl.alpha": 1.0, "brl.balance": "logits"}
    assert typed["defaults"] == {"brl.distance": "means"}


def test_data_info_prints_what_the_protocols_set() -> None:
    found = CliRunner().invoke(cli, ["data", "info", "imagenet-lt"])
    assert "bcl: temperature 0.07, width 1024" in found.output
