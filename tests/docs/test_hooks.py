"""Each hook is specified, documented where a reader meets it, and called by the program."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys

import pytest
import reference
from tutorial import TUTORIALS, File, read

HOOKS = reference.hooks()

RECORDER = """
import json, os
from ltbench import hookimpl

def note(hook, **arguments):
    with open(os.environ["RECORD"], "a") as file:
        print(json.dumps([hook, list(arguments)]), file=file)
"""
RECORD_ONE = """
@hookimpl
def {name}({arguments}):
    note("{name}", {passed})
"""


@pytest.mark.parametrize("hook", HOOKS)
def test_a_tutorial_implements_it_in_code_that_is_run(hook):
    files = [s for page in TUTORIALS.glob("*.md") for s in read(page) if isinstance(s, File)]
    assert any(f"def {hook}(" in file.text for file in files)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_reference_has_its_arguments_and_what_it_is_for(hook):
    page = reference.pages()["hooks.md"]
    arguments = ", ".join(inspect.signature(HOOKS[hook]).parameters)
    assert f"def {hook}({arguments})" in page
    assert HOOKS[hook].__doc__


@pytest.fixture(scope="module")
def called(tmp_path_factory) -> dict[str, set[str]]:
    """Return the hooks that a sweep of one run calls, with the names of their arguments."""
    folder = tmp_path_factory.mktemp("recorder")
    source = RECORDER
    for name, hook in HOOKS.items():
        arguments = list(inspect.signature(hook).parameters)
        passed = ", ".join(f"{a}={a}" for a in arguments)
        source += RECORD_ONE.format(name=name, arguments=", ".join(arguments), passed=passed)
    (folder / "recorder.py").write_text(source)
    record = folder / "record.jsonl"
    line = "--plugin recorder.py run --algo erm --dataset tiny-mlt --seeds 1 --device cpu -q"
    subprocess.run(
        [sys.executable, "-m", "ltbench", *line.split()],
        cwd=folder,
        env={**os.environ, "RECORD": str(record)},
        check=True,
        capture_output=True,
    )
    lines = [json.loads(text) for text in record.read_text().splitlines()]
    return {hook: set(arguments) for hook, arguments in lines}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_sweep_calls_it_with_all_its_arguments(hook, called):
    assert hook in called, f"{hook} was never called"
    assert called[hook] == set(inspect.signature(HOOKS[hook]).parameters)
