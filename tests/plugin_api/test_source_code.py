"""An edit wherever a plugin's result may depend on it changes its digits, and nothing else."""

from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ltbench.plugins.source_code import folder_sha256, source_sha256

FILES = {
    "idea/__init__.py": "",
    "idea/loss.py": "from . import parts\nfrom .deep.scale import factor\nimport json\n",
    "idea/parts.py": "def f():\n    from idea import late\n",
    "idea/late.py": "x = 1\n",
    "idea/deep/__init__.py": "",
    "idea/deep/scale.py": "from ..parts import f\nfactor = 2\n",
    "idea/other.py": "y = 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [n for n in sys.modules if n.partition(".")[0] == "idea"]:
        del sys.modules[name]


def digits(name: str = "idea.loss") -> str:
    importlib.invalidate_caches()
    source_sha256.cache_clear()
    return source_sha256(name)


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("idea/loss.py", True),
        ("idea/parts.py", True),
        ("idea/late.py", True),  # imported within a function
        ("idea/deep/scale.py", True),
        ("idea/deep/__init__.py", True),
        ("idea/other.py", False),
    ],
)
def test_what_is_imported_from_the_same_package_counts(
    package: Path, file: str, counts: bool
) -> None:
    before = digits()
    (package / file).write_text(f"{FILES[file]}z = 3\n")
    assert (digits() != before) is counts


def test_line_ends_do_not_count(package: Path) -> None:
    before = digits()
    path = package / "idea/loss.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert digits() == before


def test_a_module_without_source_or_with_broken_source_has_digits(package: Path) -> None:
    assert len(digits("math")) == len(digits("no_such_module_at_all")) == 12
    (package / "idea/parts.py").write_text("def (")
    assert len(digits()) == 12


def test_a_module_in_an_archive_has_digits(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(package / "packed.zip", "w") as archive:
        archive.writestr("packed_idea.py", "x = 1")
    monkeypatch.syspath_prepend(package / "packed.zip")
    assert len(digits("packed_idea")) == 12


def test_a_folders_digits_follow_names_and_contents(tmp_path: Path) -> None:
    def of() -> str:
        folder_sha256.cache_clear()
        return folder_sha256(tmp_path)

    (tmp_path / "a.py").write_text("1")
    found = [of()]
    (tmp_path / "a.py").write_text("2")
    found.append(of())
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    found.append(of())
    assert len(set(found)) == 3
    (tmp_path / "notes.txt").write_text("x")
    assert of() == found[-1]
