"""Where data and caches lie, as environments name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltbench.data.locations import cache_folder, data_folder


@pytest.mark.parametrize(
    ("variable", "folder"), [("LTBENCH_DATA", data_folder), ("LTBENCH_CACHE", cache_folder)]
)
def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path, variable, folder):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, "~/lt")
    assert folder() == tmp_path / "lt"
    monkeypatch.setenv(variable, "/elsewhere")
    assert folder() == Path("/elsewhere")
