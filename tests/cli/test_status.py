"""``ltbench status``."""

from __future__ import annotations

import json
import os
import platform
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic_runs import write_run

from ltbench.cli.status import status
from ltbench.errors import UsageError

sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
from standing import abandon, holder, plan

HOST = platform.node()
DEAD = 2**22 + 5


def call(*arguments: object) -> str:
    result = CliRunner().invoke(status, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two done, three failed for one reason, one diverged, one broken off, two never begun."""
    for seed in range(2):
        write_run(tmp_path, seed=seed, arrays=False)
    for seed in range(3):
        write_run(tmp_path, algo="boda", seed=seed, error="failed")
    write_run(tmp_path, algo="boda", seed=3, error="diverged")
    begun = write_run(tmp_path, algo="brl", finished=False)
    abandon(begun)
    base = str(begun.relative_to(tmp_path).parent)
    command = ("ltbench", "run", "--algo", "brl[alpha=[1,2]]")
    names = [f"{base}/seed-{seed}" for seed in range(3)]
    plan(tmp_path, names, pid=DEAD, host=HOST, command=command)
    return tmp_path


def test_it_says_how_many_stand_how(runs):
    text = call(runs)
    assert "2 of 9 runs done, 2 waiting, 1 broken off, 3 failed, 1 diverged" in text
    rows = {
        line.split()[1]: line.split()[2:] for line in text.splitlines() if "digits-mini" in line
    }
    assert rows["erm"] == ["4", "2", "2", "·", "·", "·"]
    assert rows["boda"] == ["4", "·", "·", "·", "3", "1"]


def test_equal_reasons_are_one_line(runs):
    text = call(runs)
    assert "Failed\n  3 runs: RuntimeError: loss is NaN\n" in text
    assert "boda on digits-mini-mlt seed 0; boda on digits-mini-mlt seed 1" in text
    assert "Diverged\n  1 run: RuntimeError: loss is NaN\n" in text


def test_it_says_how_to_go_on(runs):
    text = call(runs)
    again = "ltbench run --algo 'brl[alpha=[1,2]]'"
    assert f"1 run broken off; go on with\n  {again}" in text
    assert f"2 runs waiting, and no command is at work on them; go on with\n  {again}" in text
    assert f"ltbench retry {runs}" in text


@pytest.mark.parametrize("command", [("rm", "-rf", "/"), ("ltbench", "retry", "runs"), ()])
def test_a_command_that_is_none_of_ours_or_would_not_help_is_not_recommended(tmp_path, command):
    folder = write_run(tmp_path, finished=False)
    name = str(folder.relative_to(tmp_path))
    plan(tmp_path, [name], pid=DEAD, host=HOST, command=command)
    text = call(tmp_path)
    assert "rm -rf" not in text
    assert f"ltbench retry {tmp_path} --status broken-off" in text


def test_a_sweep_at_work_has_a_rate_a_time_left_and_runs_in_progress(tmp_path):
    done = [write_run(tmp_path, seed=seed, arrays=False) for seed in range(3)]
    begun = write_run(tmp_path, seed=3, finished=False)
    line = {"stage": "erm", "step": 150, "val": {"macro_f1_average": 0.4567}, "seconds": 30}
    (begun / "log.jsonl").write_text(json.dumps(line) + "\n")
    base = done[0].parent.relative_to(tmp_path)
    names = [f"{base}/seed-{seed}" for seed in range(7)]
    plan(tmp_path, names, pid=os.getpid(), host=HOST)
    process = holder(begun)
    try:
        text = call(tmp_path)
        document = json.loads(call(tmp_path, "--json"))
    finally:
        process.kill()
        process.wait()
    assert "3 of 7 runs done, 1 running, 3 waiting" in text
    # 3 in a minute; 30 s of the one in progress and 3 times 44 s on two slots.
    assert "done a minute, about 1 min left" in text
    assert document["rate_per_minute"] == pytest.approx(3, rel=0.1)
    assert document["eta_s"] == pytest.approx(81, abs=0.1)
    standing = "erm on digits-mini-mlt seed 3: erm step 150 (50% of 300 steps)"
    assert f"{standing}, val macro_f1_average 0.457, process {process.pid}" in text


def test_without_grounds_it_says_so(tmp_path):
    record = plan(tmp_path, ["d/erm/abc/seed-0"], pid=os.getpid(), host=HOST)
    record.write_text(record.read_text().replace("40.0", "null"))
    assert "? done a minute, ? left" in call(tmp_path)


def test_json_has_everything(runs):
    document = json.loads(call(runs, "--json"))
    assert document["total"] == 9
    assert document["counts"] == {"done": 2, "running": 0, "waiting": 2, "broken-off": 1,
                                  "failed": 3, "diverged": 1, "unreadable": 0}  # fmt: skip
    assert {group["label"]: group["counts"]["failed"] for group in document["groups"]} == {
        "boda": 3, "brl": 0, "erm": 0
    }  # fmt: skip
    failed = [run for run in document["runs"] if run["state"] == "failed"]
    assert {run["reason"] for run in failed} == {"RuntimeError: loss is NaN"}
    assert document["sweeps"][0]["active"] is False
    assert document["rate_per_minute"] is None
    assert document["eta_s"] is None


def test_many_groups_show_those_that_are_not_done(tmp_path):
    for number in range(40):
        write_run(tmp_path, algo=f"method-{number}", arrays=False, error="failed" if number == 7
                  else None)  # fmt: skip
    text = call(tmp_path)
    assert "method-7 " in text
    assert "method-8 " not in text
    assert "and 39 all done (--all shows" in text
    assert "method-8 " in call(tmp_path, "--all")


def test_default_folder_and_folders_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no folder 'runs'.*ltbench run"):
        call()
    (tmp_path / "runs").mkdir()
    assert "There are no runs in runs" in call()
    write_run(tmp_path / "runs", arrays=False)
    assert "runs: 1 of 1 runs done" in call()


def test_no_control_characters_reach_the_terminal(tmp_path):
    evil = "\x1b[2J\x07\x9b31m\u202e"
    folder = write_run(tmp_path, label=f"erm{evil}", error="failed")
    (folder / "error.json").write_text(json.dumps({"status": "failed", "error": f"a{evil}\nb"}))
    begun = write_run(tmp_path, algo="brl", finished=False)
    line = {"stage": f"erm{evil}", "step": 5, "val": {f"x{evil}": 1}}
    (begun / "log.jsonl").write_text(json.dumps(line) + "\n")
    name = str(begun.relative_to(tmp_path))
    plan(tmp_path, [name], pid=DEAD, host=evil, command=("ltbench", "run", evil))
    torn = tmp_path / f"torn{evil}"
    torn.mkdir()
    (torn / "spec.json").write_text("{")
    text = call(tmp_path)
    assert text.replace("\n", "").isprintable()
    json.loads(call(tmp_path, "--json"))


@pytest.mark.parametrize("name", ["spec.json", "result.json", "error.json", "log.jsonl", "claim"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"step": {}}', b"[" * 100_000])
def test_torn_files_crash_nothing(tmp_path, name, content):
    write_run(tmp_path, arrays=False)
    folder = write_run(tmp_path, seed=1, finished=False)
    (folder / name).write_bytes(content)
    assert " of 2 runs done" in call(tmp_path)


def start(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ltbench", "status", *arguments]
    return subprocess.Popen(command, **options)  # type: ignore[call-overload]


def test_watch_prints_again_when_piped_and_ends_quietly(tmp_path):
    write_run(tmp_path, seed=0, arrays=False)
    process = start("--watch", "0.2", str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert b"1 of 1 runs done" in process.stdout.readline()
    write_run(tmp_path, seed=1, arrays=False)
    line = b""
    while b"2 of 2 runs done" not in line:
        line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (0, b"")


def test_watch_takes_no_folder_for_its_seconds(tmp_path):
    write_run(tmp_path, arrays=False)
    process = start("--watch", str(tmp_path), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert b"1 of 1 runs done" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_watch_draws_in_place_in_a_terminal(tmp_path):
    write_run(tmp_path, seed=0, arrays=False)
    ours, theirs = pty.openpty()
    process = start("--watch", "0.2", str(tmp_path), stdin=theirs, stdout=theirs, stderr=theirs,
                    env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "150"})  # fmt: skip
    os.close(theirs)
    seen, until = b"", time.monotonic() + 120
    while b"2 of 2 runs done" not in seen and time.monotonic() < until:
        if select.select([ours], [], [], 1)[0]:
            seen += os.read(ours, 65536)
        if b"1 of 1 runs done" in seen and not (tmp_path / "second").exists():
            (tmp_path / "second").touch()
            write_run(tmp_path, seed=1, arrays=False)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 0
    os.close(ours)
    assert b"2 of 2 runs done" in seen
    assert b"\x1b[" in seen  # the cursor goes up, so that the page is drawn over the last one


@pytest.mark.parametrize("words", [["status"], ["show", "erm", "--out"], ["clean", "--dry-run"]])
def test_nothing_heavy_is_imported(tmp_path, words):
    write_run(tmp_path, arrays=False)
    code = (
        "import sys\nfrom ltbench.cli.main import main\n"
        f"sys.argv = ['ltbench', *{words!r}, {str(tmp_path)!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end\n"
        "heavy = {'torch', 'pandas', 'scipy', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
