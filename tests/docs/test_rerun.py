"""The script that types a page's commands again types all, in order, and stops at errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commands import ROOT

SCRIPT = ROOT / "docs" / "rerun.py"
PAGE = """# Page

    pytest --version

## First

Text with `ltbench run` in it.

```
$ ltbench --version
0.1
python -c 'open("made", "w").write(open("docs/faults.md").read()[:6])'
```

### Deeper

    ltbench run --algo erm \\
        --dataset nowhere

## Second

    ltbench run --algo …
"""


def rerun(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    page = folder / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    command = [sys.executable, str(SCRIPT), str(page), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ([], ["pytest --version", "ltbench --version", "python -c", "ltbench run --algo erm --"]),
        (["First"], ["ltbench --version", "python -c", "ltbench run --algo erm --dataset nowhere"]),
        (["Deeper"], ["ltbench run --algo erm --dataset nowhere"]),
    ],
)
def test_it_lists_what_is_written_out(tmp_path, heading, expected):
    found = rerun(tmp_path, *heading, "--list").stdout.splitlines()
    assert len(found) == len(expected)
    assert all(line.startswith(f"$ {text}") for line, text in zip(found, expected, strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


def test_it_types_them_in_a_folder_of_their_own_until_one_fails(tmp_path):
    ended = rerun(tmp_path, "First")
    assert ended.returncode == 1
    assert "ltbench, version" in ended.stdout
    assert (tmp_path / "rerun" / "page" / "made").read_text() == "# When"
    assert "nowhere" in ended.stderr
    assert ended.stderr.endswith("that ended with exit code 2\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["Second"], "no command is written out"), (["Third"], "there are Page, First, Deeper, Sec")],
)
def test_a_sentence_says_that_there_is_nothing(tmp_path, words, message):
    ended = rerun(tmp_path, *words)
    assert ended.returncode == 1
    assert message in ended.stderr


@pytest.mark.parametrize("page", ["brl.md", "algorithms/digits-mini.md", "algorithms/stages.md"])
def test_pages_of_results_say_where_they_come_from(page):
    command = [sys.executable, str(SCRIPT), str(ROOT / "docs" / page), "--list"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "$ ltbench run --" in found.replace("ltbench --plugin docs/brl_readings.py run", "")
