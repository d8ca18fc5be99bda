"""No name, path or error of others is obeyed by a terminal, whichever command prints it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ltbench.printable import PrintableStream, json_text, printable, styled
from ltbench.testing import write_run

HOSTILE = "\x1b[31mA\x1b]8;;http://evil\x1b\\B\x1b]0;C\x07\u202eD\rE\x9b2JF\u2066G\b"
ORDERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")
# What click and rich write of their own: styles, and the bars' cursor.
OWN = re.compile(r"\r?\x1b\[(?:[0-9;]*m|\?25[lh]|[12]?K\r?|[0-9]*[AG])")
KEPT = ("hash", "protocol_hash", "format", "seed", "status", "stage")

DRIVER = """
import json, sys
from ltbench.cli.main import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["ltbench", *words]
    print("\\n===", words[0], flush=True)
    try:
        main()
    except SystemExit as end:
        print("\\n--- ended with", end.code, flush=True)
"""


def poisoned(value: Any, key: str = "") -> Any:
    """Return a document with hostile text behind every name and sentence in it."""
    if isinstance(value, dict):
        return {name: poisoned(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, key) for item in value]
    return value + HOSTILE if isinstance(value, str) and key not in KEPT else value


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile") / "runs \x1b[31mred\x07"
    folders = [
        write_run(root, algo=algo, seed=seed, steps=50, per_class=2)
        for algo in ("erm", "boda")
        for seed in range(3)
    ]
    folders.append(write_run(root, algo="focal", error="failed", steps=50))
    for folder in folders:
        for name in ("spec", "result", "error"):
            path = folder / f"{name}.json"
            if path.exists():
                path.write_text(json.dumps(poisoned(json.loads(path.read_text()))))
    broken = write_run(root, algo=f"x{HOSTILE.replace('/', '')}", seed=1, steps=50)
    (broken / "spec.json").write_text("{")
    return root


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    root = tmp_path_factory.mktemp("hostile") / "images\x1b[32m"
    for name in ("a\x1b[31m", "b\u202e\r"):
        (root / name).mkdir(parents=True)
        for i in range(8):
            Image.new("RGB", (32, 32), (i, 9, 9)).save(root / name / f"{i}.png")
    (root / "a\x1b[31m" / "7\x1b[31m.png").write_bytes(b"no image")
    return root


def commands(runs: Path, images: Path) -> list[list[str]]:
    """Return words for every command that prints what others named."""
    folder, out = str(runs), str(runs.parent)
    first = str(next(runs.rglob("spec.json")).parent)
    failed = str(next(runs.rglob("error.json")).parent)
    root = f'image-folder[root="{images}"]'
    return [
        ["leaderboard", folder],
        ["leaderboard", folder, "--format", "json"],
        ["leaderboard", folder, "--format", "csv"],
        ["leaderboard", folder, "--format", "markdown"],
        ["leaderboard", folder, "--algo", HOSTILE],
        ["stats", folder, "--resamples", "20"],
        ["status", folder],
        ["status", folder, "--all"],
        ["show", first],
        ["show", failed],
        ["show", failed, "--traceback"],
        ["show", HOSTILE, "--out", folder],
        ["figures", "heatmap", folder, "-o", f"{out}/\x1b[31mx.png"],
        ["figures", HOSTILE, folder],
        ["tables", "backbones", folder],
        ["report", folder, "-o", f"{out}/\x1b[31mx.html", "--resamples", "0"],
        ["clean", folder, "--dry-run"],
        ["retry", folder, "--dry-run"],
        ["data", "info", root],
        ["data", "verify", root, "--images"],
        ["data", "info", HOSTILE],
        ["plugins", "info", HOSTILE],
        ["plugins", "check", HOSTILE],
        ["plugins", "list"],
        ["run", "--algo", HOSTILE, "--dataset", "digits-mini-mlt"],
        ["run", f"{HOSTILE}.toml"],
        ["tune", "--algo", HOSTILE, "--dataset", "digits-mini-mlt"],
        [HOSTILE],
    ]


def on_a_terminal(words: list[list[str]], env: dict[str, str], cwd: Path) -> str:
    """Return what commands show on a terminal."""
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(words)],
        env={**inherited, "TERM": "xterm", "LTBENCH_CACHE": str(cwd / "cache"), **env},
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=cwd,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # the last one closed it
        pass
    os.close(ours)
    process.wait()
    return seen.decode(errors="replace")


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_nothing_hostile_reaches_the_terminal(
    runs: Path, images: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    words = commands(runs, images)
    seen = on_a_terminal(words, env, tmp_path)
    assert seen.count("--- ended with") == len(words), seen[-3000:]
    assert "\x1b[31m" not in seen.replace("\x1b[31m✗", "")
    assert ("\x1b[1m" in seen) == (not env)
    left = seen if env else OWN.sub("", seen)
    found = [left[max(0, m.start() - 60) : m.end() + 20] for m in ORDERS.finditer(left)]
    assert found == []


def test_letters_of_all_languages_pass_and_orders_do_not() -> None:
    for text in ("Ärger, 名前", "ไทย", "नमस्ते", "a\tb\nc", "🙂‍↔️"):
        assert printable(text) == text
    for order in "\x1b\r\x07\b\x7f\x9b\u202e\u2067\u2028\ufeff\udc9b":
        assert printable(f"a{order}b") == "a?b"
    assert printable("a\r\nb") == "a\nb"


def test_json_loses_nothing() -> None:
    document = {"名前": [HOSTILE, "\U000e0041", "é"]}
    text = json_text(document, indent=1)
    assert json.loads(text) == document
    assert printable(text) == text
    assert "名前" in text


def test_a_bar_of_another_library_begins_its_line_again_and_a_name_does_not() -> None:
    inner = io.StringIO()
    stream = PrintableStream(inner, returns=True)
    for text in ("\r 5%", "\r 9%", "\n", "Error:", " ", "\rfine", "\n", "\rx\ry"):
        stream.write(text)
    assert inner.getvalue() == "\r 5%\r 9%\nError: ?fine\n\rx?y"
    with pytest.raises(TypeError):
        stream.write(b"")  # type: ignore[arg-type]


def test_a_style_of_our_own_passes_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for inner, shown in ((Terminal(), "\x1b[1ma?b\x1b[0m"), (io.StringIO(), "a?b")):
        stream = PrintableStream(inner)
        monkeypatch.setattr(sys, "stdout", stream)
        stream.write(styled("a\x1bb", bold=True))
        assert inner.getvalue() == shown
