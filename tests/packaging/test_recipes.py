"""The Dockerfile's commands work as a script, and conda's recipe asks for what pyproject does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import jinja2
import pytest
from installed import CHECKOUT, environment, share_dependencies

import ltbench

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, each with its arguments."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.M))
    lines = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(word, rest) for word, rest in lines]


def test_the_base_is_an_argument_and_what_is_copied_makes_the_wheel():
    found = instructions()
    assert found[0] == ("ARG", "BASE=python:3.12-slim")
    assert found[1] == ("FROM", "${BASE}")
    known = {"ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in found} <= known
    copied = {path for word, rest in found if word == "COPY" for path in rest.split()[:-1]}
    assert all((CHECKOUT / path).exists() for path in copied)
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {Path(package).parts[0] for package in packages} <= copied
    entry = [json.loads(rest) for word, rest in found if word in ("ENTRYPOINT", "CMD")]
    assert entry == [["ltbench"], ["--help"]]


def expanded(text: str, variables: dict[str, str]) -> str:
    """Return text with its variables replaced, as Docker does in all instructions but RUN."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: variables.get(found[1], ""), text)


@pytest.mark.slow
def test_the_commands_of_the_dockerfile_install_a_working_ltbench(tmp_path):
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    variables = environment()
    given = {"PREFIX": str(tmp_path / "env"), "STATE": str(tmp_path / "state")}
    at, said = tmp_path, ""
    for word, rest in instructions():
        if word == "ARG":
            name, _, value = rest.partition("=")
            variables[name] = given.get(name, value)
        elif word == "ENV":
            name, _, value = rest.partition("=")
            variables[name] = expanded(value, variables)
        elif word == "WORKDIR":
            place = Path(expanded(rest, variables))
            at = place if place.is_relative_to(tmp_path) else tmp_path / place.relative_to("/")
            at.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy(CHECKOUT / source, at / target)
        elif word == "RUN":
            said = shell(rest, at, variables)
            if "-m venv" in rest:
                share_dependencies(tmp_path / "env")
    assert f"version {ltbench.__version__}" in said
    assert "digits-mini-mlt" in said
    assert (tmp_path / "state" / "cache").stat().st_mode & 0o777 == 0o777
    where = shell("python -c 'import ltbench; print(ltbench.__file__)'", tmp_path, variables)
    assert where.startswith(str(tmp_path / "env"))


def commands(words: str) -> str:
    """Return the command of the Dockerfile in which words stand."""
    (found,) = [rest for word, rest in instructions() if word == "RUN" and words in rest]
    return found


def called(command: str, folder: Path, *failing: str, **variables: str) -> tuple[list[str], bool]:
    """Run a command where every program only notes how it was called.

    Args:
        command: of the shell.
        folder: where the programs are put.
        failing: programs that fail.
        variables: of the environment.

    Returns:
        The calls, and whether the command succeeded.
    """
    notes = folder / "calls"
    for name in ("apt-get", "pip", "python3", "rm"):
        (folder / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >> "{notes}"\nexit {int(name in failing)}\n'
        )
        (folder / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-ec", command], env={"PATH": str(folder), **variables}, check=False
    )
    lines = notes.read_text().splitlines() if notes.exists() else []
    return lines, done.returncode == 0


def test_python_is_installed_where_the_base_has_none(tmp_path):
    command, asked = commands("apt-get"), "python3 -c import ensurepip, venv"
    assert called(command, tmp_path) == ([asked], True)
    (tmp_path / "calls").unlink()
    calls, succeeded = called(command, tmp_path, "python3")
    assert calls[:3] == [
        asked,
        "apt-get update",
        "apt-get install -y --no-install-recommends python3 python3-venv",
    ]
    assert [call.startswith("rm -rf /var/lib/apt/lists/") for call in calls[3:]] == [True]
    assert succeeded
    assert not called(command, tmp_path, "python3", "apt-get")[1]


def test_torch_comes_from_the_index_that_is_named(tmp_path):
    command, index = commands("TORCH_INDEX"), "https://download.pytorch.org/whl/cpu"
    assert called(command, tmp_path, TORCH_INDEX="") == ([], True)
    expected = f"pip install --no-cache-dir --index-url {index} torch torchvision"
    assert called(command, tmp_path, TORCH_INDEX=index) == ([expected], True)
    assert not called(command, tmp_path, "pip", TORCH_INDEX=index)[1]


def shell(command: str, at: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-ec", command], cwd=at, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target / source.name)


@pytest.fixture(scope="module")
def recipe() -> dict:
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the recipe")
    text = (CHECKOUT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(jinja2.Template(text).render(PYTHON="python"))


def test_conda_installs_what_pyproject_asks_for(recipe):
    project = PROJECT["project"]
    wanted = [f"python{project['requires-python']}", *project["dependencies"]]
    pairs = [re.fullmatch(r"([\w.-]+)(>=\S+)", one).groups() for one in wanted]
    expected = [f"{CONDA_NAMES.get(name, name)} {least}" for name, least in pairs]
    assert recipe["requirements"]["run"] == expected
    (backend,) = PROJECT["build-system"]["requires"]
    assert backend.replace(">=", " >=") in recipe["requirements"]["host"]


def test_conda_names_this_version_its_command_and_its_licence(recipe):
    project = PROJECT["project"]
    assert str(recipe["package"]["version"]) == ltbench.__version__
    assert recipe["build"]["entry_points"] == [
        f"{name} = {place}" for name, place in project["scripts"].items()
    ]
    assert recipe["about"]["license"] == project["license"]
    assert recipe["about"]["summary"] == project["description"]
    assert (CHECKOUT / recipe["about"]["license_file"]).is_file()
