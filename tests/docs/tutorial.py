"""Reads a tutorial the way a reader does: writes its files, types its commands, compares output.

A fenced block with ``title="path"`` is a file. A ``console`` block holds commands after ``$ `` and,
below each, lines that its output must hold in this order; ``…`` stands for anything.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
LTBENCH = "import sys; sys.argv[0] = 'ltbench'; from ltbench.cli.main import main; main()"
IN_A_HURRY = {
    r"--steps \d+": "--steps 3 --jobs 1",
    "digits-mini-mlt": "tiny-mlt",
    "--seeds 5": "--seeds 2",
    "n = 5 seeds": "n = 2 seeds",
}
"""What the fast tests type in place of what stands on the page."""

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.M | re.S)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class File:
    """A file that the reader writes."""

    path: str
    text: str


@dataclass
class Command:
    """A line that the reader types, and what must stand in its output."""

    line: str
    output: list[str] = field(default_factory=list)


def read(page: Path) -> list[File | Command]:
    """Return the files and commands of a page, in its order."""
    steps: list[File | Command] = []
    for language, info, body in _FENCE.findall(page.read_text(encoding="utf-8")):
        if title := _TITLE.search(info):
            steps.append(File(title[1], body))
        elif language == "console":
            steps += _commands(body)
    return steps


def _commands(body: str) -> list[Command]:
    found: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:]))
        elif found[-1].line.endswith("\\") and not found[-1].output:
            found[-1].line = f"{found[-1].line[:-1]} {line.strip()}"
        elif line.strip():
            found[-1].output.append(line)
    return found


class Reader:
    """Follows a page in an empty folder, with nothing but ltbench installed.

    Args:
        folder: the reader's folder.
        hurried: replace what takes long by something small.
    """

    def __init__(self, folder: Path, *, hurried: bool) -> None:
        self.folder, self.site, self.hurried = folder, folder / ".site", hurried
        self.site.mkdir()

    def follow(self, step: File | Command) -> None:
        """Write the file, or type the command and compare what it prints.

        Raises:
            AssertionError: the command fails, or prints something else.
        """
        if isinstance(step, File):
            path = self.folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text, encoding="utf-8")
            return
        if step.line in ("pip install -e .", "pip install ."):
            self._install()
            return
        line = self._as_typed(step.line)
        done = self._type(line)
        assert done.returncode == 0, f"$ {line}\n{done.stdout}\n{done.stderr}"
        wanted = [self._as_typed(output) for output in step.output]
        missing = first_missing(wanted, done.stdout + done.stderr)
        assert missing is None, f"$ {line}\nlacks '{missing}' in\n{done.stdout}{done.stderr}"

    def _as_typed(self, text: str) -> str:
        for pattern, replacement in IN_A_HURRY.items() if self.hurried else ():
            text = re.sub(pattern, replacement, text)
        return text

    def _type(self, line: str) -> subprocess.CompletedProcess[str]:
        programs = {
            "ltbench": ["-c", LTBENCH],
            "pytest": ["-m", "pytest", "-p", "no:cacheprovider"],
        }
        words = shlex.split(line)
        if words[0] in programs:
            words[:1] = [sys.executable, *programs[words[0]]]
        paths = [str(self.site), str(self.folder), os.environ.get("PYTHONPATH", "")]
        return subprocess.run(
            words,
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "COLUMNS": "120",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def _install(self) -> None:
        """Leave what an installer leaves of a project whose modules lie in the reader's folder."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        name, version = project["name"], project["version"]
        info = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        points = project["entry-points"]["ltbench"].items()
        lines = [f"{key} = {value}" for key, value in points]
        (info / "entry_points.txt").write_text("\n".join(["[ltbench]", *lines, ""]))


def first_missing(wanted: list[str], printed: str) -> str | None:
    """Return the first line wanted that does not follow in what is printed, or nothing.

    An ``…`` within a line also stands for the place where the terminal's width broke it.
    """
    rest = "\n".join(" ".join(line.split()) for line in printed.splitlines())
    for line in wanted:
        pieces = [re.escape(" ".join(piece.split())) for piece in line.split("…")]
        if not any(pieces):
            continue
        pattern = r"[^\n]*?(?:\n[^\n]*?)??".join(pieces)
        found = re.search(f"^{pattern}$", rest, re.M)
        if found is None:
            return line
        rest = rest[found.end() :]
    return None
