"""``ltbench --verbose`` says what is done, in every process of a command; without it nothing is."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ltbench.data.fetch import Source, fetch
from ltbench.errors import DataError
from ltbench.results.claim import acquire
from ltbench.results.process import Process
from ltbench.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

LINE = re.compile(r"\d\d:\d\d:\d\d (\d+) (INFO|DEBUG) (ltbench[\w.]*): (.+)")
RUN = (
    "run --algo erm --dataset tiny-mlt --seeds 1 --steps 4 --device cpu --precision fp32 "
    "--no-leaderboard -q"
)


def ltbench(*args: str, **more: str) -> str:
    """Return what a command says on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "ltbench", *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **more},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def logged(stderr: str) -> list[tuple[str, str, str, str]]:
    """Return process, level, logger and message of every line; there are no others."""
    matches = [LINE.fullmatch(line) for line in stderr.splitlines()]
    assert all(matches), stderr
    return [match.groups() for match in matches if match]


def test_nothing_is_said_that_was_not_asked_for():
    assert ltbench("plugins", "list") == ""


@pytest.mark.parametrize("asked", ["-v", "--verbose"])
def test_one_says_which_plugins_there_are(asked):
    ((_, level, logger, message),) = logged(ltbench(asked, "plugins", "list"))
    assert (level, logger) == ("INFO", "ltbench.plugins.manager")
    assert {"core", "longtail", "domains"} <= set(re.split(r"[ ,:]+", message))


def test_two_say_what_each_plugin_brings():
    lines = logged(ltbench("-vv", "plugins", "list"))
    assert any("ldam" in message for _, level, _, message in lines if level == "DEBUG")


def test_the_environment_asks_as_well():
    assert len(logged(ltbench("plugins", "list", LTBENCH_VERBOSE="1"))) == 1
    assert len(logged(ltbench("plugins", "list", LTBENCH_VERBOSE="2"))) > 1
    assert ltbench("plugins", "list", LTBENCH_VERBOSE="0") == ""


def test_a_broken_plugin_shows_where_it_broke(tmp_path):
    (tmp_path / "broken.py").write_text("raise RuntimeError('no such luck')")
    file = str(tmp_path / "broken.py")
    assert "line 1, in <module>" in ltbench("-v", "--plugin", file, "plugins", "list")
    assert "line 1, in <module>" not in ltbench("--plugin", file, "plugins", "list")


def test_worker_processes_say_what_they_do(tmp_path):
    folders = {"LTBENCH_CACHE": str(tmp_path / "cache")}
    lines = logged(ltbench("-v", *RUN.split(), "--out", str(tmp_path / "runs"), **folders))
    (first, *_), said = lines[0], {}
    for process, _, logger, message in lines:
        said.setdefault((process == first, logger), []).append(message)
    assert re.match(r"decoding \d+ images of tiny-mlt", said[True, "ltbench.data.store"][0])
    assert said[False, "ltbench.results.claim"][0].startswith(f"claimed {tmp_path}")
    quiet = ltbench(*RUN.split(), "--out", str(tmp_path / "others"), **folders)
    assert "claimed" not in quiet


def test_other_packages_details_are_left_out():
    code = (
        "import ltbench, logging\n"
        "logging.getLogger('PIL.PngImagePlugin').debug('a chunk')\n"
        "logging.getLogger('PIL.PngImagePlugin').info('a picture')\n"
        "logging.getLogger('ltbench_datasets.cifar').debug('a detail')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LTBENCH_VERBOSE": "2"},
    )
    messages = [line.rpartition(": ")[2] for line in done.stderr.splitlines()]
    assert messages == ["a picture", "a detail"]


def test_a_claim_that_is_taken_over_says_from_whom(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    claim = acquire(tmp_path)
    monkeypatch.setattr(Process, "is_gone", lambda self: True)
    with acquire(tmp_path):
        (first, second) = caplog.messages
    assert first == f"claimed {tmp_path}"
    assert second == f"claimed {tmp_path}, taken over from process {os.getpid()} on " + (
        Process.current().host
    )
    claim.release()


def test_a_run_that_resumes_says_where(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / "latest.pt"
    save_checkpoint(path, Checkpoint(threads=1, stage=1, step=30))
    assert load_checkpoint(path) is not None
    path.write_bytes(b"torn")
    assert load_checkpoint(path) is None
    on, anew = caplog.messages
    assert on == f"going on at step 30 of stage 2 from {path}"
    assert anew.startswith(f"{path} cannot be read, so the run begins anew")


def test_a_download_says_what_it_asks_for(tmp_path: Path, caplog):
    caplog.set_level(logging.INFO)
    url = "http://127.0.0.1:1/nobody-listens"
    with pytest.raises(DataError):
        fetch(Source("digits.gz", (url,)), tmp_path, lambda line: None)
    assert caplog.messages[0] == f"asking {url} for digits.gz from byte 0 on"
    assert sum("broke off" in message for message in caplog.messages) == 2
