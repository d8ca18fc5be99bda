"""A Python environment of its own that has what the tests' environment has, at no cost.

torch and its libraries take 5 GB. Instead of installing them again, the environment's site-packages
name the running environment's as a further place to look in, so that ltbench is there as it was
installed (under tox: from its wheel) and what a test installs is nowhere else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest


class FreshEnvironment:
    """An environment in ``folder`` in which projects are installed and commands run."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("uv", reason="uv installs into the fresh environment")
        pytest.importorskip("hatchling", reason="hatchling builds the projects")
        pytest.importorskip("editables", reason="hatchling makes editable installs with it")
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        scheme = {"base": str(folder), "platbase": str(folder)}
        own = Path(sysconfig.get_path("purelib", vars=scheme))
        shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(shared)]
        (own / "the-tests-environment.pth").write_text("".join(lines))

    def install(self, project: Path, *, editable: bool = False) -> None:
        """Install a project as ``pip install`` does, with the build backend that is there."""
        self._uv("install", "--no-deps", "--no-build-isolation", *["-e"] * editable, str(project))

    def uninstall(self, distribution: str) -> None:
        """Take a distribution away again."""
        self._uv("uninstall", distribution)

    def run(self, *command: str, cwd: Path, code: int = 0, **env: str) -> str:
        """Run ``python -m command`` and return what it printed."""
        done = subprocess.run(
            [str(self.python), "-m", *command],
            cwd=cwd,
            env={**_environment(), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def _uv(self, command: str, *arguments: str) -> None:
        options = ["--offline", "--quiet", "--python", str(self.python)]
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", command, *options, *arguments],
            env=_environment(),
            check=True,
        )


def _environment() -> dict[str, str]:
    """Return the environment without what the other tests have put on Python's path."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
