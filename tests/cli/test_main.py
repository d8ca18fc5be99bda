from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

import ltbench


def python(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, check=False, env=os.environ
    )


@pytest.mark.parametrize("command", ["--help", "plugins list", "run --help", "data list"])
def test_light_commands_import_neither_torch_nor_pandas(command):
    code = (
        "import sys\nfrom ltbench.cli.main import main\n"
        f"sys.argv = ['ltbench', *{command.split()!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'scipy', 'timm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_help_takes_little_time():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert python("-m", "ltbench", "--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 0.6, "0.2 s when the machine is quiet; benchmarks/help_time.py measures it"


def test_the_module_is_the_command():
    assert (
        python("-m", "ltbench", "--version").stdout == f"ltbench, version {ltbench.__version__}\n"
    )


def test_an_unknown_command_gets_a_suggestion():
    done = python("-m", "ltbench", "rnu")
    assert done.returncode == 2
    assert "did you mean 'run'" in done.stderr


@pytest.mark.skipif(os.pathsep != ":", reason="paths are parted by another sign there")
def test_a_plugin_file_whose_path_cannot_be_passed_on_is_refused(tmp_path):
    file = tmp_path / "12:30" / "idea.py"
    file.parent.mkdir()
    file.write_text("")
    done = python("-m", "ltbench", "--plugin", str(file), "plugins", "list")
    assert done.returncode == 2
    assert f"Error: the plugin file '{file}' has ':' in its path" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize(
    "command",
    [
        (), ("run",), ("leaderboard",), ("plugins",), ("plugins", "list"),
        ("plugins", "info"), ("plugins", "new"), ("plugins", "check"), ("data",),
        ("data", "list"), ("data", "info"), ("data", "prepare"),
    ],
)  # fmt: skip
def test_every_help_has_examples(command):
    done = python("-m", "ltbench", *command, "--help")
    assert done.returncode == 0
    assert "Examples:" in done.stdout
