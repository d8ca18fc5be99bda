"""Installing what was built into a fresh environment, away from the checkout and the network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def built(folder: Path, kind: str, source: Path = CHECKOUT) -> Path:
    """Build a ``wheel`` or an ``sdist`` and return its file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (found,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return found


def environment(**more: str) -> dict[str, str]:
    """Return the environment without what tests put on Python's path; pip asks no network."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # Of pip's option --no-build-isolation the variable has the value turned round.
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "false"}
    return kept | offline | more


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def fresh(folder: Path) -> Path:
    """Make a virtual environment with pip and return its Python."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    return share_dependencies(folder)


def share_dependencies(folder: Path) -> Path:
    """Let a virtual environment import what ltbench depends on from this one, ltbench excepted.

    A path in a .pth file is searched, but .pth files there, an editable install's, are not read.
    """
    python = folder / "bin" / "python"
    scheme = {"base": str(folder), "platbase": str(folder)}
    own = Path(sysconfig.get_path("purelib", vars=scheme))
    shared = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (own / "dependencies.pth").write_text("".join(f"{path}\n" for path in shared))
    return python
