"""Unseen domains as they are typed: what is said of a wrong one, and what commands print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ltbench.cli.data import data
from ltbench.cli.main import cli
from ltbench.cli.run import run
from ltbench.report import figures
from ltbench.report.figures import draw

DIGITS = "digits-mini-mlt"
DOMAINS = ("mnist", "mnist-m", "optdigits")


def ltbench(*arguments: str) -> Result:
    for command in (data, run):
        if command.name not in cli.commands:
            cli.add_command(command)
    return CliRunner().invoke(cli, list(arguments))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (f"{DIGITS}[unseen=mnis]", "there is no domain 'mnis'; did you mean 'mnist'?"),
        (f"{DIGITS}[unseen=[mnist,x9]]", "there is no domain 'x9'"),
        (f"{DIGITS}[unsen=mnist]", "did you mean 'unseen'?"),
        (f"{DIGITS}[unseen=[mnist,mnist-m,optdigits]]", "leaves no domain to train on"),
        (f"{DIGITS}[unseen=[]]", "is empty"),
        (f"{DIGITS}[validation=oracle]", "say which, with unseen=DOMAIN"),
        (f"{DIGITS}[unseen_test=heldout]", "say which, with unseen=DOMAIN"),
        (f"{DIGITS}[unseen=mnist,unseen_test=held]", "choose one of all, heldout"),
        (f"{DIGITS}[unseen=mnist,validation=mnist]", "'mnist' is unseen"),
        (f"{DIGITS}[unseen=mnist,validation=orcle]", "did you mean 'oracle'?"),
        (f"{DIGITS}[unseen=each,validation=mnist]", "'mnist' is unseen"),
        (
            f"{DIGITS}[unseen=[mnist,optdigits],validation=leave-one-domain-out]",
            "is the only domain that is not unseen",
        ),
        (f"{DIGITS}[unseen=[mnist,optdigits],validation=mnist-m]", "no domain to train on"),
        ("cifar10-lt[unseen=each]", "has one domain, 'cifar10'"),
        ("cifar10-lt[unseen=cifar10]", "has one domain, 'cifar10'"),
        ("image-folder[root=/nowhere,unseen=each]", "there is no folder /nowhere"),
        ("image-folder[root=/nowhere,unseen=a]", "there is no folder /nowhere"),
    ],
)
@pytest.mark.parametrize("command", [["run", "--algo", "erm", "--dataset"], ["data", "info"]])
def test_bad_input_is_one_sentence(dataset: str, message: str, command: list[str]) -> None:
    done = ltbench(*command, dataset)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert done.output.count("Error:") == 1
    assert "Traceback" not in done.output


def test_info_tells_the_counts_of_each_setting() -> None:
    done = ltbench("data", "info", f"{DIGITS}[unseen=each]", "--json")
    found = json.loads(done.stdout)
    assert [one["name"] for one in found] == [f"{DIGITS}[unseen={d}]" for d in DOMAINS]
    assert found[0]["counts"] == {
        "mnist-m": [417, 250, 0], "optdigits": [244, 250, 0], "mnist": [0, 0, 1167],
    }  # fmt: skip
    assert sum(found[0]["pairs"].values()) == 30
    one = ltbench("data", "info", f"{DIGITS}[unseen=mnist]", "--json")
    assert json.loads(one.stdout)["name"] == f"{DIGITS}[unseen=mnist]"


def test_what_data_commands_write_of_several_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = f"{DIGITS}[unseen=each]"
    assert ltbench("data", "verify", settings).output.count("no difference") == 3
    assert ltbench("data", "prepare", settings, "--no-decode").output.count("is there") == 3
    assert not ltbench("data", "plot", settings, "-o", "tail.png").exit_code
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        f"tail-unseen-{domain}.png" for domain in ("mnist-m", "mnist", "optdigits")
    ]


def test_the_plot_tells_shots_of_an_unseen_domain_by_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = []

    def drawn(*arguments: Any) -> Any:
        figure, frame = draw(*arguments)
        frames.append(frame)
        return figure, frame

    monkeypatch.setattr(figures, "draw", drawn)
    output = tmp_path / "unseen.png"
    assert not ltbench("data", "plot", f"{DIGITS}[unseen=mnist]", "-o", str(output)).exit_code
    shots = frames[0].set_index("domain").loc["mnist", "shots"]
    assert set(shots) == {"many", "medium"}


def test_every_setting_is_a_run_of_its_own(tmp_path: Path) -> None:
    done = ltbench(
        "run", "--algo", "erm", "--dataset", f"{DIGITS}[unseen=each]", "--seeds", "1",
        "--dry-run", "--json", "--out", str(tmp_path / "runs"), "--precision", "fp32",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert [one["dataset"] for one in found] == [f"{DIGITS}[unseen={d}]" for d in DOMAINS]
    assert len({one["hash"] for one in found}) == 3


def test_a_sweep_file_may_name_every_setting(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(
        f'algo = "erm"\ndataset = ["{DIGITS}[unseen=each,validation=oracle]"]\nseeds = 1\n'
        'precision = "fp32"\n'
    )
    done = ltbench("run", str(path), "--dry-run", "--json", "--out", str(tmp_path / "runs"))
    found = json.loads(done.stdout)
    assert [one["dataset"] for one in found] == [
        f"{DIGITS}[unseen={d},validation=oracle]" for d in DOMAINS
    ]


def test_plugins_info_lists_the_options() -> None:
    from ltbench.cli.plugins import plugins

    if "plugins" not in cli.commands:
        cli.add_command(plugins)
    (found,) = json.loads(ltbench("plugins", "info", DIGITS, "--json").stdout)
    assert [one["name"] for one in found["parameters"]] == [
        "data_seed", "unseen", "validation", "unseen_test",
    ]  # fmt: skip
