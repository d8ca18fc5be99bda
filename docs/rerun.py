"""Types again what the results on a page came from: ``python docs/rerun.py docs/brl.md``.

Tests type the commands whose output a page prints below them. Results that take hours to train are
typed again by this, in the page's order and in a folder of their own, where runs that are done are
done; what comes is to be held beside the page. A heading picks one section, ``--list`` only lists.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```\w*\n(.*?)^```$|((?:^    [^\n]*\n)+)", re.M | re.S)
_COMMAND = re.compile(r"(?:\w+=\S+ )*(?:nice -n \d+ )?(?:ltbench|python|pytest) .*")


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, down to the next one that is no deeper.

    Raises:
        SystemExit: there is no such heading.
    """
    parts = re.split(r"^(#+) (.*)$", text, flags=re.M)
    for place in range(1, len(parts), 3):
        if parts[place + 1].strip() == heading:
            rest = zip(parts[place + 3 :: 3], parts[place + 5 :: 3], strict=True)
            below = [parts[place + 2]]
            for depth, content in rest:
                if len(depth) <= len(parts[place]):
                    break
                below.append(content)
            return "".join(below)
    raise SystemExit(f"there is no heading '{heading}': there are {', '.join(parts[2::3])}")


def commands(text: str) -> list[str]:
    """Return the commands of the code blocks in a text that are written out, each on one line."""
    blocks = [fenced or indented for fenced, indented in _BLOCK.findall(text)]
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    typed = [line.strip().removeprefix("$ ") for line in lines]
    return [line for line in typed if _COMMAND.fullmatch(line) and "…" not in line]


def main() -> None:
    """List the commands, or type them one after another until one fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("heading", nargs="?", help="of the section; all of the page without it")
    parser.add_argument("--list", action="store_true", help="only list the commands")
    parser.add_argument("--folder", type=Path, help="where (default: rerun/NAME-OF-THE-PAGE)")
    given = parser.parse_args()
    text = given.page.read_text(encoding="utf-8")
    found = commands(section(text, given.heading) if given.heading else text)
    if not found:
        raise SystemExit(f"{given.page}: no command is written out in a code block")
    folder = given.folder or Path("rerun", given.page.stem)
    if not given.list:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("benchmarks", "docs", "examples", "leaderboards", "tests"):
            if not (folder / name).exists():  # commands name files of the project
                (folder / name).symlink_to(ROOT / name)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs}
    for command in found:
        print(f"$ {command}", flush=True)
        if not given.list:
            ended = subprocess.run(command, shell=True, check=False, cwd=folder, env=environment)
            if ended.returncode:
                raise SystemExit(f"that ended with exit code {ended.returncode}")


if __name__ == "__main__":
    main()
