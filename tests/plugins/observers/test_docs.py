"""docs/observers.md says what there is, and its example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from observed_runs import RESULT, make_spec

from ltbench.plugins.manager import Plugins, get_plugins

PAGE = Path(__file__).parents[3] / "docs" / "observers.md"


@pytest.fixture(scope="module")
def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documentation is not beside the tests")
    return PAGE.read_text()


def test_every_observer_and_setting_is_in_the_table(page):
    table = "\n".join(line for line in page.splitlines() if line.startswith("|"))
    for entry in get_plugins()["observers"]:
        if entry.distribution == "ltbench":
            assert f"`{entry.name}`" in table
            for name in entry.load().HParams.bounds():
                assert f"`{name}`" in table, (entry.name, name)


def test_the_example_leaves_a_note_where_a_run_failed(page, attempt):
    (source,) = re.findall(r'```python title="notes.py"\n(.*?)```', page, re.DOTALL)
    module = type("Module", (), {})()
    exec(compile(source, "notes.py", "exec"), vars(module))
    plugins = Plugins()
    plugins.add("notes", module, "notes.py", "1")
    observer = plugins["observers"].get("notes").load()
    sweep = attempt("lines")
    good, bad = sweep.run(), sweep.run(make_spec(1))
    with sweep.plugins.observing("notes", observer(observer.HParams())):
        good.finished(RESULT)
        bad.finished({"status": "failed", "error": "out of memory"})
    assert not (good.folder / "FAILED.txt").exists()
    assert (bad.folder / "FAILED.txt").read_text() == "boda[weight=0.5]: out of memory\n"
