"""What a shell offers after TAB."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from synthetic_runs import write_run

from ltbench.cli import main
from ltbench.cli.completion import plugin_completer
from ltbench.cli.main import COMMANDS, COMPLETION, cli
from ltbench.plugins.manager import get_plugins


@pytest.fixture(scope="module", autouse=True)
def _commands():
    for name in COMMANDS:
        main.importlib.import_module(f"ltbench.cli.{name}").ltbench_commands(cli)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for algo, label in (("erm", None), ("boda", "boda[weight=0.5]")):
        write_run(folder / "runs", algo=algo, label=label, arrays=False)
    return folder


@pytest.fixture
def offered(runs, monkeypatch):
    monkeypatch.chdir(runs)

    def offered(line: str) -> list[str]:
        *words, incomplete = line.split(" ")
        complete = ShellComplete(cli, {}, "ltbench", COMPLETION)
        items = complete.get_completions(words, incomplete)
        assert all(item.type == "plain" for item in items)
        return [item.value for item in items]

    return offered


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("ru", ["run"]),
        ("run --algo bod", ["boda"]),
        ("run --algo BOD", ["boda"]),
        ("run --algo erm,bcl,bod", ["erm,bcl,boda"]),
        ("run --algo boda+cr", ["boda+crt"]),
        ("run --algo erm,boda+cr", ["erm,boda+crt"]),
        ("run --algo posth", ["posthoc-la"]),
        ("run --algo erm@em", ["erm@ema"]),
        ("run --algo erm@sam@swa", ["erm@sam@swa", "erm@sam@swad"]),
        ("run --algo erm@ema+cr", ["erm@ema+crt"]),
        ("run --algo brl[alp", []),
        ("run --dataset pacs-mlt,vlc", ["pacs-mlt,vlcs-mlt"]),
        ("run --dataset tiny-mlt --protocol lon", ["long"]),
        ("run --protocol digits-min", ["digits-mini", "digits-mini-full", "digits-mini-lt"]),
        ("run --backbone digits", ["digits-cnn", "digits-cnn-narrow"]),
        ("run --backbone vit_tiny_patch16_224", ["vit_tiny_patch16_224"]),
        ("run --preprocessing imag", ["imagenet"]),
        ("run --executor sl", ["slurm"]),
        ("run --augmentation rand", ["randaugment", "random-erasing"]),
        ("run --augmentation crop-flip>cutm", ["crop-flip>cutmix"]),
        ("run --observer csv,tens", ["csv,tensorboard"]),
        ("tune --algo bod", ["boda"]),
        ("figures viol", ["violin"]),
        ("tables abl", ["ablation"]),
        ("plugins info posthoc", ["posthoc-la"]),
        ("plugins check violi", ["violin"]),
        ("data info tiny", ["tiny-mlt"]),
        ("data cache clear vlc", ["vlcs-mlt"]),
        ("leaderboard --algo e", ["erm"]),
        ("leaderboard runs --algo erm,b", ["erm,boda", "erm,boda[weight=0.5]"]),
        ("leaderboard --reference er", ["erm"]),
        ("leaderboard --dataset dig", ["digits-mini-mlt"]),
        ("stats --metrics accuracy_worst,accuracy_av", ["accuracy_worst,accuracy_average"]),
        ("report --protocol digits", ["digits-mini-mlt"]),
        ("clean --algo er", ["erm"]),
        ("retry --dataset dig", ["digits-mini-mlt"]),
        ("show er", ["erm"]),
        ("show --out runs bod", ["boda[weight=0.5]"]),
        ("show erm --dataset d", ["digits-mini-mlt"]),
        ("show erm --per-class --domain mn", ["mnist", "mnist-m"]),
        ("show erm --per-class --domain mnist,o", ["mnist,optdigits"]),
        ("show erm --per-class --domain e", ["each"]),
        ("rumm --al", []),
        ("tables ablatoin --al", []),
    ],
)
def test_names_that_go_on_from_what_was_typed(offered, line, names):
    found = offered(line)
    if line.startswith("stats"):  # other tests register metrics of their own
        found = [name for name in found if "pair" not in name]
    assert found == names


def test_every_registered_name_is_offered_with_its_summary(monkeypatch):
    kinds = ("algorithms", "stages", "datasets")
    items = plugin_completer(*kinds)(click.Context(cli), cli.params[0], "")
    summaries = {item.value: item.help for item in items}
    for kind in kinds:
        for entry in get_plugins()[kind]:
            assert summaries[entry.name] == (entry.summary or None)


def test_a_run_is_found_by_its_hash(offered, runs):
    (folder,) = runs.glob("runs/*/erm/*")
    assert offered(f"show {folder.name[:6]}") == [folder.name]


def test_where_no_run_is_meant_the_shell_completes_a_folder(runs, monkeypatch):
    monkeypatch.chdir(runs)
    complete = ShellComplete(cli, {}, "ltbench", COMPLETION)
    (item,) = complete.get_completions(["show"], "runs/dig")
    assert item.type == "dir"


def test_what_cannot_be_read_offers_nothing(offered, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert offered("leaderboard --algo e") == []
    monkeypatch.setattr("ltbench.cli.completion.get_plugins", lambda: 1 / 0)
    assert offered("run --algo e") == []


@pytest.fixture
def shell(runs, tmp_path):
    """Return a function that has bash complete a line, with ``ltbench`` as a program."""
    program = tmp_path / "bin" / "ltbench"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nfrom ltbench.cli.main import main\n\nmain()\n", encoding="utf-8"
    )
    program.chmod(0o755)

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        words = " ".join(map(shlex.quote, line.split(" ")))
        script = (
            f'eval "$({COMPLETION}=bash_source ltbench)"\n'
            f"COMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
            '_ltbench_completion ltbench\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        return subprocess.run(
            ["bash", "--norc", "-c", script],
            cwd=runs,
            env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    return shell


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("ltbench run --algo erm,bod", ["erm,boda"]),
        ("ltbench run --backbone vit_tiny_patch16_224", ["vit_tiny_patch16_224"]),
        ("ltbench leaderboard runs --algo bod", ["boda", "boda[weight=0.5]"]),
        ("ltbench figures violi", ["violin"]),
    ],
)
def test_bash_is_answered_within_a_second_of_cpu(shell, line, names):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = shell(line)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.stdout.split("\n")[:-1], done.stderr) == (names, "")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 2.0, "two processes of 0.2 s: one says how bash asks, one answers"


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(kind):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'ltbench'; "
         "from ltbench.cli.main import main; main()"],
        env={**os.environ, COMPLETION: f"{kind}_source"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{COMPLETION}={kind}_complete" in done.stdout


def test_a_broken_plugin_does_not_speak_into_the_line_that_is_typed(tmp_path):
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken')\n")
    code = "import sys; sys.argv[0] = 'ltbench'; from ltbench.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ, COMPLETION: "bash_complete", "COMP_WORDS": "ltbench run --algo er",
            "COMP_CWORD": "3", "LTBENCH_PLUGIN_PATH": str(tmp_path / "broken.py"),
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("plain,erm\n", "")
