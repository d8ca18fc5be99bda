"""Attempts at a sweep that one observer watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from observed_runs import Sweep

from ltbench.plugins.manager import Plugins, get_plugins
from ltbench.plugins.observer import make_observer


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Callable[[str], Sweep]]:
    """Start an attempt at a sweep, as each typing of the same command does."""
    with contextlib.ExitStack() as stack:

        def attempt(text: str) -> Sweep:
            stack.close()  # the attempt before is over
            _, observer = make_observer(get_plugins(), text)
            plugins = Plugins()
            stack.enter_context(plugins.observing(text, observer))
            return Sweep(plugins, observer, tmp_path)

        yield attempt
