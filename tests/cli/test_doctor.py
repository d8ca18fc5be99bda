from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from ltbench.cli.doctor import doctor
from ltbench.cli.plugins import plugins
from ltbench.executors import measured
from ltbench.executors.measured import Answer, Question
from ltbench.executors.processor import processor
from ltbench.results.arithmetic import EVERY


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))


def typed(*words):
    command = {"doctor": doctor, "plugins": plugins}[words[0]]
    done = CliRunner().invoke(command, words[1:])
    assert done.exit_code == 0, done.output
    return done.output


def keep(backbone="digits-cnn", images=128, own=None):
    question = Question(
        own or processor().key, "cpu", "2.15.0", 2, backbone, (3, 28, 28), images, "adam", 0.0,
        tuple(map(str, EVERY)),
    )  # fmt: skip
    ratios = dict(zip(EVERY, (1.0, 0.88, 1.44, 1.5), strict=True))
    measured.keep(Answer(question, 32, 1, {way: 0.25 * r for way, r in ratios.items()}, ratios))


def test_the_machine_is_shown_without_torch():
    code = (
        "import sys\nfrom ltbench.cli.main import main\nsys.argv = ['ltbench', 'doctor']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert processor().name in " ".join(done.stdout.split())  # a long one is folded
    assert "No network was measured here yet." in done.stdout


def test_what_was_measured_here_is_shown_with_the_choice():
    keep()
    keep("other-net", images=32)
    keep("of-another-machine", own="another")
    text = typed("doctor")
    assert "of-another-machine" not in text
    rows = [line.split() for line in text.splitlines()]
    assert [
        "digits-cnn",
        "32",
        "of",
        "128",
        "1",
        "of",
        "2",
        "fp32",
        "contiguous",
        "250.0",
        "1.00",
    ] in rows
    assert ["fp32", "channels-last", "220.0", "0.88", "chosen"] in rows
    assert ["bf16", "contiguous", "360.0", "1.44"] in rows
    assert any(row[:2] == ["other-net", "32"] for row in rows)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_json_has_all_of_it():
    keep()
    document = json.loads(typed("doctor", "--json"))
    assert document["processor"] == processor().name
    (found,) = document["measured"]
    assert found["choice"] == "fp32 channels-last"
    assert found["seconds"]["bf16 contiguous"] == pytest.approx(0.36)
    assert (found["images"], found["images_measured"]) == (128, 32)


def test_what_was_measured_can_be_forgotten():
    keep()
    assert "Forgot 1 measurement.\n" in typed("doctor", "--forget")
    assert not measured.known(processor().key)
    assert json.loads(typed("doctor", "--forget", "--json"))["measured"] == []


def test_a_network_says_how_fast_it_trains_here():
    assert "How fast" not in typed("plugins", "info", "digits-cnn")
    keep()
    text = typed("plugins", "info", "digits-cnn")
    assert "How fast it trains here" in text
    assert "chosen" in text
    (found,) = json.loads(typed("plugins", "info", "digits-cnn", "--json"))
    assert found["measured"][0]["choice"] == "fp32 channels-last"
    assert "How fast" not in typed("plugins", "info", "digits-cnn-narrow")
    assert "How fast" not in typed("plugins", "info", "erm")
