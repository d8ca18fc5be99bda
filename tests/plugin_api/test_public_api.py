"""``ltbench.api`` is all that plugins need; the first-party ones import nothing else of ltbench."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ltbench.plugins
from ltbench import api, testing

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(ROOT.glob("plugins/*/**/*.py"))
TEMPLATES = sorted((Path(ltbench.plugins.__file__).parent / "templates").rglob("*.j2"))
FOR_OTHERS = {  # what only third parties have use for so far
    "DivergedError",  # an algorithm may say itself that it left the finite numbers
    "FeaturePass",  # what Training.pass_over returns, for annotations
    "Job",  # what an executor is given, for annotations
    "MixedLabels",  # what Batch.mixed holds, for annotations
    "RegisterMetric",  # what the hook for metrics is given, for annotations
}
TUTORIALS = sorted(ROOT.glob("docs/tutorials/*.md"))
PUBLIC = {"ltbench.api", "ltbench:hookimpl"}
FOR_TESTS = PUBLIC | {"ltbench.testing"}


def imports(source: str) -> Iterator[str]:
    """Yield what Python code imports of ltbench, wherever it does so, ``module`` by ``module``.

    Of ``ltbench`` itself every name counts, for it may be a module: ``ltbench:name``.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "ltbench":
            yield from (f"ltbench:{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from filter(_of_ltbench, [node.module or ""])
        elif isinstance(node, ast.Import):
            yield from filter(_of_ltbench, (alias.name for alias in node.names))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^(ltbench\.[\w.]+)(?::\w+)?$", node.value)  # a lazy import's


def _of_ltbench(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == "ltbench"


def tutorial_code(page: Path) -> str:
    """Return the code of the files that a tutorial has its reader write."""
    return "\n".join(re.findall(r"^```python[^\n]*\n(.*?)^```", page.read_text(), re.M | re.S))


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT / "plugins")))
def test_a_first_party_plugin_imports_the_api_only(path):
    allowed = FOR_TESTS if "tests" in path.parts else PUBLIC
    assert set(imports(path.read_text(encoding="utf-8"))) <= allowed


def test_every_first_party_package_is_looked_at():
    packages = {path.relative_to(ROOT / "plugins").parts[0] for path in PLUGINS}
    assert {
        "example",
        "ltbench_baselines",
        "ltbench_observers",
        "ltbench_datasets",
        "ltbench_figures",
        "ltbench_tables",
    } <= packages
    assert packages == {path.name for path in ROOT.glob("plugins/*") if any(path.rglob("*.py"))}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_new_plugin_project_imports_the_api_only(path):
    lines = re.findall(r"^\s*((?:from|import) ltbench\b.*)$", path.read_text(), re.M)
    assert set(imports("\n".join(lines))) <= FOR_TESTS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_imports_the_api_only(path):
    assert set(imports(tutorial_code(path))) <= FOR_TESTS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n    from ltbench.results.run import RunSpec", "ltbench.results.run"),
        (
            "if TYPE_CHECKING:\n    import ltbench.plugins.hookspecs as h",
            "ltbench.plugins.hookspecs",
        ),
        ("from ltbench import results", "ltbench:results"),
        ("import ltbench", "ltbench"),
        ("importlib.import_module('ltbench.data.fetch')", "ltbench.data.fetch"),
        ("register('x', 'ltbench.models.named:resnet')", "ltbench.models.named"),
    ],
)
def test_an_import_of_something_else_is_found_wherever_it_stands(source, found):
    assert list(imports(source)) == [found]
    assert found not in FOR_TESTS


def test_every_name_of_the_api_has_a_user():
    used: set[str] = set()
    for source in (path.read_text(encoding="utf-8") for path in PLUGINS + TEMPLATES + TUTORIALS):
        used |= set(re.findall(r"\w+", source))
    assert set(api.__all__) - FOR_OTHERS <= used


@pytest.mark.parametrize("module", [api, testing], ids=lambda module: module.__name__)
def test_every_name_is_there_and_is_explained(module):
    assert len(module.__all__) == len(set(module.__all__)) > 20
    for name in module.__all__:
        value = getattr(module, name)
        assert name in dir(module)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name


def test_type_checkers_are_told_of_each_name_by_itself():
    """Without the alias they take an imported name for private."""
    for module in (api, testing):
        tree = ast.parse(inspect.getsource(module))
        aliases = [a for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names]
        public = {alias.name for alias in aliases if alias.asname == alias.name}
        assert public == set(module.__all__)


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'ltbench.api' has no attribute 'Nonsense'"):
        _ = api.Nonsense


def test_a_star_imports_all_of_it():
    names: dict[str, object] = {}
    exec("from ltbench.api import *", names)
    assert set(api.__all__) <= set(names)


def test_data_sets_and_observers_do_not_wait_for_torch():
    code = (
        "import sys\n"
        "from ltbench.api import (Dataset, HParams, Observer, Register, RunSpec, Split,\n"
        "    class_sizes, fetch_sources, hold_out, hookimpl, read_image, read_runs)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
