"""Source distribution and wheel are what an index takes, and work away from the checkout."""

from __future__ import annotations

import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from installed import CHECKOUT, built, fresh, run

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    pytest.importorskip("hatchling", reason="hatchling builds them")
    folder = tmp_path_factory.mktemp("dist")
    return built(folder, "sdist"), built(folder, "wheel")


def test_an_index_takes_them(files):
    pytest.importorskip("twine", reason="twine checks them")
    said = run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=files[0].parent)
    assert said.count("PASSED") == 2


def test_a_wheel_of_the_source_distribution_has_the_same_files(files, tmp_path):
    sdist, wheel = files
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    again = built(tmp_path / "dist", "wheel", source)
    contents = [zipfile.ZipFile(path) for path in (wheel, again)]
    sums = [{entry.filename: entry.CRC for entry in one.infolist()} for one in contents]
    assert sums[0] == sums[1]
    for name in ("Dockerfile", "conda/meta.yaml", "CHANGELOG.md", "LICENSE", "docs/versions.md"):
        assert (source / name).is_file()


def test_every_package_says_that_it_is_typed(files):
    names = zipfile.ZipFile(files[1]).namelist()
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    for package in packages:
        assert f"{Path(package).name}/py.typed" in names


CONSUMER = """\
from pathlib import Path

import ltbench
from ltbench.api import Algorithm, Split
from ltbench_longtail.focal import Focal

split: Split = Split.from_rows([("a.png", 0, 0, "train")], shape=(1, 2))
wrong: str = len(split)
known: type[Algorithm] = Focal
reveal_type(split.sha256)
run = ltbench.load("runs", Path())[0]
run.predict(Path())
run.predict(3)
reveal_type(run)
reveal_type(ltbench.run(["erm"], "digits-mini-mlt", seeds=2).failed)
ltbench.load(3)
"""


IMPORTS = "import ltbench, ltbench_longtail; print(ltbench, ltbench_longtail)"


@pytest.mark.slow
def test_installed_away_it_runs_and_is_typed(files, tmp_path):
    python = fresh(tmp_path / "env")
    # What this environment lends may hold this version of ltbench, and pip would do nothing.
    run(python, "-m", "pip", "install", "--ignore-installed", files[1], cwd=tmp_path)
    where = run(python, "-c", IMPORTS, cwd=tmp_path)
    assert where.count(str(tmp_path / "env")) == 2
    assert "digits-mini-mlt" in run(python.with_name("ltbench"), "data", "list", cwd=tmp_path)

    pytest.importorskip("mypy", reason="mypy reads the types")
    (tmp_path / "consumer.py").write_text(CONSUMER)
    mypy = [sys.executable, "-P", "-m", "mypy", "--python-executable", str(python)]
    with pytest.raises(AssertionError) as failed:
        run(*mypy, "--strict", "--cache-dir", tmp_path / "cache", "consumer.py", cwd=tmp_path)
    lines = [line for line in str(failed.value).splitlines() if "consumer.py:" in line]
    expected = [
        'expression has type "int", variable has type "str"',
        r'Revealed type is "(builtins\.)?str"',
        'Argument 1 to "predict" of "Run" has incompatible type "int"',
        r'Revealed type is "ltbench\.python\.run\.Run"',
        r'Revealed type is "ltbench\.python\.runs\.Runs"',
        'Argument 1 to "load" has incompatible type "int"',
    ]
    assert len(lines) == len(expected), failed.value
    for line, words in zip(lines, expected, strict=True):
        assert re.search(words, line), line
