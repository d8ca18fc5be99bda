"""Registers wrong plugins for one test, and asks the kit about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ltbench.plugins.manager import KINDS, get_plugins
from ltbench.plugins.registry import Entry
from ltbench.testing import Result, check_entry

Ask = Callable[..., dict[str, Result]]


@pytest.fixture(autouse=True)
def _fresh_registries() -> Iterator[None]:
    yield
    get_plugins.cache_clear()


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Register something under its name in lower case and return its results by point.

    With ``until``, the points after that one are not asked.
    """

    def ask(kinds: str, target: object, until: str = "") -> dict[str, Result]:
        name = getattr(target, "__name__", "it").lower()
        entry = Entry(KINDS[kinds], name, target, "Wrong on purpose", "wrong", "1")
        get_plugins()[kinds].add(entry)
        results = {}
        for result in check_entry(entry, name, tmp_path):
            results[result.point.name] = result
            if result.point.name == until:
                break
        return results

    return ask
