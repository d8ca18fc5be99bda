"""Texts that nobody can see whole are refused where options are read."""

from __future__ import annotations

import pytest

from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.resolve import resolve
from ltbench.plugins.text import check_printable, check_typed, visible
from ltbench.results.protocol import Protocol

HIDDEN = ["a\nb", "a\rb", "\x1b[31m", "a\x00", "a\x85b", "a\u2028b", "a\u202eb", "a\udcffb", "\ta"]


@pytest.mark.parametrize("text", HIDDEN)
@pytest.mark.parametrize(
    ("kinds", "name", "key"),
    [
        ("executors", "slurm", "partition"),
        ("executors", "slurm", "account"),
        ("executors", "slurm", "qos"),
        ("executors", "slurm", "constraint"),
        ("executors", "ray", "address"),
        ("datasets", "image-folder", "root"),
        ("algorithms", "coral", "loss"),
        ("observers", "wandb", "project"),
    ],
)
def test_no_text_option_of_a_plugin_takes_them(kinds, name, key, text):
    with pytest.raises(UsageError, match="unprintable character U\\+") as refused:
        resolve(kinds, name, {key: text})
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("text", HIDDEN)
def test_no_setting_of_a_protocol_takes_them(text):
    with pytest.raises(UsageError, match="unprintable character"):
        Protocol.from_options({"augmentation": text}, "protocol")


def test_every_text_hyper_parameter_of_every_plugin_is_of_the_one_kind_that_is_checked():
    for kinds in ("algorithms", "stages", "datasets", "executors", "observers"):
        for entry in get_plugins()[kinds]:
            hparams = getattr(entry.load(), "HParams", None)
            for key, value in (hparams().as_dict() if hparams else {}).items():
                if isinstance(value, str):
                    with pytest.raises(UsageError, match="unprintable"):
                        hparams.from_options({key: "gpu\nrm -rf ~"}, entry.name)


@pytest.mark.parametrize(
    "text", ["", "données/moth (L.)", "写真　一", "نامه‌ها", "a\u00a0b", "🧑‍🔬"]
)
def test_what_people_write_passes(text):
    check_printable(text, "x")
    check_typed(text, "x")


def test_a_list_of_names_may_go_over_several_lines():
    check_typed("erm,\n  boda[weight=1,\n\ttemp=2]\n+crt\n", "x")
    with pytest.raises(UsageError, match="U\\+000A"):
        check_typed("runs\nrm", "x")


def test_what_is_shown_of_a_text_is_printable_and_short():
    assert visible("a\x1b[0m\n" + "x" * 999) == "a?[0m?" + "x" * 93 + "…"
